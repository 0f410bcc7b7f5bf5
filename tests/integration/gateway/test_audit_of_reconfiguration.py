"""What the reconfiguration API writes into the audit record: who did what to which object, from where."""

from __future__ import annotations

import pytest

from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import audit
from shared.ids import OPEN_ACCOUNT_ID, AccountId
from tests.integration.gateway.conftest import Served
from tests.support.principals import make_account, make_key, make_user

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def events_of(served: Served, account_id: AccountId) -> list[tuple[str, str, str, str | None]]:
    """Events of networks and sessions, the oldest first."""
    async with served.process.database.reading(EVERY_ACCOUNT) as connection:
        events = await audit.list_events(connection, account_id)
    return [
        (event.event, event.subject, event.object_id, event.address)
        for event in reversed(events)
        if event.object_kind in {"network", "session"}
    ]


async def test_what_somebody_makes_starts_stops_and_deletes_is_recorded(served: Served) -> None:
    database = served.process.database
    user = await make_user(database, await make_account(database))
    key = {"Authorization": f"Bearer {await make_key(database, user)}"}
    assert (await served.load("north", headers=key)).status == 201
    assert (await served.create("winter", "north", headers=key)).status == 201
    for on in (True, True, False, False):
        got = await served.call("PUT", "/api/sessions/winter/runOptimization", json=on, headers=key)
        assert got.status == 200
    assert (await served.call("DELETE", "/api/sessions/winter", headers=key)).status == 200
    assert (await served.call("DELETE", "/api/networks/north", headers=key)).status == 200
    happened = [
        ("network:created", "north"),
        ("session:created", "winter"),
        ("run:started", "winter"),
        ("run:stopped", "winter"),
        ("session:deleted", "winter"),
        ("network:deleted", "north"),
    ]
    expected = [(event, user.subject, name, "127.0.0.1") for event, name in happened]
    assert await events_of(served, user.account_id) == expected


async def test_what_is_refused_has_not_happened(served: Served) -> None:
    await served.load("n")
    before = await events_of(served, OPEN_ACCOUNT_ID)
    assert before[-1] == ("network:created", "commonUser", "n", "127.0.0.1")
    assert (await served.load("n")).status != 201
    assert (await served.create("s", "nowhere")).status != 201
    assert (await served.call("DELETE", "/api/networks/nowhere")).status == 404
    assert (await served.run("nowhere", True)).status == 404
    assert await events_of(served, OPEN_ACCOUNT_ID) == before
