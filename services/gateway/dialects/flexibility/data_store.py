"""The SQL that the routes of sensor data need beside that of jobs and beliefs: sensors as data are posted to them, and sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import BigInteger, Select, bindparam, case, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility.json_column import as_text
from services.gateway.dialects.flexibility.listing_store import is_readable_by, owner_of
from services.gateway.dialects.flexibility.permissions import Caller, Owner
from shared.db.models.flexibility import assets, sensors, sources
from shared.db.models.identity import accounts, users
from shared.db.models.infrastructure import workers
from shared.identity.reach import account_id_of
from shared.ids import AccountId

TELEMETRY = "telemetry"
HEARD_OF_WITHIN = timedelta(seconds=6)
# What of a sensor's attributes says where its events may begin. The sensor's own come first, then what its asset says anywhere.
GRID_ATTRIBUTES = ("floor_datetimes_to_resolution", "frequency")


@dataclass(frozen=True, slots=True)
class Target:
    """A sensor as data are posted to it and read from it, and whether somebody is there who stores what is posted."""

    sensor_id: int
    owner: Owner | None
    unit: str
    event_resolution_s: int
    timezone: str
    grid_attributes: Mapping[str, Any]
    username: str | None  # of whoever asks
    is_telemetry_there: bool


def _attribute(name: str) -> Any:  # Any: JSON
    given = [
        as_text(column[name])
        for column in (sensors.c.attributes, assets.c.attributes, assets.c.flex_model, assets.c.flex_context)
    ]
    return func.coalesce(*given).label(name)


_IS_TELEMETRY_THERE = exists(
    select(workers.c.instance).where(workers.c.service == TELEMETRY, workers.c.seen_at > func.now() - HEARD_OF_WITHIN)
)
_USERNAME = (
    select(users.c.username).where(users.c.number == bindparam("user_number", type_=BigInteger)).scalar_subquery()
)
_TARGET: Select[Any] = (
    select(
        sensors.c.sensor_id,
        sensors.c.account_id,
        accounts.c.consultancy_account_id,
        sensors.c.unit,
        sensors.c.event_resolution_s,
        sensors.c.timezone,
        *(_attribute(name) for name in GRID_ATTRIBUTES),
        _USERNAME.label("username"),
        case((_IS_TELEMETRY_THERE, True), else_=False).label("is_telemetry_there"),
    )
    .select_from(
        sensors.join(assets, assets.c.asset_id == sensors.c.asset_id).outerjoin(
            accounts, accounts.c.account_id == sensors.c.account_id
        )
    )
    .where(sensors.c.sensor_id == bindparam("wanted", type_=BigInteger))
)


async def find_target(connection: AsyncConnection, sensor_id: int, *, user_number: int | None) -> Target | None:
    """A sensor, whoever asks; whether they may know is for the caller of this to decide."""
    parameters = {"wanted": sensor_id, "user_number": user_number}
    row = (await connection.execute(_TARGET, parameters)).one_or_none()
    if row is None:
        return None
    given = {name: getattr(row, name) for name in GRID_ATTRIBUTES}
    return Target(
        sensor_id=row.sensor_id,
        owner=None if row.account_id is None else owner_of(row.account_id, row.consultancy_account_id),
        unit=row.unit,
        event_resolution_s=row.event_resolution_s,
        timezone=row.timezone,
        grid_attributes={name: orjson.loads(text) for name, text in given.items() if text is not None},
        username=row.username,
        is_telemetry_there=row.is_telemetry_there,
    )


async def has_source(connection: AsyncConnection, source_id: int) -> bool:
    """Whether there is such a source within reach."""
    statement = select(sources.c.source_id).where(sources.c.source_id == source_id)
    return (await connection.execute(statement)).first() is not None


async def find_account_id(connection: AsyncConnection, number: int) -> AccountId | None:
    """The account of a number, if it is within reach."""
    statement = select(accounts.c.account_id).where(accounts.c.number == number)
    found = (await connection.execute(statement)).scalar_one_or_none()
    return None if found is None else account_id_of(found)


async def readable_accounts(connection: AsyncConnection, caller: Caller) -> dict[AccountId, int]:
    """The accounts that the caller may read, with their numbers."""
    statement = select(accounts.c.account_id, accounts.c.number).where(is_readable_by(caller))
    return {account_id_of(row.account_id): row.number for row in await connection.execute(statement)}
