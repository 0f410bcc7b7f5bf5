"""Waiting for something to become true, with a deadline; the tests' only way to wait."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(
    predicate: Callable[[], Awaitable[T | None]],
    *,
    within: float = ...,
    every: float = ...,
    message: str = ...,
) -> T: ...
@overload
async def eventually(
    predicate: Callable[[], T | None], *, within: float = ..., every: float = ..., message: str = ...
) -> T: ...
async def eventually(
    predicate: Callable[[], Any], *, within: float = 5.0, every: float = 0.02, message: str = ""
) -> Any:  # Any: what the predicate gives, as the overloads say
    """The predicate's first true value. A predicate that fails an assertion is asked again, and its last failure is shown.

    Args:
        predicate: called without arguments; may be a coroutine function.
        within: deadline [s].
        every: pause between two questions [s].
        message: what was waited for, for the failure's text.
    Raises:
        AssertionError: it was never true in time.
    """
    give_up = time.monotonic() + within
    while True:
        failure: AssertionError | None = None
        value = None
        try:
            answer = predicate()
            value = await answer if inspect.isawaitable(answer) else answer
        except AssertionError as error:
            failure = error
        if value:
            return value
        if time.monotonic() >= give_up:
            raise _too_late(message, within, value, failure) from failure
        await asyncio.sleep(every)


def eventually_sync(
    predicate: Callable[[], T | None], *, within: float = 5.0, every: float = 0.02, message: str = ""
) -> T:
    """As ``eventually``, for tests without a loop."""
    give_up = time.monotonic() + within
    while True:
        failure: AssertionError | None = None
        value = None
        try:
            value = predicate()
        except AssertionError as error:
            failure = error
        if value:
            return value
        if time.monotonic() >= give_up:
            raise _too_late(message, within, value, failure) from failure
        time.sleep(every)


def _too_late(message: str, within_s: float, value: object, failure: AssertionError | None) -> AssertionError:
    last = repr(value) if failure is None else str(failure)
    return AssertionError(f"{message or 'condition'} not met within {within_s} s; last: {last}")
