"""Serves on an event loop of its own, for tests that make their requests without one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

T = TypeVar("T")

STARTS_WITHIN_S = 30.0
STOPS_WITHIN_S = 20.0


@contextmanager
def on_own_loop(serve: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """What is served, in a thread, for the time of the block; a start that fails is raised here."""
    ready: Future[T] = Future()
    end = threading.Event()

    async def run() -> None:
        try:
            async with serve() as served:
                ready.set_result(served)
                await asyncio.to_thread(end.wait)
        except Exception as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    try:
        yield ready.result(timeout=STARTS_WITHIN_S)
    finally:
        end.set()
        thread.join(timeout=STOPS_WITHIN_S)
