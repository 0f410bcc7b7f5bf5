from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from services.optimizer.run_supervisor import Limits, RunSupervisor
from shared.db.engine import PostgresDatabase
from tests.integration.optimizer.world import Clients, Nursery

LIMITS = Limits(max_runs=4, lease_ttl_s=2.0, heartbeat_s=0.2, enumeration_limit=1000, threads_per_run=2)

MakeSupervisor = Callable[..., RunSupervisor]


@pytest.fixture
def clients(database: PostgresDatabase) -> Clients:
    return Clients(database)


@pytest.fixture
def nursery() -> Nursery:
    return Nursery()


@pytest.fixture
async def make_supervisor(database: PostgresDatabase, nursery: Nursery) -> AsyncIterator[MakeSupervisor]:
    """Makes supervisors, each as if it were in a process of its own; all are stopped afterwards."""
    made: list[RunSupervisor] = []

    def make(instance: str = "one", children: Nursery = nursery, limits: Limits = LIMITS) -> RunSupervisor:
        supervisor = RunSupervisor(
            database, children.start_child, lambda: children.is_ready, instance=instance, limits=limits
        )
        made.append(supervisor)
        return supervisor

    yield make
    for supervisor in made:
        await supervisor.stop(within_s=2.0)


@pytest.fixture
async def supervisor(make_supervisor: MakeSupervisor) -> RunSupervisor:
    supervisor = make_supervisor()
    supervisor.start()
    return supervisor
