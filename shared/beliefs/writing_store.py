"""The SQL that writes and deletes beliefs: whole series in one statement, of any number of sensors.

Whoever writes holds the rows of the sensors until the end of the transaction (``hold_sensors``), so that nobody else writes about
them meanwhile and what is compared with is all there is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.beliefs.series import NewSeries, Written
from shared.db.connections import BoundedConnection, driver_connection
from shared.db.models.flexibility import beliefs
from shared.ids import AccountId, SensorId, SourceId

# Of one statement. To pack so many takes the event loop about 3 ms; larger ones are hardly quicker (benchmark `beliefs`).
VALUES_AT_ONCE = 10_000

_LOCK = text(
    "SELECT sensor_id FROM flexibility_sensors WHERE sensor_id = ANY(:wanted) ORDER BY sensor_id FOR NO KEY UPDATE"
)
_LOCK_THE_FREE = text(f"{_LOCK.text} SKIP LOCKED")

# Each new belief is compared with the latest one that is not later, of the same source about the same event, ex ante with ex ante and
# ex post with ex post: one descent into the primary key's index for each. One of the same time is either the same belief or refused.
# ``stated`` is materialised because row-level security lets an index be used with plain columns and not with what is computed from them.
_WRITE = """
WITH series AS MATERIALIZED (
    SELECT s.*, sensor.account_id
    FROM unnest($1::int[], $2::bigint[], $3::uuid[], $4::bigint[], $5::timestamptz[], $6::interval[], $7::real[],
                $8::interval[], $9::int[], $10::interval[], $11::text[])
        AS s(number, sensor_id, owner, source_id, belief_time, believed_after, probability,
             known_after, known_days, known_time, known_zone)
    JOIN flexibility_sensors sensor ON sensor.sensor_id = s.sensor_id AND sensor.account_id IS NOT DISTINCT FROM s.owner
), stated AS MATERIALIZED (
    SELECT s.number, s.sensor_id, s.source_id, s.probability, s.account_id, e.value, event.event_start, believed.belief_time,
           CASE WHEN believed.belief_time < believed.knowledge_time THEN '-infinity'::timestamptz
                ELSE believed.knowledge_time END AS since
    FROM unnest($12::int[], $13::bigint[], $14::float8[]) AS e(number, start_us, value)
    JOIN series s USING (number)
    CROSS JOIN LATERAL (
        SELECT 'epoch'::timestamptz + e.start_us * interval '1 microsecond' AS event_start
    ) event
    CROSS JOIN LATERAL (
        SELECT coalesce(s.belief_time, event.event_start + s.believed_after) AS belief_time,
               CASE WHEN s.known_days IS NULL THEN event.event_start + s.known_after
                    ELSE (date_trunc('day', event.event_start AT TIME ZONE s.known_zone)
                          - make_interval(days => s.known_days) + s.known_time) AT TIME ZONE s.known_zone
               END AS knowledge_time
    ) believed
    WHERE e.value <> 'NaN'::float8
), compared AS MATERIALIZED (
    SELECT stated.*, known.value AS known_value, known.belief_time AS known_since
    FROM stated LEFT JOIN LATERAL (
        SELECT b.value, b.belief_time FROM flexibility_beliefs b
        WHERE b.sensor_id = stated.sensor_id AND b.event_start = stated.event_start AND b.source_id = stated.source_id
          AND b.belief_time <= stated.belief_time AND b.belief_time >= stated.since
          AND b.cumulative_probability = stated.probability
        ORDER BY b.belief_time DESC LIMIT 1
    ) known ON true
), refused AS (
    SELECT DISTINCT number FROM compared WHERE known_since = belief_time AND known_value <> value
), written AS (
    INSERT INTO flexibility_beliefs
        (sensor_id, event_start, source_id, belief_time, value, cumulative_probability, account_id)
    SELECT sensor_id, event_start, source_id, belief_time, value, probability, account_id FROM compared
    WHERE known_value IS DISTINCT FROM value AND number NOT IN (SELECT number FROM refused)
)
SELECT s.number, count(c.number) AS given, count(c.number) FILTER (WHERE c.known_value IS DISTINCT FROM c.value) AS news,
       s.number IN (SELECT number FROM refused) AS is_refused
