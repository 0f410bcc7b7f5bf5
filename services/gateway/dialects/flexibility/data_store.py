"""The SQL that the routes of sensor data need beside that of jobs and beliefs: sensors as data are posted to them, and sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility.listing_store import is_readable_by, owner_of
from services.gateway.dialects.flexibility.permissions import Caller, Owner
from shared.db.connections import driver_connection
from shared.db.models.flexibility import sources
from shared.db.models.identity import accounts
from shared.identity.reach import account_id_of
from shared.ids import AccountId

TELEMETRY = "telemetry"
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


@dataclass(frozen=True, slots=True)
class Sought:
    """A sensor that somebody wants to post to or read."""

    sensor_id: int
    user_number: int | None


# Straight to the driver, as it is run for every posting and reading: the toolkit would take longer than the database.
_FIND = """
SELECT s.sensor_id, s.account_id, a.consultancy_account_id, s.unit, s.event_resolution_s, s.timezone, u.username, asked.place,
       EXISTS (SELECT FROM workers w WHERE w.service = $3 AND w.seen_at > now() - interval '6 seconds') AS is_telemetry_there,
       coalesce(s.attributes -> 'floor_datetimes_to_resolution', o.attributes -> 'floor_datetimes_to_resolution',
                o.flex_model -> 'floor_datetimes_to_resolution', o.flex_context -> 'floor_datetimes_to_resolution')::text
           AS floor_datetimes_to_resolution,
       coalesce(s.attributes -> 'frequency', o.attributes -> 'frequency',
                o.flex_model -> 'frequency', o.flex_context -> 'frequency')::text AS frequency
FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS asked(sensor_id, user_number, place)
JOIN flexibility_sensors s USING (sensor_id)
JOIN flexibility_assets o USING (asset_id)
LEFT JOIN accounts a ON a.account_id = s.account_id
LEFT JOIN users u ON u.number = asked.user_number
"""


async def find_targets(connection: AsyncConnection, sought: Sequence[Sought]) -> list[Target | None]:
    """The sensors that are sought, whoever asks; None where there is none. Whether they may know is for the caller of this to decide."""
    ids, users = [one.sensor_id for one in sought], [one.user_number for one in sought]
    found: list[Target | None] = [None] * len(sought)
    for row in await driver_connection(connection).fetch(_FIND, ids, users, TELEMETRY):
        found[row["place"] - 1] = _target(row)
    return found


async def find_target(connection: AsyncConnection, sensor_id: int, *, user_number: int | None) -> Target | None:
    """A sensor, whoever asks; whether they may know is for the caller of this to decide."""
    (found,) = await find_targets(connection, [Sought(sensor_id, user_number)])
    return found


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


def _target(row: Any) -> Target:  # Any: the driver has no types
    return Target(
        sensor_id=row["sensor_id"],
        owner=None if row["account_id"] is None else owner_of(row["account_id"], row["consultancy_account_id"]),
        unit=row["unit"],
        event_resolution_s=row["event_resolution_s"],
        timezone=row["timezone"],
        grid_attributes={name: orjson.loads(row[name]) for name in GRID_ATTRIBUTES if row[name] is not None},
        username=row["username"],
        is_telemetry_there=row["is_telemetry_there"],
    )
