"""Promise 5 for postings: whatever fails at whichever step, a job and the message about it are there together or not at all."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import func, select

from services.gateway.dialects.flexibility.job_store import NewJob
from services.gateway.dialects.flexibility.posting_desk import PostingDesk
from shared.db.engine import PostgresDatabase
from shared.db.models.flexibility import INGESTION, jobs
from shared.db.models.infrastructure import outbox
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import DatabaseUnavailable
from shared.ids import OPEN_ACCOUNT_ID, JobId, uuid7
from tests.support.faults import Faults, FaultyDatabase
from tests.support.flexibility import make_asset, make_sensor


async def test_a_posting_is_there_with_its_message_or_not_at_all(database: PostgresDatabase) -> None:
    sensor_id = await make_sensor(database, OPEN_ACCOUNT_ID, await make_asset(database, OPEN_ACCOUNT_ID))

    async def post(faults: Faults) -> None:
        job = NewJob(
            JobId(uuid7()), OPEN_ACCOUNT_ID, INGESTION, {"kind": "values"}, None, sensor_id=sensor_id, data=bytes(8)
        )
        await PostingDesk(FaultyDatabase(database, faults)).accept(job)

    counted = Faults()
    await post(counted)
    steps = len(counted.steps)
    assert await there(database) == (1, 1)
    for at in range(1, steps + 1):
        before = await there(database)
        with suppress(DatabaseUnavailable):
            await post(Faults(at, is_death=False))
        more = tuple(now - then for now, then in zip(await there(database), before, strict=True))
        was_committed = at == steps
        assert more == ((1, 1) if was_committed else (0, 0)), f"step {at} of {counted.steps}"


async def there(database: PostgresDatabase) -> tuple[int, int]:
    """How many jobs and how many messages."""
    async with database.reading(EVERY_ACCOUNT) as connection:
        found = [await connection.scalar(select(func.count()).select_from(table)) for table in (jobs, outbox)]
    return found[0] or 0, found[1] or 0
