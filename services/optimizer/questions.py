"""Questions that a client waits for: reads what one is about, has a child work on it, writes what came of it, and answers."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack

from sqlalchemy.ext.asyncio import AsyncConnection

from services.optimizer import metrics, question_store
from services.optimizer.tasks import entry
from services.optimizer.tasks.values import LoadedNetwork, Malformed, Refused, RepairedSolution
from shared.bus.asks import answer
from shared.bus.handler import Handler
from shared.contracts.asks import Question
from shared.contracts.message import Envelope
from shared.contracts.reconfiguration import (
    NetworkAnalysisRequested,
    NetworkLoadRequested,
    SessionCreationRequested,
    SolutionEvaluationRequested,
    SolutionRepairRequested,
)
from shared.db.answers import Answer
from shared.db.unit_of_work import Database, UnitOfWork
from shared.errors import BusbarError, WorkerDied
from shared.ids import AccountId, AskId

R = TypeVar("R")
Ts = TypeVarTuple("Ts")
Q = TypeVar("Q", bound=Question)
Given = TypeVar("Given")
Found = TypeVar("Found")


class Workers(Protocol):
    """Has functions run in children; the real one is ``shared.workers.WorkerPool``."""

    @property
    def waiting(self) -> int:
        """How many callers wait for a free child."""
        ...

    async def run(self, function: Callable[[Unpack[Ts]], R], *args: *Ts, deadline_s: float) -> R:
        """The function's result, or what it raises."""
        ...


# A document that kills its worker does so again; the second try is for a worker that was killed for another's memory.
ATTEMPTS = 2


