"""One unit of work is one transaction: domain rows, outbox rows and the inbox row go in together, or none does.

The edge (request middleware, message runner) opens it and it commits once, on leaving the block; code below never commits.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.message import Message
from shared.ids import AccountId, MessageId

# No statement of a request or a message takes longer on a server that is well.
COMMAND_TIMEOUT_S = 3.0


class EveryAccount(Enum):
    """The reach of what serves the installation itself: relay, runner, sweeps, sign-in, administration."""

    EVERY_ACCOUNT = "*"


EVERY_ACCOUNT: Final = EveryAccount.EVERY_ACCOUNT

# Whose rows a transaction can see and write; the database enforces it, whatever the statements say.
Reach = AccountId | EveryAccount


class Outbox(Protocol):
    """Where a unit of work puts its messages; nothing else publishes."""

    async def add(
        self,
        account_id: AccountId,
        message: Message,
        *,
        routing_key: str | None = None,
        reply_to: str | None = None,
        delay_s: float = 0.0,
    ) -> MessageId:
        """Write one message into the outbox; it is published after the commit, not before ``delay_s`` has passed."""
        ...


@dataclass
class UnitOfWork:
    """An open transaction and its outbox. ``after_commit`` calls run once the commit is done; they must not wait or fail."""

    connection: AsyncConnection
    outbox: Outbox
    after_commit: list[Callable[[], None]] = field(default_factory=list)


class Database(Protocol):
    """The port to Postgres; ``engine.py`` has the real one. Errors of connection come out as DatabaseUnavailable."""

    def unit_of_work(
        self, reach: Reach, *, command_timeout_s: float = COMMAND_TIMEOUT_S, is_durable: bool = True
    ) -> AbstractAsyncContextManager[UnitOfWork]:
        """A transaction on the rows within reach that commits on leaving the block without an error, and then runs its after-commit calls.

        Each statement has ``command_timeout_s``; what touches much data asks for more. The commit of one that is not ``is_durable``
        does not wait for the disk: for what costs a duplicate, or a count, at most if a crash of the server undoes it.
        """
        ...

    def reading(self, reach: Reach) -> AbstractAsyncContextManager[AsyncConnection]:
        """A read-only, consistent snapshot (repeatable read) of the rows within reach."""
        ...
