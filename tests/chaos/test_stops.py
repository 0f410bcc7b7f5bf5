"""Promise: a stop and a deletion mean it: seen within 1 s, effective within 3 s, whatever else happens at the time."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from tests.chaos.conftest import LEASE_S
from tests.support.eventually import eventually
from tests.support.feeders import lattice, two_feeders
from tests.support.ledger import Ledger
from tests.support.load import runs_of_session
from tests.support.metrics import scrape
from tests.support.pgo import PgoClient
from tests.support.proxy import Blackhole
from tests.support.seeds import new_seed
from tests.support.stack import Stack

STOPPED_WITHIN_S = 3.0
GONE_WITHIN_S = 5.0


@pytest.fixture
async def client(chaos: Stack) -> PgoClient:
    chaos.run("gateway", "optimizer")
    return PgoClient(chaos.of_kind("gateway")[0].url)


async def busy(client: PgoClient, *names: str) -> None:
    """Sessions that are not proven soon, each with a run."""
    feeder = lattice(8, 8, seed=3)

    async def is_loaded() -> bool:
        return (await client.load_network("streets", feeder.network)).status == 201

    await eventually(is_loaded, within=20, every=0.2)
    for name in names:
        (await client.create_session(name, "streets", feeder.demands, feeder.start)).expect(201)
        before = await best_value(client, name)
        (await client.start(name)).expect(200)

        async def has_a_worker(name: str = name, before: float = before) -> bool:
            return await best_value(client, name) < before

        await eventually(has_a_worker, within=20)


async def best_value(client: PgoClient, name: str) -> float:
    value: float = (await client.session(name)).expect(200).json()["bestSolutionValue"]
    return value


async def stopped_in_time(client: PgoClient, name: str, within_s: float = STOPPED_WITHIN_S) -> None:
    answer = (await client.stop(name)).expect(200)
    assert answer.seconds < within_s
    assert not await client.is_running(name)
    # What was found until then is final.
    final = (await client.best(name)).expect(200).body
    await asyncio.sleep(0.3)
    assert (await client.best(name)).body == final


async def test_a_stop_during_a_broker_outage_is_as_quick_as_ever(chaos: Stack, client: PgoClient) -> None:
    async with client:
        await busy(client, "s")
        chaos.set_broker_links(Blackhole())
        await stopped_in_time(client, "s")
        (await client.start("s")).expect(200)
        await stopped_in_time(client, "s")


async def test_a_stop_of_a_dead_workers_run_waits_for_its_lease_and_no_longer(chaos: Stack, client: PgoClient) -> None:
    async with client:
        await busy(client, "s")
        [optimizer] = chaos.of_kind("optimizer")
        optimizer.kill()
        await stopped_in_time(client, "s", LEASE_S + 1.0)
        optimizer.start()
        # It stays stopped: nobody takes up what is not wanted any more.
        await eventually(lambda: scrape(optimizer.url).total("busbar_optimizer_active_runs") == 0)
        assert not await client.is_running("s")


async def test_a_stop_that_meets_a_takeover_wins(chaos: Stack, client: PgoClient) -> None:
    chaos.run("optimizer")
    async with client:
        names = [f"s{number}" for number in range(4)]
        await busy(client, *names)
        for optimizer in chaos.of_kind("optimizer"):
            optimizer.kill()
            optimizer.start(wait=False)
        # At different moments before and after the leases run out and others take the runs up.
        await asyncio.gather(*(_stop_after(client, name, LEASE_S * number / 3) for number, name in enumerate(names)))
        for optimizer in chaos.of_kind("optimizer"):
            await asyncio.to_thread(optimizer.wait_until_ready)

        def nobody_works() -> bool:
            return all(scrape(o.url).total("busbar_optimizer_active_runs") == 0 for o in chaos.of_kind("optimizer"))

        await eventually(nobody_works, within=GONE_WITHIN_S)
        assert [name for name in names if await client.is_running(name)] == []


async def test_a_deleted_session_is_gone_at_once_and_its_worker_soon(chaos: Stack, client: PgoClient) -> None:
    async with client:
        [optimizer] = chaos.of_kind("optimizer")
        await eventually(optimizer.is_ready)
        at_rest = len(optimizer.process.descendants())
        await busy(client, "a", "b")
        assert len(optimizer.process.descendants()) >= at_rest + 2
        answer = (await client.delete_session("a")).expect(200)
        assert answer.seconds < 1
        (await client.session("a")).expect(404)
        await eventually(lambda: scrape(optimizer.url).total("busbar_optimizer_active_runs") == 1, within=GONE_WITHIN_S)
        (await client.delete_network("streets")).expect(200)
        (await client.session("b")).expect(404)
        await eventually(lambda: scrape(optimizer.url).total("busbar_optimizer_active_runs") == 0, within=GONE_WITHIN_S)
        await eventually(lambda: len(optimizer.process.descendants()) <= at_rest, within=GONE_WITHIN_S)


async def test_a_waiting_stop_is_answered_when_the_session_is_deleted(chaos: Stack, client: PgoClient) -> None:
    async with client:
        await busy(client, "s")
        # Nobody is there who could stop the run, so the request waits.
        chaos.of_kind("optimizer")[0].process.pause()
        waiting = asyncio.create_task(client.stop("s"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        (await client.delete_session("s")).expect(200)
        assert (await waiting).expect(200).seconds < LEASE_S


@pytest.mark.timeout(300)
async def test_random_starts_stops_and_deletions_end_as_they_were_told(chaos: Stack, client: PgoClient) -> None:
    chance = random.Random(new_seed("starts, stops and deletions"))
    chaos.run("optimizer")
    feeder, ledger = two_feeders(), Ledger()
    async with client:

        async def is_loaded() -> bool:
            return (await client.load_network("two", feeder.network)).status == 201

        await eventually(is_loaded, within=20, every=0.2)

        async def play(name: str, steps: list[str]) -> None:
            await ledger.send("create", name, client.create_session(name, "two", feeder.demands, feeder.start))
            for step in steps:
                await asyncio.sleep(0.05 if len(step) % 2 else 0.0)
                if step == "start":
                    await ledger.send("start", name, client.start(name))
                elif step == "stop":
                    await ledger.send("stop", name, client.stop(name))
                else:
                    await ledger.send("delete", name, client.delete_session(name))

        plays = [
            chance.choices(["start", "stop"], [2, 1], k=6) + chance.choices(["stop", "delete", "start"])
            for _ in range(16)
        ]
        await asyncio.gather(*(play(f"s{number}", steps) for number, steps in enumerate(plays)))
        assert ledger.of("unknown") == [] and ledger.server_errors() == []
        assert max(entry.seconds for entry in ledger.of("acknowledged", "stop")) < STOPPED_WITHIN_S

        async def is_settled() -> bool:
            server = (await client.server()).expect(200).json()
            comparison = ledger.compare(server, await runs_of_session(chaos.database_url))
            assert comparison.is_clean, comparison
            return True

        # At once and a while later.
        assert await is_settled()
        began = time.monotonic()
        while time.monotonic() - began < 3:
            await asyncio.sleep(0.5)
            assert await is_settled()


async def _stop_after(client: PgoClient, name: str, seconds: float) -> None:
    await asyncio.sleep(seconds)
    (await client.stop(name)).expect(200)
