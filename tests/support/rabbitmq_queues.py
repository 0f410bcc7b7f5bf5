"""Removing what a test has declared at a broker that others use too."""

from __future__ import annotations

from collections.abc import Iterable

import aio_pika

from shared.contracts.message import Queue
from shared.contracts.registry import CONTRACTS
from tests.support.postgres_server import run_apart


def delete_objects_of(broker_url: str, prefix: str, invented: Iterable[Queue] = ()) -> None:
    """Delete the queues of all contracts (and ``invented`` ones), their dead-letter queues and the exchanges under a prefix."""
    queues = {contract.queue for contract in CONTRACTS if contract.queue is not None} | set(invented)
    names = [name for queue in queues for name in (queue.name, queue.dead_letters)]

    async def delete() -> None:
        connection = await aio_pika.connect(broker_url, timeout=5)
        async with connection:
            channel = await connection.channel()
            # Deleting what does not exist is no error at the broker.
            for name in names:
                await channel.queue_delete(prefix + name.removeprefix("busbar"))
            for exchange in ("commands", "events", "dead"):
                await channel.exchange_delete(f"{prefix}.{exchange}")

    run_apart(delete)
