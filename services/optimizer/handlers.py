"""What the optimizer does with each message: reads what it is about, has a child work on it, writes what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack

from services.optimizer import metrics, question_store
from services.optimizer.run_store import WantedRun
from services.optimizer.run_supervisor import RunSupervisor
from services.optimizer.tasks import entry
from services.optimizer.tasks.values import (
    EvaluatedSolution,
    LoadedNetwork,
    Malformed,
    NewSession,
    Refused,
    RepairedSolution,
)
from shared.bus.asks import answer
from shared.bus.handler import Handler
from shared.contracts.message import Envelope
from shared.contracts.reconfiguration import (
    NetworkAnalysisRequested,
    NetworkLoadRequested,
    RunRequested,
    SessionCreationRequested,
    SolutionEvaluationRequested,
    SolutionRepairRequested,
)
from shared.db.answers import Answer
from shared.db.unit_of_work import Database, UnitOfWork
from shared.errors import BusbarError, WorkerDied
from shared.ids import AskId

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


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


def handlers(
    database: Database, pool: Workers, supervisor: RunSupervisor, *, ask_deadline_s: float, cim_creator: str
) -> tuple[Handler[Any, Any], ...]:  # Any: handlers of several contracts
    """Everything that the optimizer consumes."""
    questions = _Questions(database, pool, ask_deadline_s, cim_creator)
    return (
        questions.load_network(),
        questions.analyse_network(),
        questions.create_session(),
        questions.evaluate_solution(),
        questions.repair_solution(),
        _run_requested(supervisor),
    )


class _Questions:
    """Handlers of questions that a client waits for."""

    def __init__(self, database: Database, pool: Workers, deadline_s: float, cim_creator: str) -> None:
        self._cim_creator = cim_creator
        self._database = database
        self._pool = pool
        self._deadline_s = deadline_s

    def load_network(self) -> Handler[NetworkLoadRequested, LoadedNetwork | Refused | Malformed | None]:
        async def work(envelope: Envelope, asked: NetworkLoadRequested) -> LoadedNetwork | Refused | Malformed | None:
            async with self._database.reading(envelope.account_id) as connection:
                upload = await question_store.uploaded_network(connection, envelope.account_id, asked.network_key)
            if upload is None:
                return None
            if upload.is_cim:
                return await self._run("load_network", entry.load_cim_network, upload.document, self._cim_creator)
            return await self._run("load_network", entry.load_network, upload.document)

        async def apply(
            uow: UnitOfWork,
            envelope: Envelope,
            asked: NetworkLoadRequested,
            found: LoadedNetwork | Refused | Malformed | None,
        ) -> None:
            given = Answer(asked.ask_id, "gone")
            if isinstance(found, (Refused, Malformed)):
                given = _complaint(asked.ask_id, found)
            elif found is not None and await question_store.save_network(
                uow.connection, envelope.account_id, asked.network_key, found
            ):
                given = Answer(asked.ask_id, "done")
            await answer(uow, envelope, given)

        return Handler(NetworkLoadRequested, work, apply, _answer_failed, self._deadline_s, ATTEMPTS)

    def analyse_network(self) -> Handler[NetworkAnalysisRequested, str | None]:
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

    def create_session(self) -> Handler[SessionCreationRequested, NewSession | Refused | Malformed | None]:
        async def work(envelope: Envelope, asked: SessionCreationRequested) -> NewSession | Refused | Malformed | None:
            async with self._database.reading(envelope.account_id) as connection:
                given = await question_store.session_input(connection, envelope.account_id, asked.session_key)
            return None if given is None else await self._run("create_session", entry.create_session, given)

        async def apply(
            uow: UnitOfWork,
            envelope: Envelope,
            asked: SessionCreationRequested,
            made: NewSession | Refused | Malformed | None,
        ) -> None:
            given = Answer(asked.ask_id, "gone")
            if isinstance(made, (Refused, Malformed)):
                given = _complaint(asked.ask_id, made)
            elif made is not None and await question_store.save_session(
                uow.connection, envelope.account_id, asked.session_key, made
            ):
                given = Answer(asked.ask_id, "done")
            await answer(uow, envelope, given)

        return Handler(SessionCreationRequested, work, apply, _answer_failed, self._deadline_s, ATTEMPTS)

    def evaluate_solution(
        self,
    ) -> Handler[SolutionEvaluationRequested, EvaluatedSolution | Refused | Malformed | None]:
        async def work(
            envelope: Envelope, asked: SolutionEvaluationRequested
        ) -> EvaluatedSolution | Refused | Malformed | None:
            async with self._database.reading(envelope.account_id) as connection:
                given = await question_store.uploaded_solution(connection, envelope.account_id, asked.solution_key)
            return None if given is None else await self._run("evaluate_solution", entry.evaluate_solution, given)

        async def apply(
            uow: UnitOfWork,
            envelope: Envelope,
            asked: SolutionEvaluationRequested,
            found: EvaluatedSolution | Refused | Malformed | None,
        ) -> None:
            given = Answer(asked.ask_id, "gone")
            if isinstance(found, (Refused, Malformed)):
                given = _complaint(asked.ask_id, found)
            elif found is not None and await question_store.save_solution(
                uow.connection, envelope.account_id, asked.solution_key, found
            ):
                given = Answer(asked.ask_id, "done")
            await answer(uow, envelope, given)

        return Handler(SolutionEvaluationRequested, work, apply, _answer_failed, self._deadline_s, ATTEMPTS)

    def repair_solution(self) -> Handler[SolutionRepairRequested, RepairedSolution | Refused | None]:
        async def work(envelope: Envelope, asked: SolutionRepairRequested) -> RepairedSolution | Refused | None:
            async with self._database.reading(envelope.account_id) as connection:
                given = await question_store.repair_input(
                    connection, envelope.account_id, asked.solution_key, asked.source_key
                )
            return None if given is None else await self._run("repair_solution", entry.repair_solution, given)

        async def apply(
            uow: UnitOfWork, envelope: Envelope, asked: SolutionRepairRequested, made: RepairedSolution | Refused | None
        ) -> None:
            given = Answer(asked.ask_id, "gone")
            if isinstance(made, Refused):
                given = Answer(asked.ask_id, "refused", made.text)
            elif made is not None and await question_store.save_solution(
                uow.connection, envelope.account_id, asked.solution_key, made.solution
            ):
                # Clients look for the two numbers, in this order.
                text = f"The solution was repaired: {made.opened} switches were opened and {made.closed} closed."
                given = Answer(asked.ask_id, "done", text)
            await answer(uow, envelope, given)

        return Handler(SolutionRepairRequested, work, apply, _answer_failed, self._deadline_s, ATTEMPTS)

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
    asked: NetworkLoadRequested
    | NetworkAnalysisRequested
    | SessionCreationRequested
    | SolutionEvaluationRequested
    | SolutionRepairRequested,
    failure: BusbarError,
) -> None:
    """Let the client hear that its question cannot be worked out. The reason is in the dead letter; it is not the client's."""
    await answer(uow, envelope, Answer(asked.ask_id, "failed", failure.code))


def _run_requested(supervisor: RunSupervisor) -> Handler[RunRequested, None]:
    async def work(_envelope: Envelope, _wanted: RunRequested) -> None:
        return

    async def apply(uow: UnitOfWork, envelope: Envelope, wanted: RunRequested, _: None) -> None:
        # Without room it stays as it is: the sweep of whoever has room finds it.
        await supervisor.take_up(uow, _wanted_run(envelope, wanted))

    async def on_failure(uow: UnitOfWork, envelope: Envelope, wanted: RunRequested, failure: BusbarError) -> None:
        """Nothing is recorded: the message was only a wake-up, and the sweep takes the run up all the same."""

    return Handler(RunRequested, work, apply, on_failure)


def _wanted_run(envelope: Envelope, wanted: RunRequested) -> WantedRun:
    return WantedRun(envelope.account_id, wanted.run_id, wanted.session_key, is_to_stop=False)
