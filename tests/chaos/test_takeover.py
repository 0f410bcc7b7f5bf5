"""Promise: a dead or frozen worker's run is taken over within its lease and 2 s, and goes on from its best solution."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import asyncpg
import pytest

from tests.chaos.conftest import LEASE_S
from tests.support.eventually import eventually
from tests.support.feeders import lattice
from tests.support.metrics import scrape
from tests.support.pgo import PgoClient
from tests.support.proxy import Blackhole, Pass
from tests.support.stack import ServiceProcess, Stack, client_of

TAKEN_OVER_WITHIN_S = LEASE_S + 2.0
# Beyond what the database's clock and this test's polling may add.
MARGIN_S = 0.5


@dataclass(frozen=True)
class Owner:
    """Who works on the run, by the lease."""

    service: ServiceProcess
    fence: int


@pytest.fixture
async def client(chaos: Stack) -> PgoClient:
    chaos.run("gateway", "optimizer", "optimizer")
    return PgoClient(chaos.of_kind("gateway")[0].url)


async def owner(chaos: Stack) -> Owner | None:
    """The owner of the one lease there is, if it has not run out."""
    connection = await asyncpg.connect(chaos.database_url, timeout=5)
    try:
        row = await connection.fetchrow("SELECT owner, fence FROM leases WHERE expires_at > now()")
    finally:
        await connection.close()
    if row is None:
        return None
    # An instance's name has its process id.
    found = [service for service in chaos.of_kind("optimizer") if f"-{service.process.pid}-" in row["owner"]]
    return Owner(found[0], row["fence"]) if found else None


async def started(client: PgoClient, chaos: Stack) -> Owner:
    """A run on a case that is not proven soon; its owner, once it has found something better than the start."""
    feeder = lattice(9, 9, seed=5)

    async def is_loaded() -> bool:
        return (await client.load_network("streets", feeder.network)).status == 201

    await eventually(is_loaded, within=20, every=0.2)
    (await client.create_session("s", "streets", feeder.demands, feeder.start)).expect(201)
    first = await best_value(client)
    (await client.start("s")).expect(200)

    async def is_better() -> bool:
        return await best_value(client) < first

    await eventually(is_better, within=20, every=0.05)
    return await eventually(lambda: owner(chaos), within=5)


async def best_value(client: PgoClient) -> float:
    value: float = (await client.session("s")).expect(200).json()["bestSolutionValue"]
    return value


async def taken_over(chaos: Stack, before: Owner) -> Owner:
    """The next owner, in time."""

    async def other() -> Owner | None:
        now = await owner(chaos)
        return now if now is not None and now.fence > before.fence else None

    return await eventually(other, within=TAKEN_OVER_WITHIN_S + MARGIN_S, message="taken over")


async def test_a_killed_workers_run_goes_on_elsewhere_from_its_best_solution(chaos: Stack, client: PgoClient) -> None:
    async with client:
        before = await started(client, chaos)
        reported = await best_value(client)
        before.service.kill()
        died_at = time.monotonic()
        values: list[float] = []

        async def watch() -> None:
            while True:
                values.append(await best_value(client))
                assert await client.is_running("s")
                await asyncio.sleep(0.05)

        watching = asyncio.create_task(watch())
        after = await taken_over(chaos, before)
        print(f"taken over after {time.monotonic() - died_at:.2f} s")
        assert after.service is not before.service
        await asyncio.sleep(1)
        watching.cancel()
        assert [reported, *values] == sorted([reported, *values], reverse=True)
        assert scrape(after.service.url).total("busbar_optimizer_run_take_overs_total") == 1
        (await client.stop("s")).expect(200)
        assert not await client.is_running("s")
        assert await best_value(client) <= values[-1]


async def test_a_frozen_worker_writes_nothing_when_it_wakes(chaos: Stack, client: PgoClient) -> None:
    async with client:
        before = await started(client, chaos)
        before.service.process.pause()
        after = await taken_over(chaos, before)
        assert after.service is not before.service
        before.service.process.resume()
        # It notices that the run is not its own any more and gives it up, and the other one keeps it.
        await eventually(
            lambda: scrape(before.service.url).total("busbar_leases_lost_leases_total") >= 1, within=10, every=0.1
        )
        await eventually(lambda: scrape(before.service.url).total("busbar_optimizer_active_runs") == 0, within=10)
        assert await owner(chaos) == after
        values = [await best_value(client) for _ in range(10)]
        assert values == sorted(values, reverse=True)
        (await client.stop("s")).expect(200)
        assert not await client.is_running("s")
        (await client.best("s")).expect(200)


async def test_a_worker_cut_off_from_the_database_gives_its_runs_up(chaos: Stack, client: PgoClient) -> None:

    async with client:
        before = await started(client, chaos)
        assert before.service.database_link is not None
        before.service.database_link.set(Blackhole())
        after = await taken_over(chaos, before)
        before.service.database_link.set(Pass())
        await eventually(
            lambda: scrape(before.service.url).total("busbar_optimizer_active_runs") == 0, within=15, every=0.1
        )
        assert await owner(chaos) == after
        (await client.stop("s")).expect(200)


async def test_when_no_other_worker_lives_the_next_one_goes_on(chaos: Stack) -> None:
    chaos.run("gateway", "optimizer")
    [optimizer] = chaos.of_kind("optimizer")
    async with client_of(chaos.of_kind("gateway")[0]) as client:
        before = await started(client, chaos)
        reported = await best_value(client)
        optimizer.kill()
        assert await client.is_running("s")
        optimizer.start()
        after = await taken_over(chaos, before)
        assert after.fence > before.fence
        assert await best_value(client) <= reported
        (await client.stop("s")).expect(200)
