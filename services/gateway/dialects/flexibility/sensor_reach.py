"""The sensor that a request about data is for: found, the caller's to use, and in a transaction that reaches its account alone.

Most ask about sensors of their own account, or public ones: those are found at once by a transaction of that account. Only for others
is looked everywhere, and what then is done is done within the account that the sensor belongs to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.auth.identity import Identity
from services.gateway.dialects.flexibility import data_store
from services.gateway.dialects.flexibility.access import Unknown
from services.gateway.dialects.flexibility.data_store import Target
from services.gateway.dialects.flexibility.errors import NotPermitted, UnknownSensor
from services.gateway.dialects.flexibility.permissions import Caller, Owner, caller_of, may_read_thing, may_work_on
from shared.db.unit_of_work import COMMAND_TIMEOUT_S, EVERY_ACCOUNT, Database, Outbox, Reach

May = Callable[[Caller, Owner | None], bool]


@dataclass(frozen=True, slots=True)
class ReadSensor:
    """A sensor, and a snapshot in which to read of it."""

    connection: AsyncConnection
    sensor: Target


@dataclass(frozen=True, slots=True)
class WrittenSensor:
    """A sensor, and a transaction in which something is written about it."""

    connection: AsyncConnection
    outbox: Outbox
    sensor: Target


@asynccontextmanager
async def reading_sensor(
    database: Database, identity: Identity, sensor_id: int, *, unknown: Unknown = UnknownSensor
) -> AsyncIterator[ReadSensor]:
    """A sensor that the caller may read.

    Raises:
        NotPermitted: it is somebody else's. What ``unknown`` gives (404 by default): there is none of this id.
    """
    async with database.reading(identity.account_id) as connection:
        sensor = await data_store.find_target(connection, sensor_id, user_number=identity.user_number)
        if sensor is not None:
            yield ReadSensor(connection, sensor)
            return
    reach, username = await _reach_elsewhere(database, identity, sensor_id, may_read_thing, unknown)
    async with database.reading(reach) as connection:
        yield ReadSensor(connection, await _found_again(connection, sensor_id, username, unknown))


@asynccontextmanager
async def writing_sensor(
    database: Database,
    identity: Identity,
    sensor_id: int,
    *,
    may: May = may_work_on,
    unknown: Unknown = UnknownSensor,
    changes_beliefs: bool = False,
    command_timeout_s: float = COMMAND_TIMEOUT_S,
) -> AsyncIterator[WrittenSensor]:
    """A sensor that the caller may post data to, or do with what ``may`` says.

    With ``changes_beliefs`` the transaction may change what is known of the sensor, also of a public one; else it may write about it,
    in the caller's account where it is public.

    Raises:
        NotPermitted: they may not. What ``unknown`` gives (404 by default): there is none of this id.
    """
    async with database.unit_of_work(identity.account_id, command_timeout_s=command_timeout_s) as work:
        sensor = await data_store.find_target(work.connection, sensor_id, user_number=identity.user_number)
        if sensor is not None and (sensor.owner is not None or not changes_beliefs):
            _check(may, identity, sensor)
            yield WrittenSensor(work.connection, work.outbox, sensor)
            return
    reach, username = await _reach_elsewhere(database, identity, sensor_id, may, unknown)
    async with database.unit_of_work(reach, command_timeout_s=command_timeout_s) as work:
        sensor = await _found_again(work.connection, sensor_id, username, unknown)
        yield WrittenSensor(work.connection, work.outbox, sensor)


async def _reach_elsewhere(
    database: Database, identity: Identity, sensor_id: int, may: May, unknown: Unknown
) -> tuple[Reach, str | None]:
    """Where the sensor is, and the name of whoever asks, who is not known there."""
    async with database.reading(EVERY_ACCOUNT) as connection:
        sensor = await data_store.find_target(connection, sensor_id, user_number=identity.user_number)
    if sensor is None:
        raise unknown(sensor_id)
    _check(may, identity, sensor)
    return EVERY_ACCOUNT if sensor.owner is None else sensor.owner.account_id, sensor.username


async def _found_again(connection: AsyncConnection, sensor_id: int, username: str | None, unknown: Unknown) -> Target:
    sensor = await data_store.find_target(connection, sensor_id, user_number=None)
    if sensor is None:
        raise unknown(sensor_id)
    return replace(sensor, username=username)


def _check(may: May, identity: Identity, sensor: Target) -> None:
    if not may(caller_of(identity), sensor.owner):
        raise NotPermitted
