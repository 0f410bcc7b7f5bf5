"""What writes assets and sensors holds to the account that it is told, whatever ids it is given."""

from __future__ import annotations

import pytest

from services.gateway.dialects.flexibility import asset_change_store, asset_store, sensor_store
from services.gateway.dialects.flexibility.asset_store import Scope
from services.gateway.dialects.flexibility.listing_store import Slice
from services.gateway.dialects.flexibility.permissions import Caller
from services.gateway.dialects.flexibility.sensor_store import SensorScope
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import AccountId
from tests.integration.gateway.flexibility.conftest import Api, People
from tests.support.flexibility import make_asset, make_sensor

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_nothing_of_another_account_is_changed_or_deleted(api: Api, people: People) -> None:
    database = api.process.database
    depot, other = people.depot.account_id, people.other.account_id
    owned: list[tuple[AccountId | None, int, int]] = []
    for account_id in (depot, None):
        asset = await make_asset(database, account_id)
        owned.append((account_id, asset, await make_sensor(database, account_id, asset)))
    for owner, asset, sensor in owned:
        for neighbour in {depot, other, None} - {owner}:
            async with database.unit_of_work(EVERY_ACCOUNT) as work:
                connection = work.connection
                before = (
                    await asset_store.find_asset(connection, asset),
                    await sensor_store.find_sensor(connection, sensor),
                )
                assert None not in before
                await asset_change_store.update_asset(connection, neighbour, asset, {"description": "changed"})
                await asset_change_store.delete_asset(connection, neighbour, asset)
                await sensor_store.update_sensor(connection, neighbour, sensor, {"unit": "MW"})
                await sensor_store.delete_sensor(connection, neighbour, sensor)
                after = (
                    await asset_store.find_asset(connection, asset),
                    await sensor_store.find_sensor(connection, sensor),
                )
                assert after == before


async def test_lists_hold_nothing_that_the_caller_may_not_read_whatever_scope_is_asked_for(
    api: Api, people: People
) -> None:
    database = api.process.database
    asset = await make_asset(database, people.depot.account_id)
    sensor = await make_sensor(database, people.depot.account_id, asset)
    stranger = Caller(people.other.account_id, people.stranger.number, frozenset({"account-admin"}), False)
    member = Caller(people.depot.account_id, people.member.number, frozenset(), False)
    async with database.reading(EVERY_ACCOUNT) as connection:
        for caller, expected in ((stranger, False), (member, True)):
            found = set()
            for scope in (
                Scope(account_id=people.depot.account_id),
                Scope(is_of_all_accounts=True, with_public=True, root=asset),
            ):
                listed = await asset_store.list_assets(connection, caller, Slice(), scope)
                found.add(asset in {row.asset_id for row in listed.rows})
            for sensor_scope in (
                SensorScope(account_id=people.depot.account_id),
                SensorScope(account_id=people.depot.account_id, with_clients=True, with_public=True, root=asset),
            ):
                sensors = await sensor_store.list_sensors(connection, caller, Slice(), sensor_scope)
                found.add(sensor in {row.sensor_id for row in sensors.rows})
            assert found == {expected}


async def test_the_database_lets_nobody_write_for_another_account_or_for_all(api: Api, people: People) -> None:
    database = api.process.database
    public = await make_asset(database, None)
    theirs = await make_asset(database, people.other.account_id)
    async with database.unit_of_work(people.depot.account_id) as work:
        await asset_change_store.update_asset(work.connection, None, public, {"description": "changed"})
        await asset_change_store.update_asset(
            work.connection, people.other.account_id, theirs, {"description": "changed"}
        )
    async with database.reading(EVERY_ACCOUNT) as connection:
        for asset in (public, theirs):
            row = await asset_store.find_asset(connection, asset)
            assert row is not None
            assert row.description is None
