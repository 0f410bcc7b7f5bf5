"""Every function of the reconfiguration stores, called by a neighbour who knows the ids and even the keys: it sees and changes nothing."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration import (
    expiry_store,
    held_ids,
    network_store,
    pool_store,
    run_store,
    session_store,
)
from services.gateway.dialects.reconfiguration.held_ids import HeldId
from services.gateway.dialects.reconfiguration.pool_store import HeldSolution, PoolPlace
from services.gateway.dialects.reconfiguration.scope import Scope
from services.optimizer import question_store
from services.optimizer import run_store as optimizer_runs
from services.optimizer.tasks.values import LoadedNetwork, NewSession
from shared.db.engine import PostgresDatabase
from shared.db.models.base import metadata
from shared.db.models.reconfiguration import networks, sessions
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import OPEN_ACCOUNT_ID, AccountId, NetworkKey, RunId, SessionKey, SolutionKey, uuid7
from tests.integration.optimizer.world import WEIGHTS, solution

OWN = Scope(OPEN_ACCOUNT_ID, "alice", "json")
OTHER_ACCOUNT = AccountId(UUID("018f0000-0000-7000-8000-0000000000aa"))
NEIGHBOURS = {
    "another account": replace(OWN, account_id=OTHER_ACCOUNT),
    "another owner": replace(OWN, owner="bob"),
    "another kind": replace(OWN, kind="cim"),
}
# What serves all accounts at once: it is never called on behalf of one.
OF_ALL_ACCOUNTS = {
    "sweep_expired",
    "sweep_never_shown",
    "unattended_runs",
    "delete_timed_out_sessions",
    "set_time_out",
    "set_time_out_of_others",
}
# Even for the owner these show and change nothing here: the one has been done before, the other only makes others wait.
WITHOUT_EFFECT = {"begin_run", "take_turn"}


@dataclass(frozen=True)
class Keys:
    """What the first account has: something finished and something pending of each kind, and a run of the first session."""

    network: NetworkKey
    pending_network: NetworkKey
    session: SessionKey
    pending_session: SessionKey
    idle_session: SessionKey
    run: RunId
    solution: SolutionKey
    pending_solution: SolutionKey


Call = Callable[[AsyncConnection, Scope, Keys], Awaitable[object]]


@dataclass(frozen=True)
class Case:
    """A call, what a neighbour gets from it, and whether it makes a row of the neighbour's own."""

    call: Call
    nothing: object = None
    adds_own: bool = False


