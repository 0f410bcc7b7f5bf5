"""The SQL that reads beliefs: which one wins for each event, statistics, and the value near a moment. Results come packed.

Of the sources of one family (name, type, model) only the latest version counts for an event; of what is left the belief with the
latest belief time, of beliefs of one time that of the later source, and of a probabilistic belief its median: the value at the
cumulative probability nearest to one half.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.beliefs.series import EVERY_BELIEF, BeliefFilter, Series
from shared.beliefs.source_store import version_key
from shared.db.connections import driver_connection
from shared.ids import AccountId, SensorId, SourceId

# Which sources count, where not all do, and in any case those with versions. Sources of another account (whoever looks after this one)
# are not within reach: their beliefs count all the same unless sources are selected.
_SOURCES = """
SELECT source_id, account_id, name, type, model, version FROM flexibility_sources
WHERE ($1 OR version IS NOT NULL)
  AND ($2::bigint[] IS NULL OR source_id = ANY($2)) AND ($3::text[] IS NULL OR type = ANY($3))
  AND ($4::text[] IS NULL OR type <> ALL($4)) AND ($5::uuid[] IS NULL OR account_id = ANY($5))
"""

_WINDOW = """
    b.sensor_id = $1 AND b.account_id IS NOT DISTINCT FROM $2 AND b.event_start >= $3 AND b.event_start < $4
    AND ($5::timestamptz IS NULL OR b.belief_time <= $5)
    AND ($6::interval IS NULL OR b.belief_time <= b.event_start + $6)
    AND ($7::bigint[] IS NULL OR b.source_id = ANY($7)) AND ($9::bigint[] IS NULL OR b.source_id <> ALL($9))
"""
_WINNER = "event_start, belief_time DESC, array_position($8::bigint[], source_id), source_id DESC, abs(cumulative_probability - 0.5)"
# As bytes: microseconds since 2000 in big-endian, moved to 1970 by as many hours as lie between.
_PACKED = """
SELECT string_agg(timestamptz_send(event_start + interval '262968 hours'), ''::bytea) AS starts,
       string_agg(float8send(value), ''::bytea) AS values
"""
_READ = f"""{_PACKED} FROM (
    SELECT DISTINCT ON (event_start) event_start, value FROM flexibility_beliefs b WHERE {_WINDOW} ORDER BY {_WINNER}
) winner
"""  # noqa: S608  # of constants
_READ_LATEST_VERSIONS = f"""{_PACKED} FROM (
    SELECT DISTINCT ON (event_start) event_start, value FROM (
        SELECT b.*, v.family, v.rank, max(v.rank) OVER (PARTITION BY b.event_start, v.family) AS newest
        FROM flexibility_beliefs b
        LEFT JOIN unnest($10::bigint[], $11::int[], $12::int[]) AS v(source_id, family, rank) USING (source_id)
        WHERE {_WINDOW}
    ) ranked
    WHERE rank IS NOT DISTINCT FROM newest OR family IS NULL ORDER BY {_WINNER}
) winner
"""  # noqa: S608  # of constants

# The same for many sensors at once, where any source counts and none has versions.
_READ_MANY = f"""
SELECT packed.starts, packed.values
FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[]) WITH ORDINALITY
    AS w(sensor_id, account_id, first_start, end_start, prior, number)
CROSS JOIN LATERAL (
    {_PACKED} FROM (
        SELECT DISTINCT ON (event_start) event_start, value FROM flexibility_beliefs b
        WHERE b.sensor_id = w.sensor_id AND b.account_id IS NOT DISTINCT FROM w.account_id
          AND b.event_start >= w.first_start AND b.event_start < w.end_start
          AND (w.prior IS NULL OR b.belief_time <= w.prior)
        ORDER BY event_start, belief_time DESC, source_id DESC, abs(cumulative_probability - 0.5)
    ) winner
) packed ORDER BY w.number
"""  # noqa: S608  # of constants

_STATISTICS = """
SELECT latest.source_id, s.name, s.type, s.model, s.version, min(event_start) AS first_start, max(event_start) AS last_start,
       max(belief_time) AS last_recorded, min(value) AS least, max(value) AS greatest, avg(value) AS mean, sum(value) AS total,
       count(*) AS number
