"""A broker behind a proxy that can play a broken network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from urllib.parse import urlsplit

import pytest

from shared.bus.rabbitmq import RabbitMqBus
from shared.contracts.message import Queue
from tests.support.proxy import Proxy, ProxyLoop
from tests.support.toys import TOY_QUEUE

MakeBus = Callable[[], Awaitable[RabbitMqBus]]


@pytest.fixture
def proxy(broker_url: str) -> Iterator[Proxy]:
    """Stands between the bus and the broker."""
    address = urlsplit(broker_url)
    with ProxyLoop() as loop:
        yield loop.open(address.port or 5672, address.hostname or "127.0.0.1")


@pytest.fixture
async def make_bus(
    broker_url: str, broker_prefix: str, invented_queues: list[Queue], proxy: Proxy
) -> AsyncIterator[MakeBus]:
    """Makes started buses whose connections go through the proxy."""
    invented_queues.append(TOY_QUEUE)
    url = broker_url.replace(urlsplit(broker_url).netloc, f"guest:guest@127.0.0.1:{proxy.port}")
    made: list[RabbitMqBus] = []

    async def make() -> RabbitMqBus:
        made.append(RabbitMqBus(url, prefix=broker_prefix, instance=f"test-{len(made)}", queues=[TOY_QUEUE]))
        await made[-1].start()
        return made[-1]

    yield make
    for bus in made:
        await bus.close(within_s=1.0)


@pytest.fixture
async def bus(make_bus: MakeBus) -> RabbitMqBus:
    """One of them."""
    return await make_bus()
