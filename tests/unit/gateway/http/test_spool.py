from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from services.gateway.http.spool import IN_MEMORY_BYTES, NoRoom, Spool, SpoolBudget


async def content(spool: Spool) -> bytes:
    return b"".join([piece async for piece in spool.pieces()])


def open_files() -> int:
    """Temporary files without a name that this process has open."""
    links = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return sum("(deleted)" in str(link.readlink()) for link in links if link.is_symlink())


@pytest.mark.parametrize("piece_bytes", [1, 1000, 300_000, 3_000_000])
@pytest.mark.parametrize("total_bytes", [0, 1, IN_MEMORY_BYTES, IN_MEMORY_BYTES + 1, 5_000_001])
async def test_what_is_written_is_read(piece_bytes: int, total_bytes: int) -> None:
    if total_bytes / piece_bytes > 10_000:
        piece_bytes = total_bytes
    whole = bytes(os.urandom(1000)) * (total_bytes // 1000 + 1)
    whole = whole[:total_bytes]
    budget = SpoolBudget(10_000_000)
    async with Spool(budget) as spool:
        for start in range(0, total_bytes, piece_bytes):
            await spool.write(whole[start : start + piece_bytes])
        assert spool.size == total_bytes == budget.held_bytes
        assert await content(spool) == whole
        assert await content(spool) == whole, "it can be read twice"
    assert budget.held_bytes == 0


async def test_a_large_document_is_on_disk_without_a_name_and_goes_with_the_spool() -> None:
    before = open_files()
    async with Spool(SpoolBudget(1 << 30)) as spool:
        for _ in range(10):
            await spool.write(b"x" * IN_MEMORY_BYTES)
        assert open_files() == before + 1
    assert open_files() == before


async def test_the_budget_is_shared_and_bounds() -> None:
    budget = SpoolBudget(10)
    async with Spool(budget) as first:
        await first.write(b"1234567")
        async with Spool(budget) as second:
            await second.write(b"123")
            with pytest.raises(NoRoom):
                await second.write(b"4")
        async with Spool(budget) as third:
            await third.write(b"123")
    assert budget.held_bytes == 0


async def test_closing_twice_gives_back_once() -> None:
    budget = SpoolBudget(10)
    spool = Spool(budget)
    await spool.write(b"123")
    spool.close()
    spool.close()
    assert budget.held_bytes == 0


async def test_a_request_cancelled_while_writing_leaves_nothing_open() -> None:
    before = open_files()
    budget = SpoolBudget(1 << 30)

    async def write() -> None:
        async with Spool(budget) as spool:
            while True:
                await spool.write(b"x" * (IN_MEMORY_BYTES + 1))

    task = asyncio.create_task(write())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(100):
        if open_files() == before:
            break
        await asyncio.sleep(0.01)
    assert open_files() == before
    assert budget.held_bytes == 0
