"""The database goes away while runs are under way, longer than their leases live."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import pytest

from services.optimizer.run_supervisor import RunSupervisor
from services.optimizer.tasks.values import Improved, Started
from shared.db.engine import PostgresDatabase
from tests.integration.optimizer.conftest import LIMITS
from tests.integration.optimizer.world import Clients, Nursery, solution
from tests.support.eventually import eventually
from tests.support.proxy import Blackhole, Mode, Pass, Proxy, ProxyLoop, Reset


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with ProxyLoop() as loop:
        yield loop.open(urlsplit(database_url).port or 5432)


@pytest.fixture
async def distant(database_url: str, proxy: Proxy) -> AsyncIterator[PostgresDatabase]:
    """The database as the optimizer sees it."""
    parts = urlsplit(database_url)
    url = parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}").geturl()
    adapter = PostgresDatabase(url, application_name="tests")
    await adapter.start()
    yield adapter
    proxy.set(Pass())
    await adapter.close()


@pytest.mark.parametrize("outage", [Blackhole(), Reset()], ids=["silence", "refusal"])
async def test_a_run_survives_an_outage_with_its_child_and_loses_nothing(
    outage: Mode, distant: PostgresDatabase, proxy: Proxy, clients: Clients
) -> None:
    nursery = Nursery()
    supervisor = RunSupervisor(distant, nursery.start_child, lambda: True, instance="one", limits=LIMITS)
    supervisor.start()
    session = await clients.have_session()
    run = await clients.start_run(session)
    await eventually(lambda: nursery.children)
    (child,) = nursery.children
    child.find(Started(solution(8.0)))

    async def loss_is(loss: float) -> bool:
        return await clients.best_loss(session) == loss

    await eventually(lambda: loss_is(8.0))
    proxy.set(outage)
    child.find(Improved(solution(7.0), 2))
    await asyncio.sleep(LIMITS.lease_ttl_s + 2.0)
    assert not (await clients.lease(run)).is_live
    assert await clients.best_loss(session) == 8.0
    child.find(Improved(solution(6.0), 3))
    proxy.set(Pass())
    back = time.monotonic()
    await eventually(lambda: loss_is(6.0), within=10)
    assert time.monotonic() - back < 6.0
    assert (await clients.lease(run)).is_live
    assert nursery.children == [child]
    assert not child.was_killed
    await clients.request_stop(session)
    await eventually(lambda: clients.is_idle(session))
    await supervisor.stop(within_s=3.0)
