"""Promise: while the broker is away starts, posts and triggers are accepted as ever, questions are refused at once, and all is done when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.eventually import eventually
from tests.support.feeders import Feeder, two_feeders
from tests.support.flexibility_load import Customer, FlexibilityLoad, differences
from tests.support.ledger import Ledger, percentile
from tests.support.load import everything_left_behind
from tests.support.metrics import scrape
from tests.support.pgo import Answer, PgoClient
from tests.support.proxy import Blackhole, Pass
from tests.support.stack import OwnServers, ServiceProcess, Stack, client_of

CLIENTS = 3
START_P99_S = 0.5
QUESTION_REFUSED_WITHIN_S = 4.0
NOT_READY_WITHIN_S = 12.0
FINISHED_WITHIN_S = 60.0

Switch = Callable[[], None]


@pytest.fixture(params=["killed", "silent"])
def outage(request: pytest.FixtureRequest, own_servers: OwnServers, chaos: Stack) -> tuple[Switch, Switch]:
    """How the broker goes and how it comes back. Silence is the harder way: nobody is told that a connection has ended."""
    if request.param == "killed":
        return own_servers.broker.kill, own_servers.broker.start
    return lambda: chaos.set_broker_links(Blackhole()), lambda: chaos.set_broker_links(Pass())


@pytest.mark.timeout(300)
async def test_starts_are_accepted_without_a_broker_and_all_run(
    chaos: Stack, own_servers: OwnServers, outage: tuple[Switch, Switch], customers: list[Customer], is_full: bool
) -> None:
    leave, come_back = outage
    chaos.run("gateway", "optimizer", "telemetry")
    [gateway] = chaos.of_kind("gateway")
    ledger = Ledger()
    flexible = FlexibilityLoad([gateway.url], customers, seed=1)
    sessions = 45 if is_full else 18
    async with client_of(gateway) as client:
        await _prepare(client, ledger, two_feeders(), sessions)
        await eventually(lambda: own_servers.broker.has_on_disk(f"{chaos.prefix}.optimizer.reconfiguration.runs"))
        await asyncio.to_thread(leave)
        seconds_away = 60.0 if is_full else 8.0
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                pause_s = seconds_away / (sessions / CLIENTS)
                group.create_task(_start_some(client, ledger, range(number, sessions, CLIENTS), pause_s))
            group.create_task(flexible.run(asyncio.sleep(seconds_away)))
            group.create_task(_questions_are_refused(client))
            group.create_task(_says_that_it_is_not_ready(gateway))
        refused = [entry for entry in ledger.entries if entry.kind == "start" and entry.outcome != "acknowledged"]
        assert refused == []
        assert [told for told in flexible.told if not told.is_acknowledged] == []
        assert {"post", "schedule"} == {told.wish for told in flexible.told}
        seconds = [entry.seconds for entry in ledger.of("acknowledged", "start")]
        print(f"{len(seconds)} starts, p50 {percentile(seconds, 0.5):.3f} s, p99 {percentile(seconds, 0.99):.3f} s")
        assert percentile(seconds, 0.99) < START_P99_S
        await asyncio.to_thread(come_back)

        async def everything_runs_and_is_proven() -> bool:
            for number in range(sessions):
                assert (await client.best_info(f"s{number}")).expect(200).json()["is_optimal"], number
            comparison = ledger.compare((await client.server()).expect(200).json())
            assert comparison.is_clean, comparison
            assert (differing := await differences(customers, gateway.url, chaos.database_url)) == [], differing
            left = await everything_left_behind(chaos.database_url)
            assert not any(left.values()), left
            return True

        await eventually(everything_runs_and_is_proven, within=FINISHED_WITHIN_S, every=0.5)
        # The same processes answer questions again.
        await eventually(_is(201, lambda: client.load_network("after", two_feeders().network)), within=15, every=0.2)
        await eventually(lambda: scrape(gateway.url).total("busbar_bus_connected_ratio") == 1, within=15)
        assert gateway.is_ready()
    for service in chaos.services:
        assert service.process.is_running


async def _prepare(client: PgoClient, ledger: Ledger, feeder: Feeder, sessions: int) -> None:
    await eventually(_is(201, lambda: client.load_network("two", feeder.network)), within=20, every=0.2)
    for number in range(sessions):
        name = f"s{number}"
        answer = await ledger.send("create", name, client.create_session(name, "two", feeder.demands, feeder.start))
        assert answer is not None
        answer.expect(201)


async def _start_some(client: PgoClient, ledger: Ledger, numbers: range, pause_s: float) -> None:
    for number in numbers:
        await ledger.send("start", f"s{number}", client.start(f"s{number}"))
        await asyncio.sleep(pause_s)


async def _questions_are_refused(client: PgoClient) -> None:
    for attempt in range(3):
        answer = (await client.load_network(f"refused {attempt}", two_feeders().network)).expect(503)
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.seconds < QUESTION_REFUSED_WITHIN_S
        await asyncio.sleep(1)
    assert (await client.server()).expect(200).json()["networks"] == ["two"]


async def _says_that_it_is_not_ready(gateway: ServiceProcess) -> None:
    """The connection's own heartbeat must notice a silent broker."""
    await eventually(lambda: not gateway.is_ready(), within=NOT_READY_WITHIN_S, every=0.2)


def _is(status: int, ask: Callable[[], Awaitable[Answer]]) -> Callable[[], Awaitable[bool]]:
    async def is_so() -> bool:
        return (await ask()).status == status

    return is_so
