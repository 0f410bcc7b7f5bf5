from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily

from shared.observability.health import Health
from shared.observability.ops_server import OpsPortTaken, OpsServer


class SlowCollector:
    """Takes as long as a registry with very many series."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        time.sleep(0.3)
        yield GaugeMetricFamily("slow", "slow", value=1)


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("busbar_test_things", "things", registry=registry).inc(3)
    return registry


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
async def address(registry: CollectorRegistry, health: Health) -> AsyncIterator[str]:
    server = OpsServer("127.0.0.1", 0, health, registry=registry)
    await server.start()
    yield f"http://127.0.0.1:{server.port}"
    await server.stop()


async def get(url: str) -> tuple[int, str, str | None]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text(), response.headers.get("Retry-After")


async def test_a_turning_loop_is_live_whatever_its_dependencies_do(address: str, health: Health) -> None:
    health.retire()
    assert await get(f"{address}/health/live") == (200, '{"live":true}', None)


async def test_readiness_is_200_or_503_with_the_time_to_wait(address: str, health: Health) -> None:
    assert await get(f"{address}/health/ready") == (200, '{"ready":true,"retiring":false,"dependencies":{}}', None)
    health.retire()
    status, body, retry_after = await get(f"{address}/health/ready")
    assert (status, retry_after) == (503, "2")
    assert '"retiring":true' in body


async def test_metrics_come_in_the_text_format(address: str) -> None:
    status, body, _ = await get(f"{address}/metrics")
    assert status == 200
    assert "busbar_test_things_total 3.0" in body.splitlines()


async def test_a_slow_scrape_does_not_hold_the_loop(address: str, registry: CollectorRegistry) -> None:
    registry.register(SlowCollector())
    before = time.monotonic()
    scrape = asyncio.create_task(get(f"{address}/metrics"))
    turns = 0
    while not scrape.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert "slow 1.0" in (await scrape)[1]
    assert time.monotonic() - before > 0.3
    assert turns >= 15  # of 60; before and after the collector has its turn there are a few


async def test_a_port_that_is_taken_is_named_with_a_way_out(address: str, health: Health) -> None:
    second = OpsServer("127.0.0.1", int(address.rpartition(":")[2]), health)
    with pytest.raises(OpsPortTaken, match="BUSBAR_OPS_PORT"):
        await second.start()
