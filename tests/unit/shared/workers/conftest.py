from __future__ import annotations

from collections.abc import AsyncIterator

import psutil
import pytest

from shared.workers import Launcher, WorkerPool
from tests.support.eventually import eventually

MEMORY_BYTES = 1 << 30


@pytest.fixture
async def launcher() -> AsyncIterator[Launcher]:
    launcher = Launcher(preload=["tests.unit.shared.workers.functions"])
    await launcher.start()
    process = psutil.Process(launcher.pid)
    yield launcher
    await launcher.close()
    assert not process.is_running(), "the launcher outlived its closing"


@pytest.fixture
async def pool(launcher: Launcher) -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(launcher, processes=2, memory_bytes=MEMORY_BYTES, max_waiting=3)
    yield pool
    pool.close()


async def no_children_of(launcher: Launcher) -> None:
    """Wait until no child is left, not even as a zombie."""
    parent = psutil.Process(launcher.pid)
    await eventually(lambda: parent.children() == [], within=5)
