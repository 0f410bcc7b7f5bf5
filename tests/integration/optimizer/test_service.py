"""The whole optimizer with real children, over both buses: a client's journey, crashes, and take-overs between processes."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psutil
import pytest
from pydantic import SecretStr

from services.optimizer.main import Optimizer
from shared.contracts.asks import Question
from shared.contracts.reconfiguration import (
    NetworkAnalysisRequested,
    NetworkLoadRequested,
    RunRequested,
    SessionCreationRequested,
)
from shared.db.answers import Answer
from shared.db.models import reconfiguration as tables
from shared.db.unit_of_work import EVERY_ACCOUNT, UnitOfWork
from shared.ids import OPEN_ACCOUNT_ID, AskId, RunId, SessionKey
from shared.process import Process, open_process
from shared.settings import Settings
from tests.integration.optimizer.world import Clients
from tests.support.eventually import eventually
from tests.support.feeders import Feeder, baran_wu_33, lattice

StartProcess = Callable[[], Awaitable[Process]]


@pytest.fixture(params=["in-process"])
def settings(request: pytest.FixtureRequest) -> Settings:
    """In-process unless a test asks for both buses."""
    common = Settings(optimizer_processes=2, lease_ttl_s=3.0, heartbeat_s=0.5, data_dir="/nonexistent")  # type: ignore[arg-type]
    if request.param == "in-process":
        return common
    broker_url, prefix = request.getfixturevalue("broker_url"), request.getfixturevalue("broker_prefix")
    return common.model_copy(update={"broker_url": SecretStr(broker_url), "broker_prefix": prefix})


@asynccontextmanager
async def running(settings: Settings, database_url: str) -> AsyncIterator[tuple[Process, Optimizer]]:
    async with open_process(settings, database_url=database_url, services=["optimizer"], ops_port=0) as process:
        optimizer = Optimizer(process)
        await optimizer.start()
        try:
            yield process, optimizer
        finally:
            await optimizer.stop(within_s=6)


async def ask(process: Process, make: Callable[[AskId], Question]) -> Answer:
    async def prepare(_: UnitOfWork, ask_id: AskId) -> Question:
        return make(ask_id)

    return await process.asks.ask(OPEN_ACCOUNT_ID, prepare, service="optimizer", deadline_s=30)


async def have_session(process: Process, clients: Clients, feeder: Feeder) -> SessionKey:
    """A session as a client makes it: uploads, and two questions."""
    network, session = await clients.have_feeder(feeder)
    loaded = await ask(process, lambda ask_id: NetworkLoadRequested(ask_id=ask_id, network_key=network))
    assert loaded.outcome == "done"
    made = await ask(process, lambda ask_id: SessionCreationRequested(ask_id=ask_id, session_key=session))
    assert made.outcome == "done", made.body
    async with clients.database.unit_of_work(EVERY_ACCOUNT) as uow:
        for table in (tables.networks, tables.sessions):
            await uow.connection.execute(table.update().values(state="loaded", pending_until=None))
    return session


async def start_run(process: Process, clients: Clients, session: SessionKey) -> RunId:
    run = await clients.start_run(session)
    async with process.database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.outbox.add(OPEN_ACCOUNT_ID, RunRequested(run_id=run, session_key=session))
    return run


def children_of(optimizer: Optimizer) -> list[psutil.Process]:
    """Children that work on runs: they are the ones that give way to others."""
    assert optimizer.launcher_pid is not None
    usual = psutil.Process().nice()
    return [child for child in psutil.Process(optimizer.launcher_pid).children() if child.nice() > usual]


both_buses = pytest.mark.parametrize("settings", ["in-process", "rabbitmq"], indirect=True)


@both_buses
async def test_a_clients_journey(settings: Settings, database_url: str, clients: Clients) -> None:
    async with running(settings, database_url) as (process, _):
        session = await have_session(process, clients, baran_wu_33())
        assert 1000 * await clients.best_loss(session) == pytest.approx(202.68, abs=0.01)
        begun = time.monotonic()
        run = await start_run(process, clients, session)

        async def is_proven() -> bool:
            state = await clients.run_state(run)
            return state is not None and state.state == "proven"

        await eventually(is_proven, within=20)
        assert 1000 * await clients.best_loss(session) == pytest.approx(139.55, abs=0.01)
        row = await clients.best_row(session)
        assert (row.proof, row.is_feasible) == ("enumerated", True)
        assert row.bound == pytest.approx(1e6 * row.objective_values[0], rel=1e-9)
        assert time.monotonic() - begun < 10  # about a second on an idle machine
        assert await clients.is_running(session)
        asked = time.monotonic()
        await clients.request_stop(session)
        await eventually(lambda: clients.is_idle(session))
        assert time.monotonic() - asked < 3.0


async def test_a_long_run_stops_within_a_second_with_its_best(
    settings: Settings, database_url: str, clients: Clients
) -> None:
    async with running(settings, database_url) as (process, optimizer):
        session = await have_session(process, clients, lattice(12, 12, seed=1))
        first = await clients.best_loss(session)
        await start_run(process, clients, session)

        async def is_better() -> bool:
            return await clients.best_loss(session) < first

        await eventually(is_better, within=20)
        asked = time.monotonic()
        await clients.request_stop(session)
        await eventually(lambda: clients.is_idle(session), within=5)
        assert time.monotonic() - asked < 3.0  # well below a second on an idle machine
        await eventually(lambda: not children_of(optimizer))
        final = await clients.best_loss(session)
        await asyncio.sleep(0.3)
        assert await clients.best_loss(session) == final


async def test_a_killed_child_is_replaced_and_nothing_found_is_lost(
    settings: Settings, database_url: str, clients: Clients
) -> None:
    async with running(settings, database_url) as (process, optimizer):
        session = await have_session(process, clients, lattice(12, 12, seed=2))
        run = await start_run(process, clients, session)
        losses = [await clients.best_loss(session)]
        for deaths in (1, 2):
            (child,) = await eventually(lambda: children_of(optimizer), within=20)
            await asyncio.sleep(0.5)
            losses.append(await clients.best_loss(session))
            child.send_signal(signal.SIGKILL)

            async def is_noted(deaths: int = deaths) -> bool:
                return bool((await clients.run_state(run)).attempts == deaths)

            await eventually(is_noted)
        await eventually(lambda: children_of(optimizer), within=20)
        losses.append(await clients.best_loss(session))
        assert losses == sorted(losses, reverse=True)
        assert await clients.is_running(session)


@both_buses
async def test_a_process_that_ends_hands_its_run_on_to_the_next(
    settings: Settings, database_url: str, clients: Clients
) -> None:
    async with running(settings, database_url) as (process, _):
        session = await have_session(process, clients, lattice(12, 12, seed=3))
        run = await start_run(process, clients, session)

        async def has_lease() -> bool:
            lease = await clients.lease(run)
            return lease is not None and lease.is_live and await clients.run_state(run) is not None

        await eventually(has_lease, within=20)
        await asyncio.sleep(0.5)
        before = await clients.best_loss(session)
    assert await clients.is_running(session)
    assert not (await clients.lease(run)).is_live
    async with running(settings, database_url) as (_, second):
        await eventually(lambda: children_of(second), within=20)
        assert (await clients.lease(run)).fence == 2
        assert await clients.best_loss(session) <= before


async def test_a_document_that_takes_too_much_memory_fails_and_the_next_question_is_answered(
    settings: Settings, database_url: str, clients: Clients
) -> None:
    # With what the children hold from the start there is little left.
    tight = settings.model_copy(update={"worker_memory_bytes": 560 << 20})
    async with running(tight, database_url) as (process, _):
        nodes = b",".join(b'{"id":"%d","type":"transition"}' % number for number in range(600_000))
        huge = b'{"@schema_version":1,"nodes":[' + nodes + b'],"lines":[]}'
        network = await clients.upload_network(huge, network_id="huge")
        failed = await ask(process, lambda ask_id: NetworkLoadRequested(ask_id=ask_id, network_key=network))
        assert failed.outcome == "failed"
        small = await clients.upload_network(baran_wu_33().network, network_id="small")
        loaded = await ask(process, lambda ask_id: NetworkLoadRequested(ask_id=ask_id, network_key=small))
        assert loaded.outcome == "done"
        report = await ask(process, lambda ask_id: NetworkAnalysisRequested(ask_id=ask_id, network_key=small))
        assert "Number of nodes = 33" in report.body
