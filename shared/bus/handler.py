"""What a service registers for one contract, and what the one runner does with it.

A handler works in two steps, so that no transaction is open while a processor is busy: ``work`` may read and compute and must
not write; ``apply`` writes the outcome inside the unit of work that also holds the inbox row. Either may run again after a
crash; only one ``apply`` is ever committed per message.
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