FROM (
    SELECT DISTINCT ON (event_start, source_id) event_start, source_id, belief_time, value FROM flexibility_beliefs b
    WHERE sensor_id = $1 AND account_id IS NOT DISTINCT FROM $2
      AND ($3::timestamptz IS NULL OR event_start >= $3) AND ($4::timestamptz IS NULL OR event_start < $4)
    ORDER BY event_start, source_id, belief_time DESC, abs(cumulative_probability - 0.5)
) latest LEFT JOIN flexibility_sources s USING (source_id)
GROUP BY latest.source_id, s.name, s.type, s.model, s.version ORDER BY latest.source_id
"""

_LAST_EVENT = """
SELECT event_start, belief_time FROM flexibility_beliefs
WHERE sensor_id = $1 AND account_id IS NOT DISTINCT FROM $2 AND event_start < $3
ORDER BY event_start DESC LIMIT 1
"""
# Backwards through the index, over what others have stated: that many sources are wanted makes it no longer.
_LAST_EVENT_OF_SOURCES = """
SELECT event_start, belief_time FROM flexibility_beliefs
WHERE sensor_id = $1 AND account_id IS NOT DISTINCT FROM $2 AND event_start < $3 AND source_id = ANY($4::bigint[])
ORDER BY event_start DESC LIMIT 1
"""
# Later than any event that is stored.
FAR_AHEAD = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SensorOf:
    """Whose beliefs are read: a sensor, its account (None: public) and its resolution [s]."""

    account_id: AccountId | None
    sensor_id: SensorId
    resolution_s: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Events of a sensor that begin in [start, end), of the beliefs that are wanted."""

    sensor: SensorOf
    start: datetime
    end: datetime
    wanted: BeliefFilter = EVERY_BELIEF

    @property
    def is_plain(self) -> bool:
        """Whether any source counts, as known at any distance from the event."""
        return not self.wanted.restricts_sources and self.wanted.horizon is None


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    """What one source has stated about a sensor: of each event the latest. ``name`` is None for a source of another account."""

    source_id: SourceId
    name: str | None
    type: str | None
    model: str | None
    version: str | None
    first_start: datetime
    last_start: datetime
    last_recorded: datetime
    least: float
    greatest: float
    mean: float
    total: float
    number: int


async def read_beliefs(
    connection: AsyncConnection,
    sensor: SensorOf,
    start: datetime,
    end: datetime,
    wanted: BeliefFilter = EVERY_BELIEF,
) -> Series:
    """The winning belief of each event that begins in [start, end), in the order of events."""
    raw = driver_connection(connection)
    allowed = await _sources(raw, wanted)
    source_ids = [row["source_id"] for row in allowed] if wanted.selects_sources else None
    excluded = None
    if wanted.excluded_types is not None and source_ids is None:
        excluded = [row["source_id"] for row in await _sources(raw, BeliefFilter(types=wanted.excluded_types))]
    if source_ids == []:
        return Series(array("q"), array("d"))
    after = None if wanted.horizon is None else timedelta(seconds=sensor.resolution_s) - wanted.horizon
    listed = list(wanted.source_ids or ()) if wanted.first_listed_wins else []
    arguments = [sensor.sensor_id, sensor.account_id, start, end, wanted.prior, after, source_ids, listed, excluded]
    versions = _versions(allowed)
    if versions[0]:
        row = await raw.fetchrow(_READ_LATEST_VERSIONS, *arguments, *versions)
    else:
        row = await raw.fetchrow(_READ, *arguments)
    return Series(_unpacked("q", row["starts"]), _unpacked("d", row["values"]))


