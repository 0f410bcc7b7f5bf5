"""Promise: SIGTERM under load turns readiness off at once, finishes or hands back what is in hand, and ends the process within 10 s."""

from __future__ import annotations

import asyncio
import time

import pytest

from services.cli.up import SERVICES
from tests.chaos.conftest import LEASE_S
from tests.support.eventually import eventually
from tests.support.feeders import lattice, two_feeders
from tests.support.flexibility_load import Customer, FlexibilityLoad, differences
from tests.support.load import Load
from tests.support.metrics import scrape
from tests.support.pgo import PgoClient
from tests.support.seeds import new_seed
from tests.support.stack import Stack, client_of

ENDS_WITHIN_S = 10.0
NOT_READY_WITHIN_S = 1.0
HANDED_ON_WITHIN_S = 2.0
SETTLED_WITHIN_S = 30.0


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", list(SERVICES))
async def test_clients_that_ask_again_once_notice_nothing(chaos: Stack, customers: list[Customer], kind: str) -> None:
    chaos.run(*SERVICES, kind)
    leaving = chaos.of_kind(kind)[0]
    # A client's first request may go to the process that leaves; asked again, another answers.
    gateways = [gateway.url for gateway in reversed(chaos.of_kind("gateway"))]
    seed = new_seed("graceful stop")
    load = Load(gateways, two_feeders(), seed, clients=8, retries=1)
    flexible = FlexibilityLoad(gateways, customers, seed, retries=1)
    exit_codes: list[int] = []

    async def leave() -> None:
        await asyncio.sleep(2)
        leaving.process.signal(15)
        asked_at = time.monotonic()
        await eventually(lambda: not leaving.is_ready(), within=NOT_READY_WITHIN_S)
        exit_codes.append(await asyncio.to_thread(leaving.process.wait, ENDS_WITHIN_S))
        print(f"ended after {time.monotonic() - asked_at:.2f} s")
        await asyncio.sleep(1)

    await load.run(flexible.run(leave()))
    assert exit_codes == [0]
    assert leaving.process.descendants() == []
    # Each request was acknowledged at its first or second try.
    assert load.never_acknowledged() == []
    assert load.ledger.server_errors() == []
    assert flexible.never_acknowledged() == []
    assert flexible.server_errors() == []
    url = next(gateway.url for gateway in chaos.of_kind("gateway") if gateway is not leaving)

    async def is_settled() -> bool:
        comparison = await load.compare(url, chaos.database_url)
        assert comparison.is_clean, comparison
        assert (unfinished := await load.unfinished(url)) == [], unfinished
        assert (differing := await differences(customers, url, chaos.database_url)) == [], differing
        return True

    await eventually(is_settled, within=SETTLED_WITHIN_S, every=0.5)


async def test_runs_are_handed_to_another_worker_at_once_and_without_loss(chaos: Stack) -> None:
    chaos.run("gateway", "optimizer")
    [leaving] = chaos.of_kind("optimizer")
    feeder = lattice(8, 8, seed=2)
    async with client_of(chaos.of_kind("gateway")[0]) as client:

        async def is_loaded() -> bool:
            return (await client.load_network("streets", feeder.network)).status == 201

        await eventually(is_loaded, within=20, every=0.2)
        for name in ("a", "b"):
            (await client.create_session(name, "streets", feeder.demands, feeder.start)).expect(201)
            (await client.start(name)).expect(200)
        await eventually(lambda: scrape(leaving.url).total("busbar_optimizer_active_runs") == 2, within=10)
        other = chaos.optimizer()
        before = [await _best_value(client, name) for name in ("a", "b")]
        leaving.process.signal(15)

        def are_handed_on() -> bool:
            return scrape(other.url).total("busbar_optimizer_active_runs") == 2

        # Not only after the lease has run out.
        assert HANDED_ON_WITHIN_S < LEASE_S
        await eventually(lambda: not leaving.process.is_running, within=ENDS_WITHIN_S)
        await eventually(are_handed_on, within=HANDED_ON_WITHIN_S)
        for name, value in zip(("a", "b"), before, strict=True):
            assert await client.is_running(name)
            assert await _best_value(client, name) <= value
            (await client.stop(name)).expect(200)


async def _best_value(client: PgoClient, name: str) -> float:
    value: float = (await client.session(name)).expect(200).json()["bestSolutionValue"]
    return value
