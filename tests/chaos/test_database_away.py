"""Promise: while the database is away clients hear 503 within 3 s, nothing is left half done, and all is well 5 s after its return."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from shared.ids import uuid7
from tests.support.eventually import eventually
from tests.support.feeders import two_feeders
from tests.support.flexibility_load import Customer, differences
from tests.support.ledger import Ledger
from tests.support.load import everything_left_behind
from tests.support.metrics import scrape
from tests.support.pgo import Answer
from tests.support.proxy import Blackhole, Pass
from tests.support.stack import OwnServers, Stack, client_of

REFUSED_WITHIN_S = 3.0
NOT_READY_WITHIN_S = 2.0
RECOVERED_WITHIN_S = 5.0
SETTLED_WITHIN_S = 30.0

Switch = Callable[[], None]


@pytest.fixture(params=["killed", "silent"])
def outage(request: pytest.FixtureRequest, own_servers: OwnServers, chaos: Stack) -> tuple[Switch, Switch]:
    """How the database goes and how it comes back."""
    if request.param == "killed":
        return own_servers.postgres.kill, own_servers.postgres.start
    return lambda: chaos.set_database_links(Blackhole()), lambda: chaos.set_database_links(Pass())


@pytest.mark.timeout(240)
async def test_without_a_database_clients_are_told_to_come_back_and_nothing_is_half_done(
    chaos: Stack, outage: tuple[Switch, Switch], customers: list[Customer], is_full: bool
) -> None:
    leave, come_back = outage
    chaos.run("gateway", "optimizer", "telemetry")
    [gateway] = chaos.of_kind("gateway")
    feeder, ledger = two_feeders(), Ledger()
    customer = customers[0]
    async with client_of(gateway) as client:

        async def is_loaded() -> bool:
            return (await client.load_network("two", feeder.network)).status == 201

        async def create(name: str) -> Answer:
            answer = await ledger.send("create", name, client.create_session(name, "two", feeder.demands, feeder.start))
            assert answer is not None
            return answer

        await eventually(is_loaded, within=20, every=0.2)
        for name in ("running", "at rest", "to start"):
            (await create(name)).expect(201)
        (await ledger.send("start", "running", client.start("running")) or pytest.fail("no answer")).expect(200)
        await client.proven("running", within=20)

        await customer.tell("post", 0, customer.post(client, 0))
        await customer.tell("schedule", 0, customer.schedule(client, 0))
        assert all(told.is_acknowledged for told in customer.told), customer.told
        await asyncio.to_thread(leave)
        left_at = time.monotonic()
        await eventually(lambda: not gateway.is_ready(), within=NOT_READY_WITHIN_S, message="says that it is not ready")
        requests: list[Callable[[], Awaitable[Answer | None]]] = [
            client.server,
            lambda: client.session("running"),
            lambda: client.best("at rest"),
            lambda: client.load_network("half done", feeder.network),
            lambda: create("half done"),
            lambda: ledger.send("start", "to start", client.start("to start")),
            lambda: ledger.send("stop", "running", client.stop("running")),
            lambda: client.delete_network("two"),
            lambda: customer.tell("post", 1, customer.post(client, 1)),
            lambda: customer.tell("schedule", 1, customer.schedule(client, 1)),
            lambda: customer.read(client, 1),
            lambda: customer.job(client, str(uuid7())),
        ]
        while time.monotonic() - left_at < (30.0 if is_full else 7.0):
            answers = await asyncio.gather(*(request() for request in requests))
            for answer in answers:
                assert answer is not None
                answer.expect(503)
                assert int(answer.headers["Retry-After"]) > 0
                assert answer.seconds < REFUSED_WITHIN_S + 0.5, answer
        assert scrape(gateway.url).total("busbar_database_unavailable_total") > 0

        await asyncio.to_thread(come_back)

        async def is_well() -> bool:
            assert (await client.server()).status == 200
            assert (await create(f"after {time.monotonic()}")).status == 201
            return gateway.is_ready()

        await eventually(is_well, within=RECOVERED_WITHIN_S, every=0.1)

        async def is_settled() -> bool:
            server = (await client.server()).expect(200).json()
            assert server["networks"] == ["two"]
            comparison = ledger.compare(server)
            assert comparison.is_clean, comparison
            assert (differing := await differences(customers, gateway.url, chaos.database_url)) == [], differing
            left = await everything_left_behind(chaos.database_url)
            assert not any(left.values()), left
            return True

        await eventually(is_settled, within=SETTLED_WITHIN_S, every=0.5)
        (await client.start("to start")).expect(200)
        await client.proven("to start", within=20)
        # The run that went on all the while is still looked after.
        (await client.stop("running")).expect(200)
        assert not await client.is_running("running")
    for service in chaos.services:
        assert service.process.is_running
