"""A connection to the broker for a command's short life."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from shared.bus.inprocess import InProcessBus
from shared.bus.port import Bus
from shared.bus.rabbitmq import RabbitMqBus
from shared.db.unit_of_work import Database
from shared.errors import BrokerUnavailable
from shared.settings import Settings

CONNECT_WITHIN_S = 5.0


@contextlib.asynccontextmanager
async def connected_bus(settings: Settings, database: Database) -> AsyncIterator[Bus]:
    """The bus that the settings name, connected.

    Raises:
        BrokerUnavailable: it can't be reached.
    """
    bus: Bus
    if settings.broker_url is None:
        bus = InProcessBus(database, instance="command line")
    else:
        broker_url = settings.broker_url.get_secret_value()
        bus = RabbitMqBus(broker_url, prefix=settings.broker_prefix, instance="command line")
    await bus.start()
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            while not bus.is_connected:  # noqa: ASYNC110 - the port tells by a property, and this command runs once
                await asyncio.sleep(0.05)
        yield bus
    except TimeoutError as error:
        raise BrokerUnavailable(f"the broker did not answer within {CONNECT_WITHIN_S:g} s") from error
    finally:
        await bus.close()
