from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from services.gateway.dialects.flexibility.batching import MOST_TOGETHER, Batching


class Slow:
    """Answers with squares once it is let go, and remembers what it was asked together."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.may_answer = asyncio.Event()

    async def answer_all(self, asked: Sequence[int]) -> Sequence[int]:
        self.asked.append(list(asked))
        await self.may_answer.wait()
        if -1 in asked:
            raise ValueError("no square of that")
        return [number * number for number in asked]


async def turn() -> None:
    """Let everything that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_that_is_alone_waits_for_nobody() -> None:
    slow = Slow()
    slow.may_answer.set()
    assert await Batching("squares", slow.answer_all).answer(3) == 9


async def test_those_that_come_while_one_is_under_way_share_the_next() -> None:
    slow = Slow()
    batching = Batching("squares", slow.answer_all)
    first = asyncio.create_task(batching.answer(1))
    await turn()
    others = [asyncio.create_task(batching.answer(number)) for number in (2, 3, 4)]
    await turn()
    assert slow.asked == [[1]]
    slow.may_answer.set()
    assert await asyncio.gather(first, *others) == [1, 4, 9, 16]
    assert slow.asked == [[1], [2, 3, 4]]


async def test_several_may_be_under_way() -> None:
    slow = Slow()
    batching = Batching("squares", slow.answer_all, at_once=2)
    tasks = []
    for number in (1, 2, 3):
        tasks.append(asyncio.create_task(batching.answer(number)))
        await turn()
    assert slow.asked == [[1], [2]]
    slow.may_answer.set()
    assert await asyncio.gather(*tasks) == [1, 4, 9]


async def test_a_batch_is_bounded() -> None:
    slow = Slow()
    slow.may_answer.set()
    batching = Batching("squares", slow.answer_all)
    wanted = list(range(MOST_TOGETHER + 5))
    assert await asyncio.gather(*(batching.answer(number) for number in wanted)) == [number**2 for number in wanted]
    assert [len(asked) for asked in slow.asked] == [MOST_TOGETHER, 5]


async def test_a_failure_is_told_to_all_of_a_batch_and_to_no_other() -> None:
    slow = Slow()
    slow.may_answer.set()
    batching = Batching("squares", slow.answer_all)
    results = await asyncio.gather(*(batching.answer(number) for number in (1, -1)), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError]
    assert await batching.answer(5) == 25


async def test_whoever_gives_up_takes_the_answer_from_nobody() -> None:
    slow = Slow()
    batching = Batching("squares", slow.answer_all)
    impatient, patient = (asyncio.create_task(batching.answer(number)) for number in (2, 3))
    await turn()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    slow.may_answer.set()
    assert await patient == 9
