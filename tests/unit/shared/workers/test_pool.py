"""Short work in children: results, errors with their fields, deaths, deadlines, back-pressure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import psutil
import pytest

from shared.errors import DependencyUnavailable, InvalidInput, WorkerDied, WorkTimedOut
from shared.workers import Launcher, PoolSaturated, WorkerPool
from tests.support.eventually import eventually
from tests.unit.shared.workers import functions
from tests.unit.shared.workers.conftest import MEMORY_BYTES, no_children_of


async def test_a_function_runs_in_another_process_and_its_result_comes_back(
    pool: WorkerPool, launcher: Launcher
) -> None:
    assert await pool.run(functions.double, 21, deadline_s=10) == 42
    assert await pool.run(functions.parent_id, deadline_s=10) == launcher.pid


async def test_a_child_serves_call_after_call(pool: WorkerPool) -> None:
    assert len({await pool.run(functions.process_id, deadline_s=10) for _ in range(5)}) == 1


async def test_twenty_calls_share_two_children(launcher: Launcher) -> None:
    pool = WorkerPool(launcher, processes=2, memory_bytes=MEMORY_BYTES, max_waiting=100)
    pids = await asyncio.gather(*(pool.run(functions.process_id, deadline_s=20) for _ in range(20)))
    assert 1 <= len(set(pids)) <= 2
    pool.close()


async def test_a_large_document_goes_there_and_back(pool: WorkerPool) -> None:
    document = bytes(range(256)) * (30 * 4096)  # 31 MB
    flipped, length = await pool.run(functions.flip, document, deadline_s=30)
    assert length == len(document)
    assert flipped == document[::-1]


async def test_errors_come_back_with_their_fields(pool: WorkerPool) -> None:
    with pytest.raises(InvalidInput, match="no such node") as invalid:
        await pool.run(functions.refuse, "no such node", "nodes[3].id", deadline_s=10)
    assert invalid.value.field == "nodes[3].id"
    assert invalid.value.message == "no such node"
    with pytest.raises(DependencyUnavailable) as unavailable:
        await pool.run(functions.be_unavailable, deadline_s=10)
    assert unavailable.value.retry_after_s == 7
    with pytest.raises(functions.NeedsWords, match="a 2") as words:
        await pool.run(functions.raise_with_keywords, deadline_s=10)
    assert (words.value.first, words.value.second) == ("a", 2)
    assert "raise_with_keywords" in "".join(words.value.__notes__)


async def test_what_cannot_be_sent_is_an_error_of_the_call_and_not_of_the_child(pool: WorkerPool) -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        await pool.run(functions.return_unpicklable, deadline_s=10)
    with pytest.raises(TypeError, match="cannot be sent"):
        await pool.run(functions.raise_unpicklable, deadline_s=10)
    assert await pool.run(functions.double, 4, deadline_s=10) == 8


async def test_a_function_that_the_child_cannot_import_is_an_error_of_the_call(pool: WorkerPool) -> None:
    def local(number: int) -> int:
        return number

    with pytest.raises(AttributeError):
        await pool.run(local, 1, deadline_s=10)
    assert await pool.run(functions.double, 4, deadline_s=10) == 8


@pytest.mark.parametrize(
    ("function", "manner"),
    [
        (functions.crash, "SIGSEGV"),
        (functions.kill_oneself, "SIGKILL"),
        (functions.exit_at_once, "status 3"),
        (functions.exit_politely, "status"),
    ],
)
async def test_death_of_the_child_is_told_and_the_next_call_has_another(
    pool: WorkerPool, function: Callable[[], None], manner: str
) -> None:
    with pytest.raises(WorkerDied, match=manner):
        await pool.run(function, deadline_s=10)
    assert await pool.run(functions.double, 4, deadline_s=10) == 8


async def test_memory_is_limited(pool: WorkerPool, launcher: Launcher) -> None:
    with pytest.raises(WorkerDied, match="memory"):
        await pool.run(functions.allocate, 2 * MEMORY_BYTES, deadline_s=10)
    assert await pool.run(functions.allocate, MEMORY_BYTES // 64, deadline_s=10) == MEMORY_BYTES // 64


async def test_a_child_that_has_held_much_memory_is_replaced(pool: WorkerPool) -> None:
    large = await pool.run(functions.hold_and_release, MEMORY_BYTES // 3, deadline_s=20)
    assert await pool.run(functions.process_id, deadline_s=10) != large


async def test_a_call_past_its_deadline_is_ended(pool: WorkerPool, launcher: Launcher) -> None:
    await pool.warm_up()
    begun = time.monotonic()
    with pytest.raises(WorkTimedOut):
        await pool.run(functions.sleep, 60.0, deadline_s=0.3)
    assert time.monotonic() - begun < 2
    await no_children_of(launcher)
    assert await pool.run(functions.double, 4, deadline_s=10) == 8


async def test_an_abandoned_call_is_ended(pool: WorkerPool, launcher: Launcher) -> None:
    await pool.warm_up()
    call = asyncio.create_task(pool.run(functions.sleep, 60.0, deadline_s=60))
    await eventually(lambda: pool.busy == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await no_children_of(launcher)
    assert pool.busy == 0
    assert await pool.run(functions.double, 4, deadline_s=10) == 8


async def test_beyond_the_queue_callers_are_refused_at_once(pool: WorkerPool) -> None:
    await pool.warm_up()
    calls = [asyncio.create_task(pool.run(functions.sleep, 0.5, deadline_s=30)) for _ in range(5)]
    await eventually(lambda: pool.waiting == 3)
    with pytest.raises(PoolSaturated) as refused:
        pool.run(functions.double, 1, deadline_s=30).send(None)  # its first step: nothing is waited for
    assert refused.value.retry_after_s > 0
    assert await asyncio.gather(*calls) == ["slept"] * 5
    assert pool.waiting == 0


async def test_a_caller_whose_turn_does_not_come_in_time_is_refused(launcher: Launcher) -> None:
    pool = WorkerPool(launcher, processes=1, memory_bytes=MEMORY_BYTES, max_waiting=3)
    await pool.warm_up()
    busy = asyncio.create_task(pool.run(functions.sleep, 1.0, deadline_s=30))
    await eventually(lambda: pool.busy == 1)
    with pytest.raises(PoolSaturated):
        await pool.run(functions.double, 1, deadline_s=0.2)
    assert await busy == "slept"
    pool.close()


async def test_an_idle_child_that_was_killed_is_not_handed_out(pool: WorkerPool) -> None:
    victim = psutil.Process(await pool.run(functions.process_id, deadline_s=10))
    victim.kill()
    await eventually(lambda: not victim.is_running(), within=5)
    await asyncio.sleep(0.05)  # the word of its end has to arrive
    assert await pool.run(functions.process_id, deadline_s=10) != victim.pid


async def test_children_are_fenced_off_from_the_service(pool: WorkerPool) -> None:
    child = await pool.run(functions.describe_oneself, deadline_s=10)
    assert child["memory"] == MEMORY_BYTES
    assert child["core"] == 0
    assert child["stdin"] == "/dev/null"
    assert child["interrupt"]
    assert len(child["descriptors"]) <= 5  # the three standard ones, the channel, and the listing's own


async def test_closing_the_pool_ends_calls_under_way(pool: WorkerPool, launcher: Launcher) -> None:
    await pool.warm_up()
    call = asyncio.create_task(pool.run(functions.sleep, 60.0, deadline_s=60))
    await eventually(lambda: pool.busy == 1)
    pool.close()
    with pytest.raises(WorkerDied):
        await call
    await no_children_of(launcher)
