"""The servers that the tests bring along when none listens: they start, keep their data over a kill, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import aio_pika
import asyncpg
import pytest
from pamqp.common import FieldTable

from tests.support import servers
from tests.support.eventually import eventually
from tests.support.postgres_server import PostgresServer, answers_postgres
from tests.support.rabbitmq_server import RabbitMqServer, answers_amqp


@pytest.fixture
def folder() -> Iterator[Path]:
    with servers.server_folder() as made:
        yield made


async def test_postgres_keeps_committed_rows_when_it_is_killed(folder: Path) -> None:
    server = PostgresServer(folder / "postgres", servers.postgres_binaries())
    try:
        server.create()
        server.start()
        connection = await asyncpg.connect(server.url)
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        server.kill()
        assert not answers_postgres(server.url)
        server.start()
        again = await asyncpg.connect(server.url)
        assert await again.fetchval("SELECT answer FROM kept") == 42
        await again.close()
        server.stop()
    finally:
        server.close()


async def test_rabbitmq_keeps_confirmed_messages_when_it_is_killed(folder: Path) -> None:
    server = RabbitMqServer(folder / "rabbitmq", servers.rabbitmq_script())
    try:
        server.create()
        server.start()
        arguments: FieldTable = {"x-queue-type": "quorum"}
        connection = await aio_pika.connect(server.url)
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue("kept", durable=True, arguments=arguments)
        message = aio_pika.Message(b"42", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "kept")
        await eventually(lambda: server.has_on_disk("kept"))
        server.kill()
        assert not answers_amqp(server.url)
        server.start()
        async with await aio_pika.connect(server.url) as again:
            queue = await (await again.channel()).declare_queue("kept", durable=True, arguments=arguments)

            async def first_body() -> bytes | None:
                incoming = await queue.get(fail=False, no_ack=True)
                return incoming.body if incoming else None

            # A quorum queue elects its leader after the listener is open.
            assert await eventually(first_body, within=20) == b"42"
    finally:
        server.close()
