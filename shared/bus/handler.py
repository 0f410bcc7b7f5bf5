"""What a service registers for one contract, and what the one runner does with it.

A handler works in two steps, so that no transaction is open while a processor is busy: ``work`` may read and compute and must
not write; ``apply`` writes the outcome inside the unit of work that also holds the inbox row. Either may run again after a
crash; only one ``apply`` is ever committed per message.

A message that only says that there is something to be looked for has no effect that could be doubled: for such there is ``WakeUp``,
which costs no transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.contracts.message import Envelope, Message
from shared.db.unit_of_work import UnitOfWork
from shared.errors import BusbarError

M = TypeVar("M", bound=Message)
R = TypeVar("R")


@dataclass(frozen=True)
class Handler(Generic[M, R]):
    """One contract's consumer.

    ``on_failure`` is applied, in a unit of work with the inbox row, when the message cannot be handled for good (retries used
    up, child killed, deadline): it records the failure where the client will see it. The message then goes to the dead letters.
    """

    contract: type[M]
    work: Callable[[Envelope, M], Awaitable[R]]
    apply: Callable[[UnitOfWork, Envelope, M, R], Awaitable[None]]
    on_failure: Callable[[UnitOfWork, Envelope, M, BusbarError], Awaitable[None]]
    deadline_s: float = 60.0
    attempts: int = 3

    @property
    def name(self) -> str:
        """The key of its inbox rows."""
        return self.contract.name


@dataclass(frozen=True)
class WakeUp(Generic[M]):
    """One contract's consumer that has whoever looks by themselves look now. ``wake`` neither waits nor writes; what it misses costs time."""

    contract: type[M]
    wake: Callable[[M], None]

    @property
    def name(self) -> str:
        """What it is called in metrics and logs."""
        return self.contract.name
