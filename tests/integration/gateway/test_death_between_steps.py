"""Death or an outage between any two steps of what the gateway does itself, and the same request once more afterwards.

All steps are gone through, not a sample. What a worker does in between is done by a stand-in without faults.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import orjson
import pytest
from sqlalchemy import insert, select, text

from services.gateway.dialects.reconfiguration import networks, runs, sessions
from services.gateway.dialects.reconfiguration.errors import IdTaken, UnknownNetwork, UnknownSession
from services.gateway.dialects.reconfiguration.quotas import NAMED_QUOTAS, Quotas
from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.service import Reconfiguration
from services.gateway.http.spool import Spool, SpoolBudget
from shared.contracts.message import Message
from shared.contracts.reconfiguration import NetworkLoadRequested, SessionCreationRequested
from shared.db.answers import Answer
from shared.db.engine import PostgresDatabase
from shared.db.models import reconfiguration as tables
from shared.db.unit_of_work import EVERY_ACCOUNT, Database, UnitOfWork
from shared.errors import DatabaseUnavailable
from shared.ids import OPEN_ACCOUNT_ID, AccountId, AskId, uuid7
from tests.integration.gateway.worker import CONNECTIVITY, add_solution
from tests.support.faults import Faults, FaultyDatabase, ProcessDied
from tests.support.principals import TESTER

pytestmark = pytest.mark.asyncio(loop_scope="module")

# With limits, whose steps are more.
QUOTAS = Quotas(NAMED_QUOTAS["ForDemo"], None)
SCOPE = Scope(OPEN_ACCOUNT_ID, "commonUser", "json")
Act = Callable[[Reconfiguration], Awaitable[None]]


class AnsweringAsks:
    """Asks whose worker answers at once, and writes what it must without a fault of its own."""

    def __init__(self, asking: Database, working: PostgresDatabase) -> None:
        self._asking = asking
        self._working = working

    async def ask(
        self,
        account_id: AccountId,
        prepare: Callable[[UnitOfWork, AskId], Awaitable[Message]],
        *,
        service: str,
        deadline_s: float,
    ) -> Answer:
        ask_id = AskId(uuid7())
        async with self._asking.unit_of_work(EVERY_ACCOUNT) as work:
            message = await prepare(work, ask_id)
            await work.outbox.add(account_id, message)
        async with self._working.unit_of_work(EVERY_ACCOUNT) as work:
            if isinstance(message, NetworkLoadRequested):
                keys = {"network_key": message.network_key, "account_id": account_id}
                row = {**keys, "bus_count": 3, "connectivity": CONNECTIVITY}
                await work.connection.execute(insert(tables.network_models).values(**row))
            elif isinstance(message, SessionCreationRequested):
                await add_solution(work.connection, message.session_key, "best")
        return Answer(ask_id, "done")


def app_on(database: PostgresDatabase, faults: Faults | None = None) -> Reconfiguration:
    used = database if faults is None else FaultyDatabase(database, faults)
    return Reconfiguration(used, AnsweringAsks(used, database), SpoolBudget(1 << 20), QUOTAS, 5.0, 5.0)


# ------------------------------------------------------------------ what is done


async def load(app: Reconfiguration) -> None:
    async with Spool(app.budget) as document:
        await document.write(b"{}")
        await networks.load_network(app, SCOPE, TESTER, "n", document)


async def create(app: Reconfiguration) -> None:
    async with Spool(app.budget) as demands, Spool(app.budget) as start:
        await demands.write(b"{}")
        await start.write(b"null")
        await sessions.create_session(app, SCOPE, TESTER, sessions.NewSession("s", "n", demands, start, True))


async def start(app: Reconfiguration) -> None:
    await runs.start_run(app, SCOPE, TESTER, "s")


async def stop(app: Reconfiguration) -> None:
    await runs.stop_run(app, SCOPE, TESTER, "s")


async def delete_session(app: Reconfiguration) -> None:
    await sessions.delete_session(app, SCOPE, TESTER, "s")


async def delete_network(app: Reconfiguration) -> None:
    await networks.delete_network(app, SCOPE, TESTER, "n")


CASES: dict[str, tuple[list[Act], Act]] = {
    "load a network": ([], load),
    "create a session": ([load], create),
    "start": ([load, create], start),
    "start again": ([load, create, start], start),
    "stop": ([load, create, start], stop),
    "delete a session": ([load, create, start], delete_session),
    "delete a network": ([load, create, start], delete_network),
}


async def clean(database: PostgresDatabase) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        for table in ("reconfiguration_networks", "outbox"):
            await work.connection.execute(text(f"DELETE FROM {table}"))


async def time_passes(database: PostgresDatabase) -> None:
    """Whoever held an id and died is taken for dead."""
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        for table in ("networks", "sessions"):
            await work.connection.execute(
                text(
                    f"UPDATE reconfiguration_{table} SET pending_until = now() - interval '1 s' WHERE state = 'pending'"
                )
            )


async def state(database: PostgresDatabase) -> dict[str, object]:
    """What is there, without what differs between two times of doing the same."""
    async with database.reading(EVERY_ACCOUNT) as connection:
        found: dict[str, object] = {}
        for name, query in {
            "networks": "SELECT network_id, state FROM reconfiguration_networks",
            "sessions": "SELECT session_id, state FROM reconfiguration_sessions",
            "uploads": "SELECT role, chunk FROM reconfiguration_session_uploads ORDER BY role",
            "documents": "SELECT chunk FROM reconfiguration_network_uploads",
            "runs": "SELECT seed IS NOT NULL, stop_requested_at IS NOT NULL FROM reconfiguration_runs",
        }.items():
            found[name] = sorted(tuple(row) for row in await connection.execute(text(query)))
        run_ids = {str(run) for run in (await connection.execute(select(tables.runs.c.run_id))).scalars()}
        wanted = await connection.execute(text("SELECT body FROM outbox WHERE name = 'reconfiguration.run.requested'"))
        asked_for = [orjson.loads(body)["run_id"] for body in wanted.scalars()]
    assert run_ids <= set(asked_for), "a run without its message would wait for the sweep"
    assert len(asked_for) == len(set(asked_for))
    return found


async def prepared(database: PostgresDatabase, steps: list[Act]) -> None:
    await clean(database)
    for step in steps:
        await step(app_on(database))


@pytest.mark.parametrize("is_death", [True, False], ids=["death", "outage"])
@pytest.mark.parametrize("case", CASES)
async def test_the_same_request_again_leads_to_the_same_end(
    shared_database: PostgresDatabase, case: str, is_death: bool
) -> None:
    before, act = CASES[case]
    await prepared(shared_database, before)
    counted = Faults()
    await act(app_on(shared_database, counted))
    undisturbed = await state(shared_database)
    assert len(counted.steps) > 4
    for at in range(1, len(counted.steps) + 1):
        await prepared(shared_database, before)
        with suppress(ProcessDied, DatabaseUnavailable):
            await act(app_on(shared_database, Faults(at, is_death=is_death)))
        await time_passes(shared_database)
        with suppress(IdTaken, UnknownSession, UnknownNetwork):  # it had been done all the same
            await act(app_on(shared_database))
        assert await state(shared_database) == undisturbed, f"step {at}: {counted.steps[at - 1]}"
