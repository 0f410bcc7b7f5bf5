"""What the optimizer consumes: questions, which are worked on at once, and wanted runs, which are taken up."""

from __future__ import annotations

from typing import Any

from services.optimizer.questions import Questions, Workers
from services.optimizer.run_store import WantedRun
from services.optimizer.run_supervisor import RunSupervisor
from shared.bus.handler import Handler
from shared.contracts.message import Envelope
from shared.contracts.reconfiguration import RunRequested
from shared.db.unit_of_work import Database, UnitOfWork
from shared.errors import BusbarError


def handlers(
    database: Database, pool: Workers, supervisor: RunSupervisor, *, ask_deadline_s: float, cim_creator: str
) -> tuple[Handler[Any, Any], ...]:  # Any: handlers of several contracts
    """Everything that the optimizer consumes."""
    questions = Questions(database, pool, ask_deadline_s, cim_creator)
    return (*questions.handlers(), _run_requested(supervisor))


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
