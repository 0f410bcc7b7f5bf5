"""What the reconfiguration API writes into the audit record: who did what to which object, from where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import audit
from shared.ids import OPEN_ACCOUNT_ID, AccountId
from tests.integration.gateway.conftest import Served
from tests.support.principals import make_account, make_key, make_user

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def events_of(served: Served, account_id: AccountId) -> list[tuple[str, str, str, str | None]]:
    """Events of networks, sessions and solutions, the oldest first."""
    async with served.process.database.reading(EVERY_ACCOUNT) as connection:
        events = await audit.list_events(connection, account_id)
    return [
        (event.event, event.subject, event.object_id, event.address)
        for event in reversed(events)
        if event.object_kind in {"network", "session", "solution"}
    ]


async def details_of(served: Served, account_id: AccountId, kind: str, object_id: str) -> list[Mapping[str, Any]]:
    """What the events of one object say beside its name, the oldest first."""
    async with served.process.database.reading(EVERY_ACCOUNT) as connection:
        events = await audit.list_events(connection, account_id, about=(kind, object_id))
    return [event.details for event in reversed(events)]


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


async def test_changes_of_a_pool_and_of_weights_are_recorded(served: Served) -> None:
    database = served.process.database
    user = await make_user(database, await make_account(database))
    key = {"Authorization": f"Bearer {await make_key(database, user)}"}
    assert (await served.load("north", headers=key)).status == 201
    assert (await served.create("winter", "north", headers=key)).status == 201
    before = await events_of(served, user.account_id)
    loss, cost = {"objectiveName": "Total loss (MWh)", "weight": 5}, {"objectiveName": "KILE cost", "weight": 1}
    pool, weights = "/api/sessions/winter/solutions", "/api/sessions/winter/objectiveWeights"
    calls: list[tuple[str, str, object]] = [
        ("POST", f"{pool}/mine", {}),
        ("PUT", f"{pool}/mine", {}),
        ("POST", f"{pool}/mine/repair/mended", {}),
        ("DELETE", f"{pool}/mine", None),
        ("PUT", weights, [loss, cost]),
        ("PUT", weights, [loss]),  # as they are already
        ("PUT", weights, []),
    ]
    for method, path, body in calls:
        assert (await served.call(method, path, json=body, headers=key)).status == 200, (method, path)
    happened = [
        ("solution:created", "mine"),
        ("solution:changed", "mine"),
        ("solution:created", "mended"),
        ("solution:deleted", "mine"),
        ("session:weights:changed", "winter"),
    ]
    expected = [(event, user.subject, name, "127.0.0.1") for event, name in happened]
    assert (await events_of(served, user.account_id))[len(before) :] == expected
    of_pool = {"api": "reconfiguration json", "session": "winter"}
    assert await details_of(served, user.account_id, "solution", "mine") == [of_pool] * 3
    assert await details_of(served, user.account_id, "solution", "mended") == [of_pool | {"repaired_from": "mine"}]
    changed = {"Total loss (MWh)": {"from": 1_000_000.0, "to": 5.0}}
    assert (await details_of(served, user.account_id, "session", "winter"))[-1]["weights"] == changed


async def test_what_is_refused_has_not_happened(served: Served) -> None:
    await served.load("n")
    before = await events_of(served, OPEN_ACCOUNT_ID)
    assert before[-1] == ("network:created", "commonUser", "n", "127.0.0.1")
    assert (await served.load("n")).status != 201
    assert (await served.create("s", "nowhere")).status != 201
    assert (await served.call("DELETE", "/api/networks/nowhere")).status == 404
    assert (await served.run("nowhere", True)).status == 404
    assert await events_of(served, OPEN_ACCOUNT_ID) == before


async def test_a_change_of_a_pool_or_of_weights_that_is_refused_has_not_happened(served: Served) -> None:
    await served.load("n")
    await served.create("s", "n")
    pool, weights = "/api/sessions/s/solutions", "/api/sessions/s/objectiveWeights"
    assert (await served.call("POST", f"{pool}/mine", json={})).status == 200
    before = await events_of(served, OPEN_ACCOUNT_ID)
    loss, unknown = {"objectiveName": "Total loss (MWh)", "weight": 5}, {"objectiveName": "comfort", "weight": 5}
    refused: list[tuple[str, str, object]] = [
        ("POST", f"{pool}/best", {}),
        ("POST", f"{pool}/mine", {}),
        ("PUT", f"{pool}/best", {}),
        ("PUT", f"{pool}/none", {}),
        ("POST", f"{pool}/mine/repair/best", {}),
        ("POST", f"{pool}/best/repair/mine", {}),
        ("DELETE", f"{pool}/best", None),
        ("PUT", weights, [loss, unknown]),
    ]
    for method, path, body in refused:
        assert (await served.call(method, path, json=body)).status == 400, (method, path)
    assert (await served.call("DELETE", f"{pool}/none")).status == 404
    assert await events_of(served, OPEN_ACCOUNT_ID) == before
