"""What the use cases of this API work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from services.gateway.dialects.reconfiguration.quotas import Quotas
from services.gateway.dialects.reconfiguration.run_endings import RunEndings
from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.http.spool import SpoolBudget
from shared.contracts.asks import Question
from shared.db.answers import Answer
from shared.db.unit_of_work import Database, UnitOfWork
from shared.ids import AccountId, AskId

# To delete documents of hundreds of megabytes takes the database several seconds.
DELETE_WITHIN_S = 30.0


class Asks(Protocol):
    """The port to ask-and-wait."""

    async def ask(
        self,
        account_id: AccountId,
        prepare: Callable[[UnitOfWork, AskId], Awaitable[Question]],
        *,
        service: str,
        deadline_s: float,
    ) -> Answer:
        """Write what ``prepare`` writes, send the question that it returns, and wait for the answer.

        Raises:
            DependencyUnavailable: there is no answer, and perhaps there never was a question.
        """
        ...


class Watchers(Protocol):
    """The port to those who follow sessions in real time."""

    async def settle(self, scope: Scope, session_id: str) -> None:
        """Tell them how a session stands after its run has ended; never fails."""
        ...


class NoWatchers:
    """Nobody follows anything."""

    async def settle(self, scope: Scope, session_id: str) -> None:
        """Nobody is told."""


@dataclass(frozen=True)
class Reconfiguration:
    """The adapters and bounds of this API's use cases.

    ``quotas`` says how much each user may have. ``stop_deadline_s`` is how long a stop waits for the run to end: a worker that died is taken for gone when its lease is over.
    """

    database: Database
    asks: Asks
    budget: SpoolBudget
    quotas: Quotas
    ask_deadline_s: float
    stop_deadline_s: float
    watchers: Watchers = field(default_factory=NoWatchers)
    endings: RunEndings = field(default_factory=RunEndings)
