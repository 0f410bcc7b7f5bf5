"""What surrounds the optimizer in its tests: clients' wishes as the gateway writes them, and a child that does as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, insert, select, update

from services.gateway.dialects.reconfiguration import run_store as gateway
from services.gateway.dialects.reconfiguration.scope import Scope
from services.optimizer import question_store, run_store
from services.optimizer.tasks.values import EvaluatedSolution, LoadedNetwork, NewSession, RunJob, RunMessage
from shared.contracts.message import Envelope, Message
from shared.db.chunks import read_document, write_chunks
from shared.db.engine import PostgresDatabase
from shared.db.models import reconfiguration as tables
from shared.db.models.base import metadata
from shared.db.models.identity import audit_events
from shared.db.models.infrastructure import answers, leases, outbox
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import WorkerDied
from shared.ids import OPEN_ACCOUNT_ID, AskId, MessageId, NetworkKey, RunId, SessionKey, SolutionKey, uuid7
from tests.support.feeders import Feeder

SCOPE = Scope(OPEN_ACCOUNT_ID, "commonUser", "json")
WEIGHTS = (1_000_000.0, 1000.0, 1.0, 0.002, 1.0)


def solution(
    loss_mwh: float, *, is_feasible: bool = True, amount: float = 0.0, mark: bytes = b"\x80"
) -> EvaluatedSolution:
    """A solution that claims this loss."""
    return EvaluatedSolution(
        configuration=mark,
        is_feasible=is_feasible,
        violation_amount=amount,
        objective_values=(loss_mwh, 0.0, 0.0, 0.0, 0.0),
        verdict={"period_information": [], "violations": []},
        document=orjson.dumps({"loss": loss_mwh}),
    )


FIRST = solution(9.0, is_feasible=False, amount=5.0)


@dataclass
class Clients:
    """Writes what the gateway writes when clients ask, and reads what they would see."""

    database: PostgresDatabase

    async def upload_network(self, document: bytes | dict[str, Any], *, network_id: str = "net") -> NetworkKey:
        key = NetworkKey(uuid7())
        data = document if isinstance(document, bytes) else orjson.dumps(document)
        row = {**_pending(key=("network_key", key)), "network_id": network_id}
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(insert(tables.networks).values(**row))
            await write_chunks(uow.connection, tables.network_uploads, {"network_key": key}, OPEN_ACCOUNT_ID, data)
        return key

    async def upload_session(
        self,
        network: NetworkKey,
        demands: bytes,
        start: bytes | None = None,
        *,
        session_id: str = "session",
        allow_unspecified: bool = False,
    ) -> SessionKey:
        key = SessionKey(uuid7())
        row = {
            **_pending(key=("session_key", key)),
            "session_id": session_id,
            "network_key": network,
            "weights": list(WEIGHTS),
            "allow_unspecified_demands": allow_unspecified,
        }
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(insert(tables.sessions).values(**row))
            for role, data in (("demands", demands), ("start_configuration", start)):
                if data is not None:
                    keys = {"session_key": key, "role": role}
                    await write_chunks(uow.connection, tables.session_uploads, keys, OPEN_ACCOUNT_ID, data)
        return key

    async def have_session(self, best: EvaluatedSolution = FIRST, *, session_id: str = "session") -> SessionKey:
        """A session that is loaded, with this best solution; its documents say nothing."""
        network = await self.upload_network(b"{}", network_id=f"net of {session_id}")
        session = await self.upload_session(network, b"{}", session_id=session_id)
        model = LoadedNetwork(b"{}", 2, {"ok": True})
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            assert await question_store.save_network(uow.connection, OPEN_ACCOUNT_ID, network, model)
            assert await question_store.save_session(uow.connection, OPEN_ACCOUNT_ID, session, NewSession(b"{}", best))
            for table in (tables.networks, tables.sessions):
                await uow.connection.execute(update(table).values(state="loaded", pending_until=None))
        return session

    async def have_feeder(self, feeder: Feeder) -> tuple[NetworkKey, SessionKey]:
        """The uploads of a feeder, that nobody has looked at yet."""
        network = await self.upload_network(feeder.network)
        session = await self.upload_session(network, orjson.dumps(feeder.demands), orjson.dumps(feeder.start))
        return network, session

    async def start_run(self, session: SessionKey, *, time_out_s: float = 86_400.0) -> RunId:
        run = RunId(uuid7())
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            assert await gateway.add_run(uow.connection, SCOPE, session, run, seed=7, time_out_s=time_out_s)
        return run

    async def request_stop(self, session: SessionKey) -> None:
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            await gateway.request_stop(uow.connection, SCOPE, session)

    async def is_running(self, session: SessionKey) -> bool:
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            return await gateway.has_active_run(connection, SCOPE, session)

    async def is_idle(self, session: SessionKey) -> bool:
        return not await self.is_running(session)

    async def delete_session(self, session_id: str = "session") -> None:
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            found = await uow.connection.execute(
                tables.sessions.delete().where(tables.sessions.c.session_id == session_id)
            )
        assert found.rowcount == 1

    async def delete_network(self, network: NetworkKey) -> None:
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(tables.networks.delete().where(tables.networks.c.network_key == network))

    # ------------------------------------------------------------------ what is in the database

    async def best_loss(self, session: SessionKey) -> float:
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            (best,) = [
                one
                for one in await run_store.candidates(connection, OPEN_ACCOUNT_ID, session)
                if one.solution_id == "best"
            ]
        return best.objective_values[0]

    async def best_row(self, session: SessionKey) -> Any:  # Any: a row
        wanted = select(tables.solutions).where(
            tables.solutions.c.session_key == session, tables.solutions.c.solution_id == "best"
        )
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            return (await connection.execute(wanted)).one()

    async def best_document(self, session: SessionKey) -> dict[str, Any]:
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            keys = {"session_key": session, "solution_id": "best"}
            data = await read_document(connection, tables.solution_chunks, keys, OPEN_ACCOUNT_ID)
        assert data is not None
        document: dict[str, Any] = orjson.loads(data)
        return document

    async def run_state(self, run: RunId) -> Any:  # Any: a row
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            rows = await connection.execute(select(tables.run_states).where(tables.run_states.c.run_id == run))
            return rows.one_or_none()

    async def lease(self, run: RunId) -> Any:  # Any: a row
        live = (leases.c.expires_at > func.clock_timestamp()).label("is_live")
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            return (
                await connection.execute(select(leases, live).where(leases.c.resource == f"run:{run}"))
            ).one_or_none()

    async def events(self, name: str) -> int:
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            return (await connection.execute(select(func.count()).where(outbox.c.name == name))).scalar_one()

    async def answer(self, ask_id: AskId) -> Any:  # Any: a row
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            return (await connection.execute(select(answers).where(answers.c.ask_id == ask_id))).one_or_none()

    # ------------------------------------------------------------------ what goes wrong

    async def let_lease_expire(self, run: RunId) -> None:
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            past = func.clock_timestamp() - timedelta(seconds=1)
            await uow.connection.execute(
                update(leases).where(leases.c.resource == f"run:{run}").values(expires_at=past)
            )

    async def let_deadline_come(self, run: RunId) -> None:
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            change = update(tables.runs).where(tables.runs.c.run_id == run)
            await uow.connection.execute(change.values(deadline=func.clock_timestamp()))

    async def give_lease_to(self, run: RunId, owner: str) -> None:
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            later = func.clock_timestamp() + timedelta(seconds=60)
            change = update(leases).where(leases.c.resource == f"run:{run}")
            await uow.connection.execute(change.values(owner=owner, fence=leases.c.fence + 1, expires_at=later))

    async def empty_tables(self) -> None:
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            for table in reversed(metadata.sorted_tables):  # not TRUNCATE, which costs a flush of each table
                if table is audit_events:  # only ever added to, and not by an optimizer
                    continue
                await uow.connection.execute(table.delete())

    async def add_pool_solution(self, session: SessionKey, solution_id: str, one: EvaluatedSolution) -> None:
        key = await self.ask_for_solution(session, solution_id)
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            assert await question_store.save_solution(uow.connection, OPEN_ACCOUNT_ID, key, one)
            shown = update(tables.pool_solutions).where(tables.pool_solutions.c.solution_key == key)
            await uow.connection.execute(shown.values(state="loaded", pending_until=None))

    async def ask_for_solution(
        self, session: SessionKey, solution_id: str = "mine", document: bytes | None = None
    ) -> SolutionKey:
        """A solution that clients do not see yet, uploaded or to be made by repair."""
        key = SolutionKey(uuid7())
        row = {"solution_key": key, "account_id": OPEN_ACCOUNT_ID, "session_key": session, "solution_id": solution_id}
        later = func.now() + timedelta(seconds=60)
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(
                insert(tables.pool_solutions).values(**row, state="pending", pending_until=later)
            )
            if document is not None:
                keys = {"solution_key": key}
                await write_chunks(uow.connection, tables.solution_uploads, keys, OPEN_ACCOUNT_ID, document)
        return key

    async def delete_solution(self, key: SolutionKey) -> None:
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(
                tables.pool_solutions.delete().where(tables.pool_solutions.c.solution_key == key)
            )


def _pending(key: tuple[str, UUID]) -> dict[str, object]:
    later = func.now() + timedelta(seconds=60)
    scope = {"account_id": SCOPE.account_id, "owner": SCOPE.owner, "kind": SCOPE.kind}
    return {key[0]: key[1], **scope, "state": "pending", "pending_until": later}


def envelope_of(message: Message, *, message_id: MessageId | None = None, attempt: int = 0) -> Envelope:
    """A message as it is delivered."""
    assert message.queue is not None
    return Envelope(
        message_id=message_id or MessageId(uuid7()),
        account_id=OPEN_ACCOUNT_ID,
        name=message.name,
        version=message.version,
        body=message.model_dump_json().encode(),
        routing_key=message.name,
        queue=message.queue.name,
        reply_to="reply.tests",
        attempt=attempt,
    )


@dataclass
class ObedientChild:
    """Finds what the test tells it, and stops or dies when the test says."""

    job: RunJob
    last_words: list[RunMessage] = field(default_factory=list)
    is_deaf: bool = False
    was_killed: bool = False
    was_asked_to_stop: bool = False
    _messages: asyncio.Queue[RunMessage | Exception | None] = field(default_factory=asyncio.Queue)

    def find(self, *messages: RunMessage) -> None:
        for message in messages:
            self._messages.put_nowait(message)

    def return_(self) -> None:
        self._messages.put_nowait(None)

    def die(self) -> None:
        self._messages.put_nowait(WorkerDied("the test has killed it"))

    async def messages(self) -> AsyncIterator[RunMessage]:
        while (message := await self._messages.get()) is not None:
            if isinstance(message, Exception):
                raise message
            yield message

    async def stop(self, *, within_s: float) -> bool:
        self.was_asked_to_stop = True
        if self.is_deaf:
            await asyncio.sleep(within_s)
            self.kill()
            return False
        self.find(*self.last_words)
        self.return_()
        return True

    def kill(self) -> None:
        if not self.was_killed:
            self.was_killed = True
            self.die()


class Nursery:
    """Starts obedient children and remembers them, in a list of its own or in one that is shared."""

    def __init__(self, children: list[ObedientChild] | None = None) -> None:
        self.children: list[ObedientChild] = [] if children is None else children
        self.is_ready = True
        self.refusal: WorkerDied | None = None
        self.last_words: list[RunMessage] = []

    async def start_child(self, job: RunJob) -> ObedientChild:
        if self.refusal is not None:
            raise self.refusal
        child = ObedientChild(job, list(self.last_words))
        self.children.append(child)
        return child
