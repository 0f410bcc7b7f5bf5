"""Annotations: who notes what about which sensor, asset or account, and that a note is kept once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from shared.db.models.flexibility import annotation_rows as notes
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity.principals import User
from tests.integration.gateway.flexibility.conftest import Api, People
from tests.integration.gateway.flexibility.test_accounts import invalid, refused
from tests.integration.gateway.flexibility.test_assets import NOT_THERE, make
from tests.integration.gateway.flexibility.test_sensors import add

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTE = {"content": "maintenance", "start": "2026-05-01T00:00:00+02:00", "end": "2026-05-02T00:00:00+02:00"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def places(api: Api, people: People) -> dict[str, str]:
    """Where notes about the depot are made: about a sensor, an asset, the account."""
    asset = await make(api, people.chief, people.depot)
    sensor = await add(api, people.chief, asset)
    return {"sensor": f"sensors/{sensor}", "asset": f"assets/{asset}", "account": f"accounts/{people.depot.number}"}


@pytest.mark.parametrize("kind", ["sensor", "asset", "account"])
async def test_a_note_is_kept_once(api: Api, people: People, places: dict[str, str], kind: str) -> None:
    path = f"{places[kind]}/annotations"
    made = await api.post(path, people.chief, **NOTE, prior="2026-04-01T12:00:00Z", type="holiday")
    assert made.status == 201
    assert made.json == {
        "id": made.json["id"],
        "content": "maintenance",
        "start": "2026-04-30T22:00:00+00:00",
        "end": "2026-05-01T22:00:00+00:00",
        "prior": "2026-04-01T12:00:00+00:00",
        "source": made.json["source"],
        "type": "holiday",
    }
    for body in (NOTE | {"prior": "2026-04-01T12:00:00Z", "type": "holiday"}, NOTE | {"type": "holiday"}):
        again = await api.post(path, people.chief, **body)
        assert (again.status, again.json) == (200, made.json)
    for change in (
        {"content": "other"},
        {"type": "alert"},
        {"end": "2026-06-01T00:00:00Z"},
        {"prior": "2026-04-02T00:00:00Z"},
    ):
        other = await api.post(path, people.chief, **(NOTE | {"type": "holiday"} | change))
        assert (other.status, other.json["source"]) == (201, made.json["source"])
    somebody_else = await api.post(path, people.root, **NOTE, type="holiday")
    assert somebody_else.status == 201
    assert somebody_else.json["source"] != made.json["source"]
    events = (await api.get(f"accounts/{people.depot.number}/auditlog", people.chief)).json
    assert events[0]["event"] == "annotation:created"


async def test_the_same_note_sent_several_times_at_once_is_kept_once(
    api: Api, people: People, places: dict[str, str]
) -> None:
    await api.post(f"{places['asset']}/annotations", people.chief, **NOTE)  # whose first note it is, has to wait anyway
    note = NOTE | {"content": "sent by an impatient client"}
    answers = await asyncio.gather(
        *(api.post(f"{places['asset']}/annotations", people.chief, **note) for _ in range(6))
    )
    assert sorted(answer.status for answer in answers) == [200] * 5 + [201]
    assert len({answer.json["id"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("who", "kinds"),
    [
        ("chief", {"sensor", "asset", "account"}),
        ("member", {"sensor", "asset"}),
        ("stranger", set()),
        ("adviser", set()),
        ("reader", set()),
        ("root", {"sensor", "asset", "account"}),
    ],
)
async def test_who_may_note(api: Api, people: People, places: dict[str, str], who: str, kinds: set[str]) -> None:
    user: User = getattr(people, who)
    for kind, path in places.items():
        got = await api.post(f"{path}/annotations", user, **NOTE, type="label")
        assert got.status in {200, 201} if kind in kinds else refused(got), kind


async def test_a_consultant_notes_about_a_client(api: Api, people: People) -> None:
    got = await api.post(f"accounts/{people.shop.number}/annotations", people.adviser, **NOTE)
    assert (got.status, got.json["type"]) == (201, "label")


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        ({"content": "a" * 1025}, "content", "Longer than maximum length 1024."),
        ({"end": NOTE["start"]}, "_schema", "end must be after start"),
        ({"type": "gossip"}, "type", "Must be one of: alert, holiday, label, feedback, warning, error."),
        ({"start": "2026-05-01T00:00:00"}, "start", "Not a valid aware datetime."),
        ({"start": "May"}, "start", "Not a valid datetime."),
        ({"prior": 7}, "prior", "Not a valid datetime."),
        ({"colour": 1}, "colour", "Unknown field."),
    ],
)
async def test_a_note_that_cannot_be(
    api: Api, people: People, places: dict[str, str], change: dict[str, Any], field: str, text: str
) -> None:
    got = await api.post(f"{places['asset']}/annotations", people.chief, **(NOTE | change))
    assert invalid(got) == {field: [text]}


async def test_what_is_not_there_is_told_as_everywhere(api: Api, people: People) -> None:
    got = await api.post(f"sensors/{NOT_THERE}/annotations", people.root, **NOTE)
    assert invalid(got, "path") == {"id": [f"No sensor found with ID {NOT_THERE}."]}
    for kind, text in (
        ("assets", f"No asset found with ID {NOT_THERE}."),
        ("accounts", f"Account {NOT_THERE} not found"),
    ):
        got = await api.post(f"{kind}/{NOT_THERE}/annotations", people.root, **NOTE)
        assert (got.status, got.json) == (404, {"message": text, "status": 404})


async def test_notes_go_with_what_they_are_about(api: Api, people: People) -> None:
    asset = await make(api, people.chief, people.depot)
    sensor = await add(api, people.chief, asset)
    assert (await api.post(f"sensors/{sensor}/annotations", people.member, **NOTE)).status == 201
    assert (await api.post(f"assets/{asset}/annotations", people.member, **NOTE)).status == 201
    assert await count_notes(api, sensor, asset) == 2
    assert (await api.call("DELETE", f"assets/{asset}", by=people.chief)).status == 204
    assert await count_notes(api, sensor, asset) == 0


async def count_notes(api: Api, sensor: int, asset: int) -> int:
    statement = select(func.count()).where((notes.c.sensor_id == sensor) | (notes.c.asset_id == asset))
    async with api.process.database.reading(EVERY_ACCOUNT) as connection:
        number: int = (await connection.execute(statement)).scalar_one()
    return number
