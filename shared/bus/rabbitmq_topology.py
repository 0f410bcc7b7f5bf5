"""What Busbar declares at RabbitMQ: two exchanges for messages, one for dead letters, and two quorum queues for each queue.

Only what brokers from 3.10 on and of series 4 both know. A command goes to its queue by the queue's name, not by the
contract's, so that it has somewhere to go as soon as the queue exists, whichever contracts the process that declared it knew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aio_pika.abc import AbstractChannel, ExchangeType

from shared.contracts.message import Queue

# Looking at dead letters counts as a delivery, and a quorum queue of series 4 throws away what was delivered 20 times if not told
# otherwise. A limit also lets them go back to where they were instead of behind all others.
LOOKS_AT_DEAD_LETTERS = 1_000_000
_OWN_PREFIX = "busbar"


@dataclass(frozen=True)
class Names:
    """What things are called at the broker: as in the contracts, with the installation's prefix in place of 'busbar'."""

    prefix: str

    @property
    def commands(self) -> str:
        """The exchange of commands."""
        return f"{self.prefix}.commands"

    @property
    def events(self) -> str:
        """The exchange of events."""
        return f"{self.prefix}.events"

    @property
    def dead(self) -> str:
        """The exchange of dead letters."""
        return f"{self.prefix}.dead"

    def queue(self, name: str) -> str:
        """A queue of the contracts."""
        own = name.removeprefix(_OWN_PREFIX) if name.startswith(f"{_OWN_PREFIX}.") else f".{name}"
        return f"{self.prefix}{own}"


async def declare_exchanges(channel: AbstractChannel, names: Names) -> None:
    """Make the three exchanges, or find them made."""
    await channel.declare_exchange(names.commands, ExchangeType.TOPIC, durable=True)
    await channel.declare_exchange(names.events, ExchangeType.TOPIC, durable=True)
    await channel.declare_exchange(names.dead, ExchangeType.DIRECT, durable=True)


async def declare_queues(channel: AbstractChannel, names: Names, queues: Sequence[Queue]) -> None:
    """Make queues and their dead-letter queues, or find them made, and bind them."""
    for queue in queues:
        name = names.queue(queue.name)
        dead_letters = await channel.declare_queue(
            names.queue(queue.dead_letters),
            durable=True,
            arguments={"x-queue-type": "quorum", "x-delivery-limit": LOOKS_AT_DEAD_LETTERS},
        )
        await dead_letters.bind(names.dead, name)
        # At least once: the queue keeps a dead letter until the other one has confirmed it, for which it must refuse
        # publishers, and not drop messages, when it is full.
        commands = await channel.declare_queue(
            name,
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": queue.delivery_limit,
                "x-dead-letter-exchange": names.dead,
                "x-dead-letter-routing-key": name,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            },
        )
        await commands.bind(names.commands, name)
