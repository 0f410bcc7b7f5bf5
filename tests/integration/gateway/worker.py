"""A scripted optimizer: it answers as it is told to, and writes the rows that a real one would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.bus.asks import answer
from shared.bus.handler import Handler
from shared.bus.runner import Runner
from shared.contracts.message import Envelope
from shared.contracts.reconfiguration import (
    NetworkAnalysisRequested,
    NetworkLoadRequested,
    RunRequested,
    SessionCreationRequested,
    SolutionEvaluationRequested,
    SolutionRepairRequested,
)
from shared.db import leases
from shared.db.answers import Answer, Outcome
from shared.db.chunks import read_document, write_chunks
from shared.db.models import reconfiguration as tables
from shared.db.models.base import metadata
from shared.db.models.infrastructure import leases as lease_rows
from shared.db.models.reconfiguration import stored_id
from shared.db.unit_of_work import EVERY_ACCOUNT, UnitOfWork
from shared.errors import BusbarError
from shared.ids import OPEN_ACCOUNT_ID, AccountId
from shared.process import Process

CONNECTIVITY = {
    "ok": True,
    "unbreakable_cycle": None,
    "unconnectable_buses": ["far"],
    "invalid_transformers": None,
}
VERDICT = {
    "violations": [],
    "period_information": [
        {
            "period": {"id": "Day 1", "start_time": "2019-10-01T00:00:00Z", "end_time": "2019-10-02T00:00:00Z"},
            "changed_switches": 2,
        }
    ],
}
VALUES = [2.0, 3.0, 5.0, 500.0, 7.0]
BEST_DOCUMENT = b'{\n  "period_solutions": [],\n  "flows": [],\n  "kile_costs": []\n}'


@dataclass
class Script:
    """What the worker shall say, and what it has been asked."""

    outcome: Outcome = "done"
    body: str = ""
    is_feasible: bool = True
    hold: asyncio.Event | None = None
    uploads: dict[str, bytes] = field(default_factory=dict)
    analyses: list[bool] = field(default_factory=list)
    sources: list[UUID | None] = field(default_factory=list)
    runs: list[UUID] = field(default_factory=list)


class ScriptedWorker:
    """The handlers of an optimizer without any computing."""

    def __init__(self, process: Process) -> None:
        self.script = Script()
        self._database = process.database
        self._runner = Runner(process.database, process.bus, self._handlers(), prefetch=8)

    def _handlers(self) -> tuple[Handler[Any, Any], ...]:  # Any: handlers of several contracts
        return (
            Handler(NetworkLoadRequested, self._work, self._load, _failed),
            Handler(NetworkAnalysisRequested, self._work, self._analyse, _failed),
            Handler(SessionCreationRequested, self._work, self._create, _failed),
            Handler(SolutionEvaluationRequested, self._work, self._evaluate, _failed),
            Handler(SolutionRepairRequested, self._work, self._repair, _failed),
            Handler(RunRequested, self._work, self._run, _failed),
        )

    async def start(self) -> None:
        await self._runner.start()

    async def stop(self) -> None:
        await self._runner.stop(within_s=1.0)

    async def _work(self, _: Envelope, __: object) -> None:
        if self.script.hold is not None:
            await self.script.hold.wait()

    async def _answer(self, uow: UnitOfWork, envelope: Envelope, asked: Any, body: str = "") -> None:
        await answer(uow, envelope, Answer(asked.ask_id, self.script.outcome, body or self.script.body))

    async def _load(self, uow: UnitOfWork, envelope: Envelope, asked: NetworkLoadRequested, _: None) -> None:
        keys: dict[str, object] = {"network_key": asked.network_key}
        found = await uow.connection.execute(
            select(tables.networks.c.state).where(tables.networks.c.network_key == asked.network_key)
        )
        if found.first() is None:
            await answer(uow, envelope, Answer(asked.ask_id, "gone"))
            return
        account = envelope.account_id
        document = await whole(uow.connection, tables.network_uploads, account, keys)
        self.script.uploads["network"] = document
        if self.script.outcome == "done":
            model = {**keys, "account_id": account, "bus_count": 3, "connectivity": CONNECTIVITY}
            await uow.connection.execute(insert(tables.network_models).values(**model))
            await write_chunks(uow.connection, tables.network_model_chunks, keys, account, document)
        await self._answer(uow, envelope, asked)

    async def _analyse(self, uow: UnitOfWork, envelope: Envelope, asked: NetworkAnalysisRequested, _: None) -> None:
        self.script.analyses.append(asked.verbose)
        await self._answer(uow, envelope, asked, "Number of nodes = 3")

    async def _create(self, uow: UnitOfWork, envelope: Envelope, asked: SessionCreationRequested, _: None) -> None:
        keys: dict[str, object] = {"session_key": asked.session_key}
        account = envelope.account_id
        for role in ("demands", "start_configuration"):
            role_keys = {**keys, "role": role}
            self.script.uploads[role] = await whole(uow.connection, tables.session_uploads, account, role_keys)
        if self.script.outcome == "done":
            model = {**keys, "account_id": account}
            await uow.connection.execute(insert(tables.session_models).values(**model))
            demands = self.script.uploads["demands"]
            await write_chunks(uow.connection, tables.session_demand_chunks, keys, account, demands)
            is_feasible = self.script.is_feasible
            await add_solution(uow.connection, asked.session_key, "best", is_feasible=is_feasible, account=account)
        await self._answer(uow, envelope, asked)

    async def _evaluate(self, uow: UnitOfWork, envelope: Envelope, asked: SolutionEvaluationRequested, _: None) -> None:
        keys: dict[str, object] = {"solution_key": asked.solution_key}
        self.script.uploads["solution"] = await whole(
            uow.connection, tables.solution_uploads, envelope.account_id, keys
        )
        await self._make_solution(uow, envelope, asked)

    async def _repair(self, uow: UnitOfWork, envelope: Envelope, asked: SolutionRepairRequested, _: None) -> None:
        self.script.sources.append(asked.source_key)
        await self._make_solution(uow, envelope, asked, "The solution was repaired: 0 were opened and 1 closed.")

    async def _make_solution(self, uow: UnitOfWork, envelope: Envelope, asked: Any, body: str = "") -> None:
        pool = tables.pool_solutions
        found = await uow.connection.execute(
            select(pool.c.session_key).where(pool.c.solution_key == asked.solution_key)
        )
        session = found.scalar_one_or_none()
        if session is None:
            await answer(uow, envelope, Answer(asked.ask_id, "gone"))
            return
        if self.script.outcome == "done":
            document = self.script.uploads.get("solution", BEST_DOCUMENT)
            await add_solution(
                uow.connection,
                session,
                stored_id(asked.solution_key),
                key=asked.solution_key,
                is_feasible=self.script.is_feasible,
                account=envelope.account_id,
                document=document,
            )
        await self._answer(uow, envelope, asked, body if self.script.outcome == "done" else "")

    async def _run(self, uow: UnitOfWork, envelope: Envelope, asked: RunRequested, _: None) -> None:
        self.script.runs.append(asked.run_id)

    # ------------------------------------------------------------------ what a supervisor of runs does

    async def take_run(self, run: UUID, *, for_s: float = 60.0) -> None:
        """Work on a run, under a lease."""
        async with self._database.unit_of_work(EVERY_ACCOUNT) as uow:
            assert await leases.acquire(uow.connection, OPEN_ACCOUNT_ID, f"run:{run}", "scripted", for_s)
            state = {"run_id": run, "account_id": OPEN_ACCOUNT_ID, "state": "working"}
            await uow.connection.execute(insert(tables.run_states).values(**state))

    async def finish_run(self, run: UUID) -> None:
        """End a run."""
        async with self._database.unit_of_work(EVERY_ACCOUNT) as uow:
            statement = update(tables.run_states).where(tables.run_states.c.run_id == run)
            await uow.connection.execute(statement.values(state="stopped", finished_at=func.now()))

    async def lose_lease(self, run: UUID) -> None:
        """Die while working on a run: its lease ends."""
        async with self._database.unit_of_work(EVERY_ACCOUNT) as uow:
            statement = update(lease_rows).where(lease_rows.c.resource == f"run:{run}")
            await uow.connection.execute(statement.values(expires_at=func.now()))

    async def stop_is_wanted(self, run: UUID) -> bool:
        """Whether a run was asked to stop."""
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            statement = select(tables.runs.c.stop_requested_at).where(tables.runs.c.run_id == run)
            return (await connection.execute(statement)).scalar_one_or_none() is not None

    async def change_best(self, **columns: object) -> None:
        """Replace columns of every best solution."""
        async with self._database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(update(tables.solutions).values(**columns))

    async def session_keys(self) -> list[UUID]:
        """All sessions, also pending ones."""
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            return list((await connection.execute(select(tables.sessions.c.session_key))).scalars())


async def whole(connection: AsyncConnection, table: Any, account: AccountId, keys: dict[str, object]) -> bytes:
    """A document."""
    return await read_document(connection, table, keys, account) or b""


async def add_solution(
    connection: AsyncConnection,
    session: UUID,
    solution_id: str,
    *,
    key: UUID | None = None,
    is_feasible: bool = True,
    account: AccountId = OPEN_ACCOUNT_ID,
    document: bytes = BEST_DOCUMENT,
) -> None:
    """A solution with its document."""
    row = {
        "session_key": session,
        "solution_id": solution_id,
        "solution_key": key,
        "account_id": account,
        "configuration": b"\x00",
        "is_feasible": is_feasible,
        "violation_amount": 0.0 if is_feasible else 1.0,
        "objective_values": VALUES,
        "verdict": VERDICT,
    }
    await connection.execute(insert(tables.solutions).values(**row))
    keys = {"session_key": session, "solution_id": solution_id}
    await write_chunks(connection, tables.solution_chunks, keys, account, document)


async def count_rows(process: Process) -> dict[str, int]:
    """How many rows each of the gateway's and optimizer's tables has."""
    names = [name for name in metadata.tables if name.startswith("reconfiguration_")]
    async with process.database.reading(EVERY_ACCOUNT) as connection:
        return {name: (await connection.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one() for name in names}


async def _failed(uow: UnitOfWork, envelope: Envelope, message: Any, failure: BusbarError) -> None:
    if not isinstance(message, RunRequested):
        await answer(uow, envelope, Answer(message.ask_id, "failed", failure.code))


@asynccontextmanager
async def scripted_worker(process: Process) -> AsyncIterator[ScriptedWorker]:
    """A worker for the time of the block."""
    worker = ScriptedWorker(process)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()
