"""Promise 15 for the flexibility API: ids of another account lead nowhere, wherever in a request they stand.

Its contract tells somebody else's asset (403) from one that is not there (404); so what counts here is that nothing of the other
account is told, changed or used. The routes themselves are in the table of promise 14.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import FormData
from sqlalchemy import select

from shared.beliefs.reading_store import SensorOf
from shared.beliefs.source_store import USER, NewSource, source_id_of
from shared.beliefs.writing_store import hold_sensors, write_beliefs
from shared.db.models.base import metadata
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import AccountId, SensorId
from tests.integration.gateway.flexibility.conftest import Api, People, invite, serving_flexibility
from tests.support.apis import Got
from tests.support.databases import TestDatabases
from tests.support.sensors import D, stated

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Part of every text of theirs.
SECRET = "hushhush"
START = "2024-03-01T00:00:00+00:00"
WINDOW = "start=2024-03-01T00:00:00Z&duration=PT1H&unit=kW"
REFUSED = (400, 403, 404, 422)


@dataclass(frozen=True)
class Two:
    """The API, somebody's things, and those of the stranger who asks. ``ids`` are what requests are filled with."""

    api: Api
    people: People
    ids: Mapping[str, Any]

    async def ask(self, route: str, body: object) -> Got:
        method, _, path = route.partition(" ")
        json = ... if body is None else filled(body, self.ids)
        return await self.api.call(method, path.format(**self.ids), by=self.people.stranger, json=json)


def filled(body: object, ids: Mapping[str, Any]) -> object:
    """The body with ids in place of their names."""
    if isinstance(body, dict):
        return {name: filled(value, ids) for name, value in body.items()}
    if isinstance(body, list):
        return [filled(value, ids) for value in body]
    return ids.get(body[1:-1], body) if isinstance(body, str) and body.startswith("{") else body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(databases: TestDatabases) -> AsyncIterator[Two]:
    """Two accounts, each with an asset and a sensor; the first has values, a source, jobs and a note besides."""
    url = databases.create()
    async with serving_flexibility(url, rate_limits="off") as api:
        people = await invite(api)
        theirs, mine = await site_of(api, people, SECRET, theirs=True), await site_of(api, people, "mine", theirs=False)
        jobs = await jobs_of(api, people, theirs)
        source = await values_of(api, people.depot.account_id, theirs["sensor"])
        ids = {f"their_{name}": value for name, value in (theirs | jobs | {"source": source}).items()}
        ids |= {f"my_{name}": value for name, value in mine.items()}
        ids |= {"their_account": people.depot.number, "my_account": people.other.number}
        yield Two(api, people, ids)
    databases.drop(url)


async def site_of(api: Api, people: People, name: str, *, theirs: bool) -> dict[str, Any]:
    by, account = (people.chief, people.depot) if theirs else (people.stranger, people.other)
    values = {"name": f"{name} site", "generic_asset_type_id": 5, "account_id": account.number, "description": name}
    asset = (await api.post("assets", by, **values, attributes={"note": name})).json["id"]
    values = {"name": f"{name} power", "unit": "kW", "event_resolution": "PT15M", "generic_asset_id": asset}
    sensor = (await api.post("sensors", by, **values, attributes={"note": name})).json
    note = {"content": f"{name} note", "start": START, "end": "2024-03-02T00:00:00+00:00"}
    assert (await api.post(f"sensors/{sensor['id']}/annotations", by, **note)).status == 201
    return {"asset": asset, "sensor": sensor["id"], "address": sensor["entity_address"]}


async def jobs_of(api: Api, people: People, theirs: Mapping[str, Any]) -> dict[str, str]:
    """One of each kind that somebody has asked for; nobody is there to do them."""
    sensor, by = f"sensors/{theirs['sensor']}", people.chief
    values = {"start": START, "duration": "PT15M", "values": [424242.5], "unit": "kW"}
    asked = {
        "ingestion": await api.post(f"{sensor}/data", by, **values),
        "schedule": await api.post(f"{sensor}/schedules/trigger", by, start=START, **{"flex-model": DEVICE}),
        "forecast": await api.post(f"{sensor}/forecasts/trigger", by),
    }
    assert {name: got.status for name, got in asked.items()} == dict.fromkeys(asked, 202)
    return {name: got.json["job"] for name, got in asked.items()}


