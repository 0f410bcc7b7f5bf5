"""The supervised background loop."""

from __future__ import annotations

import asyncio
import time

from shared.background import BackgroundLoop, back_off_s
from shared.errors import DatabaseUnavailable
from tests.support.eventually import eventually


async def test_it_takes_turns_at_its_interval_until_it_is_stopped() -> None:
    turns: list[float] = []

    async def turn() -> None:
        turns.append(time.monotonic())

    loop = BackgroundLoop("test", turn, every_s=0.2)
    loop.start()
    await eventually(lambda: len(turns) == 3)
    assert turns[2] - turns[0] >= 0.39
    await loop.stop(within_s=1)
    count = len(turns)
    await asyncio.sleep(0.3)
    assert len(turns) == count


async def test_a_loop_that_is_woken_takes_its_next_turn_at_once() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1

    loop = BackgroundLoop("test", turn, every_s=60)
    loop.start()
    for wanted in (1, 2, 3):
        await eventually(lambda wanted=wanted: turns == wanted)  # type: ignore[misc]
        loop.wake()
    await loop.stop(within_s=1)


async def test_a_turn_that_has_more_to_do_is_followed_by_the_next() -> None:
    turns = 0

    async def turn() -> bool:
        nonlocal turns
        turns += 1
        return turns < 5

    loop = BackgroundLoop("test", turn, every_s=60)
    loop.start()
    await eventually(lambda: turns == 5)
    await loop.stop(within_s=1)
    assert turns == 5


async def test_it_survives_every_failure_and_pauses_after_it_also_when_woken() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1
        if turns < 3:
            raise DatabaseUnavailable("away") if turns == 1 else ZeroDivisionError

    loop = BackgroundLoop("test", turn, every_s=60)
    started = time.monotonic()
    loop.start()
    while turns < 3:
        loop.wake()
        await asyncio.sleep(0.001)
    # At least half of 0.1 s and half of 0.2 s.
    assert time.monotonic() - started > 0.14
    await loop.stop(within_s=1)


async def test_a_stop_lets_a_turn_end_in_time() -> None:
    ended = False
    begun = asyncio.Event()

    async def turn() -> None:
        nonlocal ended
        begun.set()
        await asyncio.sleep(0.2)
        ended = True

    loop = BackgroundLoop("test", turn, every_s=60)
    loop.start()
    await begun.wait()
    await loop.stop(within_s=2)
    assert ended


async def test_a_stop_waits_no_longer_than_it_may() -> None:
    begun = asyncio.Event()

    async def turn() -> None:
        begun.set()
        await asyncio.Event().wait()

    loop = BackgroundLoop("test", turn, every_s=60)
    loop.start()
    await begun.wait()
    started = time.monotonic()
    await loop.stop(within_s=0.1)
    assert time.monotonic() - started < 1


async def test_stopping_what_never_started_is_nothing() -> None:
    async def turn() -> None:
        raise AssertionError

    await BackgroundLoop("test", turn, every_s=60).stop(within_s=1)


def test_pauses_double_up_to_two_seconds_and_vary() -> None:
    for failures, longest in [(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.8), (5, 1.6), (6, 2.0), (60, 2.0)]:
        drawn = [back_off_s(failures) for _ in range(200)]
        assert longest / 2 <= min(drawn)
        assert max(drawn) <= longest
        assert max(drawn) - min(drawn) > longest / 4
