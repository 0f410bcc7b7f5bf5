"""A process that takes one message of the toy queue, says so, and then does nothing until it is killed."""

from __future__ import annotations

import asyncio
import sys

from shared.bus.inprocess import InProcessBus
from shared.bus.port import Bus, Delivery
from shared.bus.rabbitmq import RabbitMqBus
from shared.db.engine import PostgresDatabase
from tests.support.toys import TOY_QUEUE


async def main(kind: str, database_url: str, broker_url: str, prefix: str) -> None:
    database = PostgresDatabase(database_url, application_name="dying consumer")
    bus: Bus
    if kind == "rabbitmq":
        bus = RabbitMqBus(broker_url, prefix=prefix, instance="dying", queues=[TOY_QUEUE])
    else:
        bus = InProcessBus(database, instance="dying", claim_s=1.5)
    await bus.start()

    async def hold(delivery: Delivery) -> None:
        assert delivery.envelope is not None
        print("holds", delivery.envelope.message_id, flush=True)
        await asyncio.Event().wait()

    await bus.consume(TOY_QUEUE, hold, prefetch=1)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