async def values_of(api: Api, account_id: AccountId, sensor_id: int) -> int:
    async with api.process.database.unit_of_work(account_id) as work:
        source = await source_id_of(work.connection, account_id, NewSource(f"{SECRET} source", USER))
        await hold_sensors(work.connection, {SensorId(sensor_id)})
        sensor = SensorOf(account_id, SensorId(sensor_id), 900)
        await write_beliefs(work.connection, [stated(sensor, source, D, [424242.5] * 4, D)])
    return source


DEVICE = {"soc-at-start": "0 kWh", "soc-min": "0 kWh", "soc-max": "100 kWh", "power-capacity": "100 kW"}
PRICE = {"consumption-price": "100 EUR/MWh"}
THEIRS = {"sensor": "{their_sensor}"}
VALUES = {"start": START, "duration": "PT15M", "values": [1.5], "unit": "kW"}
MY_ASSET, MY_SENSOR = "assets/{my_asset}", "sensors/{my_sensor}"


def plan(context: object = None, **device: object) -> dict[str, object]:
    given: Any = PRICE | (context if isinstance(context, dict) else {})
    return {"start": START, "duration": "PT1H", "flex-model": DEVICE | device, "flex-context": given}


def plan_of_site(*models: object, **context: object) -> dict[str, object]:
    return {"start": START, "duration": "PT1H", "flex-model": list(models), "flex-context": PRICE | context}


