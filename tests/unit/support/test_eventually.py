from __future__ import annotations

import pytest

from tests.support.eventually import eventually, eventually_sync


async def test_the_first_true_value_is_returned() -> None:
    answers = iter([0, None, 7, 8])
    assert await eventually(lambda: next(answers), every=0) == 7


async def test_a_coroutine_is_awaited_each_time() -> None:
    answers = iter([False, True])

    async def ask() -> bool:
        return next(answers)

    assert await eventually(ask, every=0)


async def test_a_failed_assertion_inside_is_asked_again() -> None:
    answers = iter([1, 2])

    def ask() -> bool:
        assert next(answers) == 2, "too early"
        return True

    assert await eventually(ask, every=0)


async def test_the_deadline_ends_the_wait_and_shows_the_last_answer() -> None:
    with pytest.raises(AssertionError, match=r"bus up not met within 0\.05 s; last: no"):
        await eventually(_never, within=0.05, message="bus up")


def test_without_a_loop_it_waits_the_same_way() -> None:
    answers = iter(["", "there"])
    assert eventually_sync(lambda: next(answers), every=0) == "there"
    with pytest.raises(AssertionError, match="not met within"):
        eventually_sync(lambda: False, within=0.01)


def _never() -> bool:
    raise AssertionError("no")
