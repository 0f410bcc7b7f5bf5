"""Promise: a poison message is in the dead-letter queue within 10 s, costs others less than 1 s, and can be put back by one command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import time
import uuid
from dataclasses import dataclass
from typing import Any

import aio_pika
import psutil
import pytest

from shared.contracts.flexibility import (
    FORECASTS,
    INGEST,
    SCHEDULES,
    ForecastRequested,
    IngestRequested,
    ScheduleRequested,
)
from shared.contracts.reconfiguration import QUESTIONS
from shared.ids import OPEN_ACCOUNT_ID
from tests.support.eventually import eventually
from tests.support.feeders import long_feeders, two_feeders
from tests.support.flexibility_load import Customer, differences
from tests.support.metrics import scrape
from tests.support.pgo import PgoClient
from tests.support.stack import BUSBAR, ROOT, ServiceProcess, Stack, client_of

DEAD_WITHIN_S = 10.0
OTHERS_WAIT_AT_MOST_S = 1.0
NAME = "reconfiguration.network.analysis.requested"


@dataclass(frozen=True)
class Poison:
    """A message as somebody could put it into a queue."""

    kind: str
    body: bytes
    name: str = NAME
    version: int = 1
    message_id: str | None = None
    has_headers: bool = True
    queue: str = QUESTIONS.name


GOOD_BODY = json.dumps({"ask_id": str(uuid.uuid4()), "network_key": str(uuid.uuid4())}).encode()
POISONS = [
    Poison("not JSON", b"\x00\xffnot json"),
    Poison("fields missing", b"{}"),
    Poison("a wrong version", GOOD_BODY, version=99),
    Poison("an unknown name", GOOD_BODY, name="nobody.knows.this"),
    Poison("ten megabytes", b'{"ask_id": "' + b"x" * 10_000_000 + b'"}'),
    Poison("100,000 brackets", b"[" * 100_000),
    Poison("no properties at all", GOOD_BODY, has_headers=False),
    Poison("an id that is none", GOOD_BODY, message_id="nonsense"),
    Poison("a schedule of nothing", b"{}", name=ScheduleRequested.name, queue=SCHEDULES.name),
    Poison("a forecast that is not JSON", b"\xff", name=ForecastRequested.name, queue=FORECASTS.name),
    Poison("data without a job", b'{"job_id": 5}', name=IngestRequested.name, queue=INGEST.name),
    Poison("data that nobody knows", b"{}", name="nobody.knows.this", queue=INGEST.name),
]


async def publish(stack: Stack, poison: Poison) -> None:
    """Put a message into a queue, past everything that Busbar checks when it publishes."""
    headers: dict[str, Any] = {"account-id": str(OPEN_ACCOUNT_ID), "version": poison.version, "attempt": 0}
    message = aio_pika.Message(
        poison.body,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=poison.message_id or str(uuid.uuid4()),
        type=poison.name,
        headers=headers,
    )
    if not poison.has_headers:
        message = aio_pika.Message(poison.body)
    async with await aio_pika.connect(stack.broker_url, timeout=5) as connection:
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.get_exchange(f"{stack.prefix}.commands")
        await exchange.publish(message, f"{stack.prefix}.{poison.queue.removeprefix('busbar.')}", timeout=20)


def dlq(service: ServiceProcess, *arguments: str) -> str:
    """What ``busbar dlq`` prints, with the settings of a service."""
    done = subprocess.run(
        [*BUSBAR, "dlq", *arguments],
        env=dict(service.environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def letters(service: ServiceProcess) -> list[dict[str, Any]]:
    """The dead letters, as the command lists them."""
    listed: list[dict[str, Any]] = json.loads(await asyncio.to_thread(dlq, service, "list", "--json"))
    return listed


async def seconds_of_a_question(client: PgoClient, name: str) -> float:
    return (await client.load_network(name, two_feeders().network)).expect(201).seconds


@pytest.mark.timeout(300)
async def test_messages_that_cannot_be_read_are_put_aside_and_harm_nobody(
    chaos: Stack, customers: list[Customer]
) -> None:
    chaos.run("gateway", "optimizer", "telemetry")
    [gateway], [optimizer], [telemetry] = map(chaos.of_kind, ("gateway", "optimizer", "telemetry"))
    async with client_of(gateway) as client:
        await _until_questions_are_answered(client)
        usual = max([await seconds_of_a_question(client, f"before {number}") for number in range(3)])
        published_at = time.monotonic()
        with optimizer.explained():
            async with asyncio.TaskGroup() as group:
                for poison in POISONS:
                    group.create_task(publish(chaos, poison))
                for number in range(5):
                    waited = await seconds_of_a_question(client, f"during {number}")
                    assert waited < usual + OTHERS_WAIT_AT_MOST_S

            def all_dead() -> bool:
                buried = [
                    scrape(service.url).total("busbar_bus_handled_messages_total", outcome="poison")
                    for service in (optimizer, telemetry)
                ]
                return sum(buried) >= len(POISONS)

            within = DEAD_WITHIN_S - (time.monotonic() - published_at)
            await eventually(all_dead, within=within, every=0.1, message="all dead")
        found = await letters(gateway)
        assert len(found) == len(POISONS)
        assert all(letter["reason"] for letter in found)
        # Put back, they end where they were: nothing has changed about them.
        assert dlq(gateway, "replay", "all").strip() == f"replayed {len(POISONS)}"

        async def are_back() -> bool:
            return len(await letters(gateway)) == len(POISONS)

        await eventually(are_back, within=20, every=0.5)
        assert dlq(gateway, "drop", "all").strip() == f"dropped {len(POISONS)}"
        assert await letters(gateway) == []
        assert await seconds_of_a_question(client, "after") < usual + OTHERS_WAIT_AT_MOST_S
        await customers[0].tell("post", 0, customers[0].post(client, 0))
        await customers[0].tell("schedule", 0, customers[0].schedule(client, 0))
        assert all(told.is_acknowledged for told in customers[0].told)

        async def are_served() -> bool:
            return await differences(customers, gateway.url, chaos.database_url) == []

        await eventually(are_served, within=DEAD_WITHIN_S, every=0.2)
    assert optimizer.process.is_running and telemetry.process.is_running


@pytest.mark.timeout(300)
async def test_a_document_whose_worker_is_killed_each_time_ends_as_the_clients_error(chaos: Stack) -> None:
    chaos.run("gateway", "optimizer")
    [gateway], [optimizer] = chaos.of_kind("gateway"), chaos.of_kind("optimizer")
    large = long_feeders(feeders=20, length=500, ties=40, seed=1).network
    async with client_of(gateway) as client:
        await _until_questions_are_answered(client)
        killing = asyncio.create_task(_kill_busy_children(optimizer))
        began = time.monotonic()
        answer = await client.load_network("deadly", large)
        killing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await killing
        assert "could not be processed" in answer.expect(400).text
        assert time.monotonic() - began < DEAD_WITHIN_S
        assert "deadly" not in (await client.server()).json()["networks"]
        [letter] = await letters(gateway)
        assert letter["name"] == "reconfiguration.network.load.requested"
        assert scrape(optimizer.url).total("busbar_optimizer_child_deaths_total", work="question") >= 2
        # With nobody to kill its worker the same document is good, and the dead letter's own question is long gone.
        (await client.load_network("deadly", large)).expect(201)
        assert dlq(gateway, "replay", letter["message_id"]).strip() == "replayed 1"
        await eventually(lambda: _is_empty(gateway), within=20, every=0.5)
        assert len((await client.server()).json()["networks"]) == 2
    assert optimizer.process.is_running


@pytest.mark.timeout(300)
async def test_a_document_beyond_a_workers_memory_ends_as_the_clients_error(chaos: Stack) -> None:
    chaos.optimizer(WORKER_MEMORY_BYTES=str(256 << 20))
    gateway = chaos.gateway()
    [optimizer] = chaos.of_kind("optimizer")
    async with client_of(gateway) as client:

        async def parts() -> Any:  # Any: an asynchronous generator of bytes
            yield b'{"@schema_version": 1, "lines": [], "nodes": ['
            node = b'{"id": "n%d", "type": "transition"}'
            for start in range(0, 1_500_000, 10_000):
                chunk = b",".join(node % number for number in range(start, start + 10_000))
                yield chunk if start == 0 else b"," + chunk
            yield b"]}"

        answer = await client.load_network("too large", parts())
        assert "could not be processed" in answer.expect(400).text
        (await client.load_network("small", two_feeders().network)).expect(201)
        assert (await client.server()).json()["networks"] == ["small"]
    assert optimizer.process.is_running


async def _until_questions_are_answered(client: PgoClient) -> None:
    async def is_answered() -> bool:
        return (await client.load_network("first", two_feeders().network)).status == 201

    await eventually(is_answered, within=30, every=0.2)


async def _is_empty(gateway: ServiceProcess) -> bool:
    return await letters(gateway) == []


async def _kill_busy_children(optimizer: ServiceProcess) -> None:
    """Kill whatever works below the launcher of child processes, as the kernel does when memory is short."""
    [launcher] = psutil.Process(optimizer.process.pid).children()
    idle_s = {child.pid: sum(child.cpu_times()[:2]) for child in launcher.children()}
    while True:
        for child in launcher.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if sum(child.cpu_times()[:2]) > idle_s.get(child.pid, 0.0) + 0.05:
                    child.kill()
        await asyncio.sleep(0.01)