# Where an id of theirs stands in the path or the query.
NAMED: tuple[str, ...] = (
    "GET assets/{their_asset}",
    "GET assets/{their_asset}/sensors",
    "GET assets/{their_asset}/auditlog",
    "GET assets/{their_asset}/jobs",
    f"GET assets/{{their_asset}}/chart_data?event_starts_after={START}&event_ends_before={START}".replace("+", "%2B"),
    "GET sensors/{their_sensor}",
    f"GET sensors/{{their_sensor}}/data?{WINDOW}",
    f"GET sensors/data?sensor={{their_address}}&{WINDOW}",
    "GET sensors/{their_sensor}/stats",
    "GET sensors/{their_sensor}/status",
    "GET sensors/{their_sensor}/schedules/{their_schedule}",
    "GET sensors/{my_sensor}/schedules/{their_schedule}",
    "GET sensors/{their_sensor}/forecasts/{their_forecast}",
    "GET sensors/{my_sensor}/forecasts/{their_forecast}",
    "GET jobs/{their_schedule}",
    "GET jobs/{their_forecast}",
    "GET jobs/{their_ingestion}",
    "GET accounts/{their_account}",
    "GET accounts/{their_account}/auditlog",
    "DELETE assets/{their_asset}",
    "DELETE sensors/{their_sensor}",
    "DELETE sensors/{their_sensor}/data",
    "POST assets/{their_asset}/copy?account={my_account}",
    "POST assets/{my_asset}/copy?account={their_account}",
    "POST assets/{my_asset}/copy?parent={their_asset}",
)
# Where it stands in the body.
SAID: tuple[tuple[str, object], ...] = (
    ("POST assets", {"name": "n", "generic_asset_type_id": 5, "account_id": "{their_account}"}),
    ("POST assets", {"name": "n", "generic_asset_type_id": 5, "parent_asset_id": "{their_asset}"}),
    ("POST assets", {"name": "n", "generic_asset_type_id": 5, "sensors_to_show": ["{their_sensor}"]}),
    ("POST assets", {"name": "n", "generic_asset_type_id": 5, "flex_model": {"soc-minima": THEIRS}}),
    (f"PATCH {MY_ASSET}", {"parent_asset_id": "{their_asset}"}),
    (f"PATCH {MY_ASSET}", {"flex_context": {"consumption-price": THEIRS}}),
    (f"PATCH {MY_ASSET}", {"flex_context": {"inflexible-device-sensors": ["{their_sensor}"]}}),
    (f"PATCH {MY_ASSET}", {"flex_context": {"aggregate-power": THEIRS}}),
    (f"PATCH {MY_ASSET}", {"flex_model": {"consumption": THEIRS}}),
    (f"PATCH {MY_ASSET}", {"flex_model": {"state-of-charge": THEIRS}}),
    (f"PATCH {MY_ASSET}", {"flex_model": {"soc-usage": [THEIRS]}}),
    (f"PATCH {MY_ASSET}", {"sensors_to_show": ["{their_sensor}"]}),
    (f"PATCH {MY_ASSET}", {"sensors_to_show": [{"title": "t", "plots": [{"sensor": "{their_sensor}"}]}]}),
    (
        f"PATCH {MY_ASSET}",
        {
            "sensors_to_show": [
                {"title": "t", "plots": [{"asset": "{their_asset}", "flex-context": "site-power-capacity"}]}
            ]
        },
    ),
    (f"PATCH {MY_ASSET}", {"sensors_to_show_as_kpis": [{"title": "t", "sensor": "{their_sensor}", "function": "sum"}]}),
    ("POST sensors", {"name": "n", "unit": "kW", "event_resolution": "PT15M", "generic_asset_id": "{their_asset}"}),
    (f"PATCH {MY_SENSOR}", {"generic_asset_id": "{their_asset}"}),
    ("PATCH sensors/{their_sensor}", {"name": "mine"}),
    ("POST sensors/{their_sensor}/data", VALUES),
    ("POST sensors/data", VALUES | {"sensor": "{their_address}", "type": "PostSensorDataRequest"}),
    ("POST sensors/{their_sensor}/annotations", {"content": "n", "start": START, "end": "2024-03-02T00:00:00Z"}),
    ("POST assets/{their_asset}/schedules/trigger", plan_of_site()),
    ("POST sensors/{their_sensor}/schedules/trigger", plan()),
    ("POST sensors/{their_sensor}/forecasts/trigger", {}),
    *(
        (f"POST {MY_SENSOR}/schedules/trigger", given)
        for given in (
            plan({"consumption-price": THEIRS}),
            plan({"production-price": THEIRS}),
            plan({"site-power-capacity": THEIRS}),
            plan({"inflexible-device-sensors": ["{their_sensor}"]}),
            plan({"aggregate-power": THEIRS}),
            plan({"commitments": [{"name": "c", "baseline": THEIRS, "up-price": "1 EUR/MWh"}]}),
            plan(**{"soc-at-start": THEIRS}),
            plan(**{"soc-minima": THEIRS}),
            plan(**{"soc-usage": [THEIRS]}),
            plan(**{"power-capacity": THEIRS}),
            plan(consumption=THEIRS),
            plan(production=THEIRS),
            plan(**{"state-of-charge": THEIRS}),
        )
    ),
    (f"POST {MY_ASSET}/schedules/trigger", plan_of_site(DEVICE | THEIRS)),
    (f"POST {MY_ASSET}/schedules/trigger", plan_of_site(DEVICE | {"asset": "{their_asset}"})),
    (
        f"POST {MY_ASSET}/schedules/trigger",
        plan_of_site(DEVICE | {"sensor": "{my_sensor}"}, **{"aggregate-power": THEIRS}),
    ),
    *(
        (f"POST {MY_SENSOR}/forecasts/trigger", {"config": {name: ["{their_sensor}"]}})
        for name in ("past-regressors", "future-regressors", "regressors")
    ),
    (f"POST {MY_SENSOR}/forecasts/trigger", {"config": {"regressors": [THEIRS | {"sources": ["{their_source}"]}]}}),
    (f"POST {MY_SENSOR}/forecasts/trigger", {"sensor-to-save": "{their_sensor}"}),
)
REQUESTS = [*((route, None) for route in NAMED), *SAID]
# Lists and filters, which just do not have what is theirs.
LISTS = (
    "GET assets",
    "GET assets?all_accessible=true",
    "GET assets?root={their_asset}",
    "GET assets?account={their_account}",
    "GET assets/public",
    "GET sensors",
    "GET sensors?asset={their_asset}",
    "GET sensors?account={their_account}",
    "GET sources",
    "GET accounts",
    "GET users",
    "GET users?account={their_account}",
    f"GET sensors/{{my_sensor}}/data?{WINDOW}&source={{their_source}}",
    f"GET sensors/{{my_sensor}}/data?{WINDOW}&source-account={{their_account}}",
    "GET assets/{my_asset}/jobs",
)


