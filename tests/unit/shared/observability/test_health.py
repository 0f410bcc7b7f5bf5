from __future__ import annotations

import asyncio
import time

import pytest

from shared.errors import DatabaseUnavailable
from shared.observability import metrics
from shared.observability.health import REUSE_S, Health


async def well() -> str | None:
    return None


async def test_a_process_is_ready_when_every_dependency_is_well() -> None:
    health = Health()
    assert await health.report() == (True, {"ready": True, "retiring": False, "dependencies": {}})
    health = Health()
    health.add("database", well)
    expected = {"ready": True, "retiring": False, "dependencies": {"database": {"state": "well"}}}
    assert await health.report() == (True, expected)


async def test_each_dependency_that_is_away_is_named_with_its_reason() -> None:
    async def refuses() -> str | None:
        raise DatabaseUnavailable("the database cannot be reached (refused)")

    async def says_so() -> str | None:
        return "not connected"

    health = Health()
    health.add("database", refuses)
    health.add("broker", says_so)
    health.add("blobs", well)
    is_ready, report = await health.report()
    assert not is_ready
    assert report["dependencies"] == {
        "database": {"state": "away", "reason": "the database cannot be reached (refused)"},
        "broker": {"state": "away", "reason": "not connected"},
        "blobs": {"state": "well"},
    }
    assert metrics.READY._value.get() == 0
    assert metrics.DEPENDENCY_WELL.labels("broker")._value.get() == 0
    assert metrics.DEPENDENCY_WELL.labels("blobs")._value.get() == 1


async def test_checks_run_at_once_and_silence_counts_as_away_after_the_deadline() -> None:
    async def silent() -> str | None:
        await asyncio.sleep(60)
        return None

    health = Health()
    for name in "abcdefghij":
        health.add(name, silent)
    started = time.monotonic()
    is_ready, report = await health.report(timeout_s=0.2)
    assert time.monotonic() - started < 1.5  # one after the other they would take 2 s
    assert not is_ready
    assert {found.get("reason") for found in report["dependencies"].values()} == {"no answer within 0.2 s"}


async def test_a_retiring_process_is_not_ready_though_all_is_well() -> None:
    health = Health()
    health.add("database", well)
    health.retire()
    assert (await health.report())[0] is False


async def test_probes_in_the_same_moment_share_one_answer_and_later_ones_ask_again() -> None:
    asked: list[float] = []

    async def count() -> str | None:
        asked.append(time.monotonic())
        await asyncio.sleep(0.05)
        return None

    health = Health()
    health.add("database", count)
    await asyncio.gather(*(health.report() for _ in range(50)))
    assert len(asked) == 1
    await asyncio.sleep(REUSE_S + 0.05)
    await health.report()
    assert len(asked) == 2


async def test_a_probe_that_hangs_up_does_not_spoil_the_others_answer() -> None:
    async def slow() -> str | None:
        await asyncio.sleep(0.1)
        return None

    health = Health()
    health.add("database", slow)
    first = asyncio.create_task(health.report())
    await asyncio.sleep(0.02)
    second = asyncio.create_task(health.report())
    await asyncio.sleep(0.02)
    first.cancel()
    assert (await second)[0] is True
    with pytest.raises(asyncio.CancelledError):
        await first
