"""The SQL that takes back what a source had stated at a moment, so that it can state something else as of the same moment.

For what is computed anew as of an earlier moment, such as a plan. Who measures or forecasts by hand may not do that: theirs is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.beliefs.series import NewSeries
from shared.db.connections import driver_connection

# The events are materialised because row-level security lets an index be used with plain columns and not with what is computed.
_TAKE_BACK = """
WITH events AS MATERIALIZED (
    SELECT 'epoch'::timestamptz + start_us * interval '1 microsecond' AS event_start FROM unnest($1::bigint[]) AS e(start_us)
)
DELETE FROM flexibility_beliefs b USING events
WHERE b.account_id IS NOT DISTINCT FROM $2 AND b.sensor_id = $3 AND b.source_id = $4 AND b.event_start = events.event_start
  AND b.belief_time = $5 AND b.cumulative_probability = $6::real
"""


async def take_back(connection: AsyncConnection, series: Sequence[NewSeries]) -> None:
    """Delete what the sources of series with a belief time have stated at that time about their events. The sensors must be held."""
    raw = driver_connection(connection)
    for one in series:
        arguments = (one.account_id, one.sensor_id, one.source_id, one.belief_time, one.probability)
        await raw.execute(_TAKE_BACK, list(one.starts_us), *arguments)