async def test_every_way_to_name_a_neighbours_thing_is_refused_and_leaves_nothing(two: Two) -> None:
    before, wrong = await rows(two.api), []
    for route, body in REQUESTS:
        got = await two.ask(route, body)
        if got.status not in REFUSED or tells(got):
            wrong.append(f"{route} {body}: {got.status} {got.text[:300]}")
    assert not wrong, "\n".join(wrong)
    assert await rows(two.api) == before


async def test_a_file_for_a_neighbours_sensor_is_refused(two: Two) -> None:
    before = await rows(two.api)
    form = FormData()
    form.add_field("uploaded-files", b"when,kw\n2024-03-01 00:00,1\n", filename="f.csv", content_type="text/csv")
    url = f"http://127.0.0.1:{two.api.client.port}/api/v3_0/sensors/{two.ids['their_sensor']}/data/upload"
    headers = {"Authorization": await two.api.token(two.people.stranger)}
    async with two.api.client.session.post(url, data=form, headers=headers) as response:
        got = Got(response.status, response.headers.copy(), await response.read())
    assert (got.status, tells(got)) == (403, False), got.text
    assert await rows(two.api) == before


async def test_lists_and_filters_show_nothing_of_a_neighbour(two: Two) -> None:
    wrong = []
    for route in LISTS:
        got = await two.ask(route, None)
        if got.status not in (200, *REFUSED) or tells(got):
            wrong.append(f"{route}: {got.status} {got.text[:300]}")
    assert not wrong, "\n".join(wrong)


async def test_the_same_requests_about_ones_own_things_are_let_in(two: Two) -> None:
    """Or else the refusals above would say nothing."""
    own = dict(two.ids) | {
        name.replace("my_", "their_"): got for name, got in two.ids.items() if name.startswith("my_")
    }
    mine = Two(two.api, two.people, own)
    for route, body in (
        (f"POST {MY_SENSOR}/schedules/trigger", plan({"inflexible-device-sensors": ["{their_sensor}"]})),
        (f"POST {MY_SENSOR}/forecasts/trigger", {"sensor-to-save": "{their_sensor}"}),
        ("POST sensors/{their_sensor}/data", VALUES),
        (f"PATCH {MY_ASSET}", {"flex_context": {"inflexible-device-sensors": ["{their_sensor}"]}}),
        (f"PATCH {MY_ASSET}", {"sensors_to_show": ["{their_sensor}"]}),
    ):
        assert (await mine.ask(route, body)).status in (200, 201, 202), (route, body)


def tells(got: Got) -> bool:
    """Whether an answer has a text or a value of theirs."""
    return SECRET in got.text or "424242" in got.text


async def rows(api: Api) -> set[str]:
    """All that flexibility has stored, of every account, and the messages about it."""
    found: set[str] = set()
    async with api.process.database.reading(EVERY_ACCOUNT) as connection:
        for table in metadata.sorted_tables:
            if table.name.startswith("flexibility_") or table.name == "outbox":
                found |= {f"{table.name} {tuple(row)}" for row in await connection.execute(select(table))}
    return found