class Questions:
    """Handlers of all questions."""

    def __init__(self, database: Database, pool: Workers, deadline_s: float, cim_creator: str) -> None:
        self._cim_creator = cim_creator
        self._database = database
        self._pool = pool
        self._deadline_s = deadline_s

    def handlers(self) -> tuple[Handler[Any, Any], ...]:  # Any: handlers of several contracts
        """One for each contract."""
        return (
            self._load_network(),
            self._analyse_network(),
            self._kept(
                SessionCreationRequested,
                self._work(
                    "create_session",
                    lambda c, account_id, asked: question_store.session_input(c, account_id, asked.session_key),
                    entry.create_session,
                ),
                lambda c, account_id, asked, made: question_store.save_session(c, account_id, asked.session_key, made),
            ),
            self._kept(
                SolutionEvaluationRequested,
                self._work(
                    "evaluate_solution",
                    lambda c, account_id, asked: question_store.uploaded_solution(c, account_id, asked.solution_key),
                    entry.evaluate_solution,
                ),
                lambda c, account_id, asked, found: question_store.save_solution(
                    c, account_id, asked.solution_key, found
                ),
            ),
            self._kept(
                SolutionRepairRequested,
                self._work(
                    "repair_solution",
                    lambda c, account_id, asked: question_store.repair_input(
                        c, account_id, asked.solution_key, asked.source_key
                    ),
                    entry.repair_solution,
                ),
                lambda c, account_id, asked, made: question_store.save_solution(
                    c, account_id, asked.solution_key, made.solution
                ),
                _told_of_repair,
            ),
        )

    def _load_network(self) -> Handler[NetworkLoadRequested, LoadedNetwork | Refused | Malformed | None]:
        async def work(envelope: Envelope, asked: NetworkLoadRequested) -> LoadedNetwork | Refused | Malformed | None:
            async with self._database.reading(envelope.account_id) as connection:
                upload = await question_store.uploaded_network(connection, envelope.account_id, asked.network_key)
            if upload is None:
                return None
            if upload.is_cim:
                return await self._run("load_network", entry.load_cim_network, upload.document, self._cim_creator)
            return await self._run("load_network", entry.load_network, upload.document)

        return self._kept(
            NetworkLoadRequested,
            work,
            lambda c, account_id, asked, found: question_store.save_network(c, account_id, asked.network_key, found),
        )

    def _analyse_network(self) -> Handler[NetworkAnalysisRequested, str | None]:
        async def work(envelope: Envelope, asked: NetworkAnalysisRequested) -> str | None:
            async with self._database.reading(envelope.account_id) as connection:
                network = await question_store.loaded_network(connection, envelope.account_id, asked.network_key)
            if network is None:
                return None
            return await self._run(
                "analyse_network", entry.analyse_network, network.document, asked.verbose, network.is_cim
            )

        async def apply(
            uow: UnitOfWork, envelope: Envelope, asked: NetworkAnalysisRequested, report: str | None
        ) -> None:
            given = Answer(asked.ask_id, "gone") if report is None else Answer(asked.ask_id, "done", report)
            await answer(uow, envelope, given)

        return Handler(NetworkAnalysisRequested, work, apply, _answer_failed, self._deadline_s, ATTEMPTS)

    def _work(
        self,
        name: str,
        read: Callable[[AsyncConnection, AccountId, Q], Awaitable[Given | None]],
        task: Callable[[Given], Found],
    ) -> Callable[[Envelope, Q], Awaitable[Found | None]]:
        """Have a child do the task with what is read; None where that is gone."""

        async def work(envelope: Envelope, asked: Q) -> Found | None:
            async with self._database.reading(envelope.account_id) as connection:
                given = await read(connection, envelope.account_id, asked)
            return None if given is None else await self._run(name, task, given)

        return work

    def _kept(
        self,
        contract: type[Q],
        work: Callable[[Envelope, Q], Awaitable[Found | Refused | Malformed | None]],
        save: Callable[[AsyncConnection, AccountId, Q, Found], Awaitable[bool]],
        told: Callable[[Found], str] = lambda _: "",
    ) -> Handler[Q, Found | Refused | Malformed | None]:
        """A question whose outcome is kept, and the client told that it is; ``save`` says whether there is still a place for it."""

        async def apply(
            uow: UnitOfWork, envelope: Envelope, asked: Q, found: Found | Refused | Malformed | None
        ) -> None:
            given = Answer(asked.ask_id, "gone")
            if isinstance(found, (Refused, Malformed)):
                given = _complaint(asked.ask_id, found)
            elif found is not None and await save(uow.connection, envelope.account_id, asked, found):
                given = Answer(asked.ask_id, "done", told(found))
            await answer(uow, envelope, given)

        return Handler(contract, work, apply, _answer_failed, self._deadline_s, ATTEMPTS)

    async def _run(self, question: str, function: Callable[[Unpack[Ts]], R], *args: *Ts) -> R:
        begun = time.perf_counter()
        metrics.QUESTIONS_WAITING.set(self._pool.waiting)
        try:
            return await self._pool.run(function, *args, deadline_s=self._deadline_s)
        except WorkerDied:
            metrics.CHILD_DEATHS.labels("question").inc()
            raise
        finally:
            metrics.QUESTIONS_WAITING.set(self._pool.waiting)
            metrics.QUESTION_SECONDS.labels(question).observe(time.perf_counter() - begun)


def _complaint(ask_id: AskId, found: Refused | Malformed) -> Answer:
    """What the client hears of an input that is no good."""
    if isinstance(found, Refused):
        return Answer(ask_id, "refused", found.text)
    return Answer(ask_id, "malformed", json.dumps({found.path or "$": [found.text]}))


async def _answer_failed(
    uow: UnitOfWork,
    envelope: Envelope,
    asked: Question,
    failure: BusbarError,
) -> None:
    """Let the client hear that its question cannot be worked out. The reason is in the dead letter; it is not the client's."""
    await answer(uow, envelope, Answer(asked.ask_id, "failed", failure.code))


def _told_of_repair(made: RepairedSolution) -> str:
    """Clients look for the two numbers, in this order."""
    return f"The solution was repaired: {made.opened} switches were opened and {made.closed} closed."