FROM series s LEFT JOIN compared c USING (number) GROUP BY s.number
"""


@dataclass(frozen=True, slots=True)
class DeletedWindow:
    """Events of a sensor of this resolution [s] that begin at ``start`` or later and end at ``until`` or before; None: no limit."""

    resolution_s: int
    start: datetime | None = None
    until: datetime | None = None
    source_id: SourceId | None = None


async def hold_sensors(
    connection: AsyncConnection, sensor_ids: Collection[SensorId], *, only_free: bool = False
) -> set[SensorId]:
    """Keep sensors from being deleted or written about by others until the transaction ends; returns those that exist.

    ``only_free`` leaves out those that another holds instead of waiting. Sensors are taken in the order of their ids, so that two who
    want the same cannot wait for each other, provided that each asks once for all.
    """
    statement = _LOCK_THE_FREE if only_free else _LOCK
    rows = await connection.execute(statement, {"wanted": list(sensor_ids)})
    return {SensorId(row) for row in rows.scalars()}


async def write_beliefs(connection: AsyncConnection, series: Sequence[NewSeries]) -> list[Written]:
    """Store what is new of each series; either what is new of it, or, where it is refused, nothing. The sensors must be held.

    NaN is not stored, nor is what the source has stated before: a value equal to the latest that it had stated about the event until
    then, forecasts and measurements (before and after the event is known) judged apart.
    """
    raw = driver_connection(connection)
    outcomes: dict[int, Written] = {}
    for batch in _batches(series):
        if len(batch) == 1 and len(series[batch[0]].starts_us) > VALUES_AT_ONCE:
            outcomes[batch[0]] = await _write_large(raw, series[batch[0]])
        else:
            written = await _write(raw, [series[number] for number in batch])
            outcomes.update(zip(batch, written, strict=True))
    return [outcomes[number] for number in range(len(series))]


async def delete_beliefs(
    connection: AsyncConnection, account_id: AccountId | None, sensor_id: SensorId, window: DeletedWindow
) -> int:
    """Delete beliefs of a sensor; returns how many. The sensor must be held."""
    conditions = [beliefs.c.account_id.is_not_distinct_from(account_id), beliefs.c.sensor_id == sensor_id]
    if window.start is not None:
        conditions.append(beliefs.c.event_start >= window.start)
    if window.until is not None:
        conditions.append(beliefs.c.event_start <= window.until - timedelta(seconds=window.resolution_s))
    if window.source_id is not None:
        conditions.append(beliefs.c.source_id == window.source_id)
    return (await connection.execute(delete(beliefs).where(*conditions))).rowcount


# ------------------------------------------------------------------ below


def _batches(series: Sequence[NewSeries]) -> Iterator[list[int]]:
    """Numbers of series that go into one statement each: not too many values, and never two about events that may be the same.

    A statement does not see what it writes itself. A series that is too large for one is alone.
    """
    batch: list[int] = []
    size = 0
    spans: dict[tuple[int, int, float], list[tuple[int, int]]] = defaultdict(list)
    for number, each in enumerate(series):
        count = len(each.starts_us)
        span = _span(each.starts_us)
        key = (each.sensor_id, each.source_id, each.probability)
        overlaps = any(span[0] <= last and first <= span[1] for first, last in spans[key])
        if batch and (overlaps or size + count > VALUES_AT_ONCE):
            yield batch
            batch, size = [], 0
            spans.clear()
        batch.append(number)
        size += count
        spans[key].append(span)
    if batch:
        yield batch


def _span(starts_us: Sequence[int]) -> tuple[int, int]:
    if not len(starts_us):
        return 0, -1
    if isinstance(starts_us, range):  # need not be gone through
        return starts_us[0], starts_us[-1]
    return min(starts_us), max(starts_us)


async def _write_large(raw: BoundedConnection, series: NewSeries) -> Written:
    """Write in pieces; where one is refused, take back those before it."""
    given = stored = 0
    await raw.execute("SAVEPOINT large_series")
    for first in range(0, len(series.starts_us), VALUES_AT_ONCE):
        piece = slice(first, first + VALUES_AT_ONCE)
        part = replace(series, starts_us=series.starts_us[piece], values=series.values[piece])
        (written,) = await _write(raw, [part])
        given, stored = given + written.given, stored + written.stored
        if written.is_refused or written.is_without_sensor:
            await raw.execute("ROLLBACK TO SAVEPOINT large_series")
            return replace(written, given=given, stored=0)
    await raw.execute("RELEASE SAVEPOINT large_series")
    return Written(given, stored)


async def _write(raw: BoundedConnection, series: Sequence[NewSeries]) -> list[Written]:
    numbers: list[int] = []
    starts_us: list[int] = []
    values: list[float] = []
    for number, each in enumerate(series):
        numbers += [number] * len(each.starts_us)
        starts_us += each.starts_us
        values += each.values
    rows = await raw.fetch(_WRITE, *_columns(series), numbers, starts_us, values)
    found = {row["number"]: row for row in rows}
    return [_written(found.get(number)) for number in range(len(series))]


def _columns(series: Sequence[NewSeries]) -> list[list[object]]:
    """The parameters of series, column by column."""
    return [
        list(range(len(series))),
        [each.sensor_id for each in series],
        [each.account_id for each in series],
        [each.source_id for each in series],
        [each.belief_time for each in series],
        [timedelta(microseconds=each.believed_after_us) for each in series],
        [each.probability for each in series],
        [timedelta(microseconds=each.knowledge.after_us) for each in series],
        [each.knowledge.days for each in series],
        [timedelta(microseconds=each.knowledge.time_us) for each in series],
        [each.knowledge.timezone for each in series],
    ]


def _written(row: dict[str, int] | None) -> Written:
    if row is None:
        return Written(0, 0, is_without_sensor=True)
    is_refused = bool(row["is_refused"])
    return Written(row["given"], 0 if is_refused else row["news"], is_refused=is_refused)