async def read_many(connection: AsyncConnection, readings: Sequence[Reading]) -> list[Series]:
    """As ``read_beliefs`` for each reading, in their order; all plain ones together in one statement."""
    raw = driver_connection(connection)
    plain = [number for number, one in enumerate(readings) if one.is_plain]
    if len(plain) < 2 or _versions(await _sources(raw, EVERY_BELIEF))[0]:
        plain = []
    found: dict[int, Series] = {}
    if plain:
        asked = [readings[number] for number in plain]
        columns = (
            [one.sensor.sensor_id for one in asked],
            [one.sensor.account_id for one in asked],
            [one.start for one in asked],
            [one.end for one in asked],
            [one.wanted.prior for one in asked],
        )
        rows = await raw.fetch(_READ_MANY, *columns)
        for number, row in zip(plain, rows, strict=True):
            found[number] = Series(_unpacked("q", row["starts"]), _unpacked("d", row["values"]))
    for number, one in enumerate(readings):
        if number not in found:
            found[number] = await read_beliefs(connection, one.sensor, one.start, one.end, one.wanted)
    return [found[number] for number in range(len(readings))]


async def read_overlapping(
    connection: AsyncConnection,
    sensor: SensorOf,
    start: datetime,
    end: datetime,
    wanted: BeliefFilter = EVERY_BELIEF,
) -> Series:
    """As ``read_beliefs``, with the events that began before the window and reach into it."""
    earlier = timedelta(seconds=sensor.resolution_s) - timedelta(microseconds=1)
    return await read_beliefs(connection, sensor, start - max(earlier, timedelta(0)), end, wanted)


async def statistics(
    connection: AsyncConnection,
    account_id: AccountId | None,
    sensor_id: SensorId,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[SourceStatistics]:
    """What each source has stated about events that begin in [start, end), by source."""
    rows = await driver_connection(connection).fetch(_STATISTICS, sensor_id, account_id, start, end)
    return [SourceStatistics(*row) for row in rows]


async def has_source_of_type(
    connection: AsyncConnection, account_id: AccountId | None, sensor_id: SensorId, kind: str
) -> bool:
    """Whether a source of this type, within reach, has stated something about a sensor."""
    return await last_event(connection, account_id, sensor_id, FAR_AHEAD, [kind]) is not None


async def last_event(
    connection: AsyncConnection,
    account_id: AccountId | None,
    sensor_id: SensorId,
    before: datetime,
    types: Sequence[str] | None = None,
) -> tuple[datetime, datetime] | None:
    """Start and belief time of the last event before a moment about which a source (of these types) has stated something."""
    raw, arguments = driver_connection(connection), (sensor_id, account_id, before)
    if types is None:
        row = await raw.fetchrow(_LAST_EVENT, *arguments)
    else:
        source_ids = [row["source_id"] for row in await _sources(raw, BeliefFilter(types=types))]
        row = await raw.fetchrow(_LAST_EVENT_OF_SOURCES, *arguments, source_ids) if source_ids else None
    return None if row is None else (row["event_start"], row["belief_time"])


# ------------------------------------------------------------------ below


async def _sources(raw: Any, wanted: BeliefFilter) -> list[Any]:  # Any: the driver has no types
    lists = (wanted.source_ids, wanted.types, wanted.excluded_types, wanted.accounts)
    arguments = [None if each is None else list(each) for each in lists]
    rows: list[Any] = await raw.fetch(_SOURCES, wanted.restricts_sources, *arguments)
    return rows


def _versions(rows: Sequence[Any]) -> tuple[list[int], list[int], list[int]]:
    """Sources of families with more than one version: ids, numbers of families, ranks of versions (greater is later)."""
    families: dict[object, list[Any]] = {}
    for row in rows:
        if row["version"] is None:
            continue
        families.setdefault((row["account_id"], row["name"], row["type"], row["model"]), []).append(row)
    ids: list[int] = []
    numbers: list[int] = []
    ranks: list[int] = []
    for number, members in enumerate(families.values()):
        keys = sorted({version_key(row["version"]) for row in members})
        if len(keys) > 1:
            ids += [row["source_id"] for row in members]
            numbers += [number] * len(members)
            ranks += [keys.index(version_key(row["version"])) for row in members]
    return ids, numbers, ranks


def _unpacked(code: str, packed: bytes | None) -> array[Any]:  # Any: integers or floats, as the code says
    values = array(code)
    values.frombytes(packed or b"")
    if sys.byteorder == "little":
        values.byteswap()
    return values