async def document(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def network_document(connection: AsyncConnection, scope: Scope, _: Keys) -> bytes | None:
    pieces = await network_store.network_document(connection, scope, "n")
    return None if pieces is None else b"".join([piece async for piece in pieces])


async def demands_document(connection: AsyncConnection, scope: Scope, _: Keys) -> bytes | None:
    pieces = await session_store.demands_document(connection, scope, "s")
    return None if pieces is None else b"".join([piece async for piece in pieces])


async def solution_document(connection: AsyncConnection, scope: Scope, keys: Keys) -> bytes | None:
    pieces = await pool_store.solution_document(connection, scope, keys.session, PoolPlace(keys.solution, 1))
    return None if pieces is None else b"".join([piece async for piece in pieces])


async def reserve_own_session(connection: AsyncConnection, scope: Scope, keys: Keys) -> bool:
    """The same name on a network of one's own."""
    network = keys.network
    if scope != OWN:
        network = NetworkKey(uuid7())
        await network_store.reserve_network(connection, scope, "mine", network)
    return await reserve(connection, scope, "s", SessionKey(uuid7()), network)


async def reserve(connection: AsyncConnection, scope: Scope, name: str, key: SessionKey, network: NetworkKey) -> bool:
    return await session_store.reserve_session(
        connection, scope, name, key, network, weights=WEIGHTS, allow_unspecified_demands=False, time_out_s=60.0
    )


async def replace_best(connection: AsyncConnection, scope: Scope, keys: Keys) -> object:
    """It is called with the session held, which a neighbour cannot do; without, there is no row to compare with."""
    try:
        return await optimizer_runs.replace_best(connection, scope.account_id, keys.session, BETTER, WEIGHTS)
    except NoResultFound:
        return "no such session"


BETTER = solution(1.0)
NETWORKS: dict[str, Case] = {
    "reserve_network": Case(
        lambda c, scope, _: network_store.reserve_network(c, scope, "n", NetworkKey(uuid7())), True, adds_own=True
    ),
    "bus_count_of": Case(lambda c, scope, k: network_store.bus_count_of(c, scope, k.pending_network), 0),
    "write_network_upload": Case(
        lambda c, scope, k: network_store.write_network_upload(c, scope, k.pending_network, document(b"forged"))
    ),
    "network_document": Case(network_document),
    "find_network": Case(lambda c, scope, _: network_store.find_network(c, scope, "n")),
    "keep_network": Case(lambda c, scope, _: network_store.keep_network(c, scope, "n")),
    "list_networks": Case(lambda c, scope, _: network_store.list_networks(c, scope), []),
    "delete_network": Case(lambda c, scope, _: network_store.delete_network(c, scope, "n"), False),
    "connectivity_of": Case(lambda c, scope, _: network_store.connectivity_of(c, scope, "n")),
}
SESSIONS: dict[str, Case] = {
    "session_id_is_taken": Case(lambda c, scope, _: session_store.session_id_is_taken(c, scope, "s"), False),
    "reserve_session": Case(reserve_own_session, True, adds_own=True),
    "write_session_upload": Case(
        lambda c, scope, k: session_store.write_session_upload(
            c, scope, k.pending_session, "demands", document(b"forged")
        )
    ),
    "demands_document": Case(demands_document),
    "find_session": Case(lambda c, scope, _: session_store.find_session(c, scope, "s")),
    "lock_session": Case(lambda c, scope, _: session_store.lock_session(c, scope, "s")),
    "delete_session": Case(lambda c, scope, _: session_store.delete_session(c, scope, "s"), False),
    "list_sessions": Case(lambda c, scope, _: session_store.list_sessions(c, scope), []),
    "session_row": Case(lambda c, scope, _: session_store.session_row(c, scope, "s")),
    "weights_of": Case(lambda c, scope, _: session_store.weights_of(c, scope, "s")),
    "set_weights": Case(lambda c, scope, k: session_store.set_weights(c, scope, k.session, [1.0] * 5)),
}
POOL: dict[str, Case] = {
    "reserve_solution": Case(
        lambda c, scope, k: pool_store.reserve_solution(c, scope, k.session, "new", SolutionKey(uuid7())), False
    ),
    "HeldSolution.hold": Case(lambda c, scope, k: HeldSolution(scope, k.pending_solution).hold(c, 999.0)),
    "HeldSolution.forget": Case(lambda c, scope, k: HeldSolution(scope, k.pending_solution).forget(c)),
    "write_solution_upload": Case(
        lambda c, scope, k: pool_store.write_solution_upload(c, scope, k.pending_solution, document(b"forged"))
    ),
    "find_solution": Case(lambda c, scope, k: pool_store.find_solution(c, scope, k.session, "mine")),
    "show_solution": Case(
        lambda c, scope, k: pool_store.show_solution(c, scope, k.pending_solution, instead_of=PoolPlace(k.solution, 1)),
        False,
    ),
    "delete_solution": Case(lambda c, scope, k: pool_store.delete_solution(c, scope, k.solution), False),
    "prolong_session": Case(lambda c, scope, k: pool_store.prolong_session(c, scope, k.session)),
    "solution_document": Case(solution_document),
    "solution_row": Case(lambda c, scope, k: pool_store.solution_row(c, scope, "s", PoolPlace(k.solution, 1))),
}
RUNS: dict[str, Case] = {
    "has_active_run": Case(lambda c, scope, k: run_store.has_active_run(c, scope, k.session), False),
    "add_run": Case(
        lambda c, scope, k: run_store.add_run(c, scope, k.idle_session, RunId(uuid7()), seed=1, time_out_s=9.0), False
    ),
    "request_stop": Case(lambda c, scope, k: run_store.request_stop(c, scope, k.session)),
}
MODEL = LoadedNetwork(b"forged", 9, {"ok": True})
QUESTIONS: dict[str, Case] = {
    "uploaded_network": Case(lambda c, s, k: question_store.uploaded_network(c, s.account_id, k.network)),
    "loaded_network": Case(lambda c, s, k: question_store.loaded_network(c, s.account_id, k.network)),
    "network_document": Case(lambda c, s, k: question_store.network_document(c, s.account_id, k.network)),
    "save_network": Case(lambda c, s, k: question_store.save_network(c, s.account_id, k.pending_network, MODEL), False),
    "session_input": Case(lambda c, s, k: question_store.session_input(c, s.account_id, k.session)),
    "save_session": Case(
        lambda c, s, k: question_store.save_session(c, s.account_id, k.pending_session, NewSession(b"forged", BETTER)),
        False,
    ),
    "uploaded_solution": Case(lambda c, s, k: question_store.uploaded_solution(c, s.account_id, k.pending_solution)),
    "repair_input": Case(lambda c, s, k: question_store.repair_input(c, s.account_id, k.pending_solution, k.solution)),
    "save_solution": Case(
        lambda c, s, k: question_store.save_solution(c, s.account_id, k.pending_solution, BETTER), False
    ),
    "write_solution_document": Case(
        lambda c, s, k: question_store.write_solution_document(c, s.account_id, k.session, "best", b"forged"), False
    ),
    "configuration": Case(lambda c, s, k: question_store.configuration(c, s.account_id, k.session, "best")),
}
OPTIMIZER_RUNS: dict[str, Case] = {
    "candidates": Case(lambda c, s, k: optimizer_runs.candidates(c, s.account_id, k.session), []),
    "replace_best": Case(replace_best, "no such session"),
    "save_bound": Case(
        lambda c, s, k: optimizer_runs.save_bound(c, s.account_id, k.session, 1.0, "enumerated", WEIGHTS)
    ),
    "run_row": Case(lambda c, s, k: optimizer_runs.run_row(c, s.account_id, k.run)),
    "hold_run": Case(lambda c, s, k: optimizer_runs.hold_run(c, s.account_id, k.run)),
    "begin_run": Case(lambda c, s, k: optimizer_runs.begin_run(c, s.account_id, k.run), False),
    "note_trials": Case(lambda c, s, k: optimizer_runs.note_trials(c, s.account_id, k.run, 99)),
    "note_deaths": Case(lambda c, s, k: optimizer_runs.note_deaths(c, s.account_id, k.run, 2)),
    "note_proven": Case(lambda c, s, k: optimizer_runs.note_proven(c, s.account_id, k.run)),
    "finish_run": Case(lambda c, s, k: optimizer_runs.finish_run(c, s.account_id, k.run, "stopped"), False),
    "runs_to_stop": Case(lambda c, s, k: optimizer_runs.runs_to_stop(c, [(s.account_id, k.run)]), {}),
}
Act = Callable[[HeldId, AsyncConnection], Awaitable[object]]


def with_both(act: Act, nothing: object = None) -> Case:
    """Something done to a network and to a session that are being made."""

    async def call(connection: AsyncConnection, scope: Scope, keys: Keys) -> object:
        held = (HeldId(scope, networks, keys.pending_network), HeldId(scope, sessions, keys.pending_session))
        return [await act(one, connection) for one in held]

    return Case(call, [nothing, nothing])


HELD_IDS: dict[str, Case] = {
    "HeldId.hold": with_both(lambda held, c: held.hold(c, 999.0)),
    "HeldId.forget": with_both(lambda held, c: held.forget(c)),
    "HeldId.is_pending": with_both(lambda held, c: held.is_pending(c), False),
    "HeldId.mark_loaded": with_both(lambda held, c: held.mark_loaded(c), False),
    "free_expired": Case(lambda c, scope, _: held_ids.free_expired(c, scope, networks, "expired n")),
    "count_ids": Case(lambda c, scope, _: held_ids.count_ids(c, scope, sessions), 0),
    "take_turn": Case(lambda c, scope, _: held_ids.take_turn(c, scope, sessions)),
}
CASES: dict[ModuleType, dict[str, Case]] = {
    held_ids: HELD_IDS,
    expiry_store: {},
    network_store: NETWORKS,
    session_store: SESSIONS,
    pool_store: POOL,
    run_store: RUNS,
    question_store: QUESTIONS,
    optimizer_runs: OPTIMIZER_RUNS,
}


@pytest.fixture
async def keys(database: PostgresDatabase) -> Keys:
    made = Keys(
        network=NetworkKey(uuid7()),
        pending_network=NetworkKey(uuid7()),
        session=SessionKey(uuid7()),
        pending_session=SessionKey(uuid7()),
        idle_session=SessionKey(uuid7()),
        run=RunId(uuid7()),
        solution=SolutionKey(uuid7()),
        pending_solution=SolutionKey(uuid7()),
    )
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        c = uow.connection
        for name, key in (("n", made.network), ("pending n", made.pending_network)):
            assert await network_store.reserve_network(c, OWN, name, key)
            await HeldId(OWN, networks, key).hold(c, 600.0)
            await network_store.write_network_upload(c, OWN, key, document(b"uploaded"))
            assert await question_store.save_network(c, OWN.account_id, key, LoadedNetwork(b"network", 2, {"ok": True}))
        assert await HeldId(OWN, networks, made.network).mark_loaded(c)
        assert await network_store.reserve_network(c, OWN, "expired n", NetworkKey(uuid7()))
        for name, session in (("s", made.session), ("idle s", made.idle_session), ("pending s", made.pending_session)):
            assert await reserve(c, OWN, name, session, made.network)
            await HeldId(OWN, sessions, session).hold(c, 600.0)
            await session_store.write_session_upload(c, OWN, session, "demands", document(b"uploaded"))
        assert await question_store.save_session(c, OWN.account_id, made.session, NewSession(b"demands", solution(9.0)))
        assert await HeldId(OWN, sessions, made.session).mark_loaded(c)
        for name, solution_key in (("mine", made.solution), ("pending", made.pending_solution)):
            assert await pool_store.reserve_solution(c, OWN, made.session, name, solution_key)
            await HeldSolution(OWN, solution_key).hold(c, 600.0)
            await pool_store.write_solution_upload(c, OWN, solution_key, document(b"uploaded"))
        assert await question_store.save_solution(c, OWN.account_id, made.solution, solution(3.0))
        assert await pool_store.show_solution(c, OWN, made.solution)
        assert await run_store.add_run(c, OWN, made.session, made.run, seed=7, time_out_s=60.0)
        assert await optimizer_runs.begin_run(c, OWN.account_id, made.run)
    return made


def test_every_function_of_the_stores_has_a_case() -> None:
    for module, cases in CASES.items():
        assert functions_of(module) - OF_ALL_ACCOUNTS == set(cases), module.__name__
    everywhere = set().union(*(functions_of(module) for module in CASES))
    assert everywhere >= OF_ALL_ACCOUNTS


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
@pytest.mark.parametrize(
    "module", [held_ids, network_store, session_store, pool_store, run_store], ids=lambda module: module.__name__
)
async def test_a_neighbour_sees_and_changes_nothing_through_the_gateways_stores(
    database: PostgresDatabase, keys: Keys, module: ModuleType, neighbour: str
) -> None:
    for name, case in CASES[module].items():
        await check_nothing_happens(database, keys, name, case, NEIGHBOURS[neighbour])


async def test_another_account_sees_and_changes_nothing_through_the_optimizers_stores(
    database: PostgresDatabase, keys: Keys
) -> None:
    for name, case in (QUESTIONS | OPTIMIZER_RUNS).items():
        await check_nothing_happens(database, keys, name, case, NEIGHBOURS["another account"])


@pytest.mark.parametrize("module", list(CASES), ids=lambda module: module.__name__)
async def test_each_case_shows_or_changes_something_for_the_owner(
    database: PostgresDatabase, keys: Keys, module: ModuleType
) -> None:
    """Or else it would prove nothing about a neighbour."""
    for name, case in CASES[module].items():
        got, before, after = await tried(database, keys, case, OWN)
        if name not in WITHOUT_EFFECT:
            assert got != case.nothing or before != after, name


async def check_nothing_happens(database: PostgresDatabase, keys: Keys, name: str, case: Case, scope: Scope) -> None:
    got, before, after = await tried(database, keys, case, scope)
    assert got == case.nothing, name
    assert before <= after if case.adds_own else before == after, name


async def tried(database: PostgresDatabase, keys: Keys, case: Case, scope: Scope) -> tuple[object, set[str], set[str]]:
    """What a call returns, and all rows before and after it; then it is taken back."""
    outcome: tuple[object, set[str], set[str]] | None = None
    try:
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            before = await dump(uow.connection)
            got = await case.call(uow.connection, scope, keys)
            outcome = got, before, await dump(uow.connection)
            raise TakenBackError
    except TakenBackError:
        pass
    assert outcome is not None
    return outcome


class TakenBackError(Exception):
    """Rolls a transaction back."""


async def dump(connection: AsyncConnection) -> set[str]:
    rows: set[str] = set()
    for table in metadata.sorted_tables:
        rows |= {f"{table.name} {tuple(row)}" for row in await connection.execute(select(table))}
    return rows


def functions_of(module: ModuleType) -> set[str]:
    """Everything public in a module, also methods of its classes, that talks to the database."""
    found: set[str] = set()

    def note(prefix: str, owner: Any) -> None:  # Any: a module or a class
        for name, value in vars(owner).items():
            is_own = getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
            if is_own and inspect.isfunction(value) and "connection" in inspect.signature(value).parameters:
                found.add(prefix + name)
            elif is_own and inspect.isclass(value):
                note(f"{name}.", value)

    note("", module)
    return found
