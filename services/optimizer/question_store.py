"""The optimizer's SQL around questions: uploads in; models and evaluated solutions out. The account comes first everywhere."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.optimizer.tasks.values import (
    EvaluatedSolution,
    LoadedNetwork,
    NewSession,
    RepairInput,
    SessionInput,
    SolutionUpload,
)
from shared.db.chunks import read_document, write_chunks
from shared.db.models import reconfiguration as tables
from shared.db.models.reconfiguration import BEST, stored_id
from shared.ids import AccountId, NetworkKey, SessionKey, SolutionKey

CIM = "cim"  # the kind of networks and sessions of that API

networks, sessions = tables.networks, tables.sessions
solutions, pool = tables.solutions, tables.pool_solutions


# ------------------------------------------------------------------ networks


@dataclass(frozen=True, slots=True)
class NetworkUpload:
    """A document as uploaded, through one API or the other."""

    document: bytes
    is_cim: bool


async def uploaded_network(
    connection: AsyncConnection, account_id: AccountId, network_key: NetworkKey
) -> NetworkUpload | None:
    """The document as uploaded; None once the network is deleted or its time to load has passed."""
    kind = await _kind_of(connection, account_id, network_key)
    if kind is None:
        return None
    document = await read_document(connection, tables.network_uploads, {"network_key": network_key}, account_id)
    return NetworkUpload(document or b"", kind == CIM)


async def loaded_network(
    connection: AsyncConnection, account_id: AccountId, network_key: NetworkKey
) -> NetworkUpload | None:
    """The normalised document of a loaded network, and through which API it came; None where there is none."""
    document = await network_document(connection, account_id, network_key)
    kind = await _kind_of(connection, account_id, network_key)
    return None if document is None else NetworkUpload(document, kind == CIM)


async def _kind_of(connection: AsyncConnection, account_id: AccountId, network_key: NetworkKey) -> str | None:
    wanted = select(networks.c.kind).where(networks.c.account_id == account_id, networks.c.network_key == network_key)
    kind: str | None = (await connection.execute(wanted)).scalar_one_or_none()
    return kind


async def network_document(connection: AsyncConnection, account_id: AccountId, network_key: NetworkKey) -> bytes | None:
    """The normalised document of a loaded network; None where there is none."""
    return await read_document(connection, tables.network_model_chunks, {"network_key": network_key}, account_id)


async def save_network(
    connection: AsyncConnection, account_id: AccountId, network_key: NetworkKey, network: LoadedNetwork
) -> bool:
    """Keep what a network was found to be; False where it has been deleted meanwhile."""
    # The lock keeps the row until the commit: a deletion waits, and then takes along what is written here.
    wanted = select(networks.c.network_key).where(
        networks.c.account_id == account_id, networks.c.network_key == network_key
    )
    if (await connection.execute(wanted.with_for_update(read=True, key_share=True))).one_or_none() is None:
        return False
    model = insert(tables.network_models).values(
        network_key=network_key, account_id=account_id, bus_count=network.bus_count, connectivity=network.connectivity
    )
    if (await connection.execute(model.on_conflict_do_nothing())).rowcount:
        keys = {"network_key": network_key}
        await write_chunks(connection, tables.network_model_chunks, keys, account_id, network.document)
    return True


# ------------------------------------------------------------------ sessions


async def session_input(
    connection: AsyncConnection, account_id: AccountId, session_key: SessionKey
) -> SessionInput | None:
    """What a session is made from; None once it, or its network, is deleted."""
    statement = (
        select(
            networks.c.network_id,
            networks.c.network_key,
            networks.c.kind,
            sessions.c.allow_unspecified_demands,
            tables.network_models.c.connectivity,
        )
        .join(networks, networks.c.network_key == sessions.c.network_key)
        .join(tables.network_models, tables.network_models.c.network_key == networks.c.network_key)
        .where(sessions.c.account_id == account_id, sessions.c.session_key == session_key)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    network = await network_document(connection, account_id, row.network_key)
    demands = await _upload(connection, account_id, session_key, "demands")
    return SessionInput(
        network_id=row.network_id,
        network=network or b"",
        connectivity_is_ok=bool(row.connectivity["ok"]),
        demands=demands or b"",
        start_configuration=await _upload(connection, account_id, session_key, "start_configuration"),
        allow_unspecified_demands=row.allow_unspecified_demands,
        is_cim=row.kind == CIM,
    )


async def save_session(
    connection: AsyncConnection, account_id: AccountId, session_key: SessionKey, session: NewSession
) -> bool:
    """Keep a new session's demands and first solution; False where it has been deleted meanwhile."""
    if not await _hold_session(connection, account_id, session_key):
        return False
    model = insert(tables.session_models).values(session_key=session_key, account_id=account_id)
    if (await connection.execute(model.on_conflict_do_nothing())).rowcount:
        keys = {"session_key": session_key}
        await write_chunks(connection, tables.session_demand_chunks, keys, account_id, session.demands)
        row = {
            "session_key": session_key,
            "solution_id": BEST,
            "account_id": account_id,
            **solution_columns(session.best),
        }
        await connection.execute(insert(solutions).values(**row))
        await write_solution_document(connection, account_id, session_key, BEST, session.best.document)
    return True


# ------------------------------------------------------------------ solutions


async def configuration(
    connection: AsyncConnection, account_id: AccountId, session_key: SessionKey, solution_id: str
) -> bytes | None:
    """The packed configuration of a solution."""
    wanted = (
        solutions.c.account_id == account_id,
        solutions.c.session_key == session_key,
        solutions.c.solution_id == solution_id,
    )
    found: bytes | None = (
        await connection.execute(select(solutions.c.configuration).where(*wanted))
    ).scalar_one_or_none()
    return found


async def uploaded_solution(
    connection: AsyncConnection, account_id: AccountId, solution_key: SolutionKey
) -> SolutionUpload | None:
    """A solution as uploaded, and its session; None once they are deleted or nobody waits for it any more."""
    session_key = await _session_of(connection, account_id, solution_key)
    session = None if session_key is None else await session_input(connection, account_id, session_key)
    document = await read_document(connection, tables.solution_uploads, {"solution_key": solution_key}, account_id)
    return None if session is None or document is None else SolutionUpload(session, document)


async def repair_input(
    connection: AsyncConnection, account_id: AccountId, solution_key: SolutionKey, source_key: SolutionKey | None
) -> RepairInput | None:
    """What a repaired solution is made from, the best one without a source; None once that, or the session, is deleted."""
    session_key = await _session_of(connection, account_id, solution_key)
    if session_key is None:
        return None
    session = await session_input(connection, account_id, session_key)
    source_id = BEST if source_key is None else stored_id(source_key)
    source = await configuration(connection, account_id, session_key, source_id)
    return None if session is None or source is None else RepairInput(session, source)


async def save_solution(
    connection: AsyncConnection, account_id: AccountId, solution_key: SolutionKey, solution: EvaluatedSolution
) -> bool:
    """Keep how a solution of the pool was evaluated; False where it, or its session, has been deleted meanwhile."""
    session_key = await _session_of(connection, account_id, solution_key)
    # The session first, as whoever changes its pool does.
    if session_key is None or not await _hold_session(connection, account_id, session_key):
        return False
    wanted = select(pool.c.solution_key).where(pool.c.account_id == account_id, pool.c.solution_key == solution_key)
    if (await connection.execute(wanted.with_for_update(read=True, key_share=True))).one_or_none() is None:
        return False
    row = {
        "session_key": session_key,
        "solution_id": stored_id(solution_key),
        "solution_key": solution_key,
        "account_id": account_id,
        **solution_columns(solution),
    }
    if (await connection.execute(insert(solutions).values(**row).on_conflict_do_nothing())).rowcount:
        await write_solution_document(connection, account_id, session_key, stored_id(solution_key), solution.document)
    return True


def solution_columns(solution: EvaluatedSolution) -> dict[str, object]:
    """An evaluated solution as columns of its row; its document stands beside it in chunks."""
    return {
        "configuration": solution.configuration,
        "is_feasible": solution.is_feasible,
        "violation_amount": solution.violation_amount,
        "objective_values": list(solution.objective_values),
        "verdict": solution.verdict,
    }


async def write_solution_document(
    connection: AsyncConnection, account_id: AccountId, session_key: SessionKey, solution_id: str, document: bytes
) -> bool:
    """Keep the document of a solution, instead of the one before; False where the account has no such solution."""
    wanted = select(solutions.c.session_key).where(
        solutions.c.account_id == account_id,
        solutions.c.session_key == session_key,
        solutions.c.solution_id == solution_id,
    )
    if (await connection.execute(wanted)).one_or_none() is None:
        return False
    keys = {"session_key": session_key, "solution_id": solution_id}
    await write_chunks(connection, tables.solution_chunks, keys, account_id, document)
    return True


# ------------------------------------------------------------------ below


async def _session_of(
    connection: AsyncConnection, account_id: AccountId, solution_key: SolutionKey
) -> SessionKey | None:
    wanted = select(pool.c.session_key).where(pool.c.account_id == account_id, pool.c.solution_key == solution_key)
    found = (await connection.execute(wanted)).scalar_one_or_none()
    return None if found is None else SessionKey(found)


async def _hold_session(connection: AsyncConnection, account_id: AccountId, session_key: SessionKey) -> bool:
    wanted = select(sessions.c.session_key).where(
        sessions.c.account_id == account_id, sessions.c.session_key == session_key
    )
    locked = await connection.execute(wanted.with_for_update(read=True, key_share=True))
    return locked.one_or_none() is not None


async def _upload(
    connection: AsyncConnection, account_id: AccountId, session_key: SessionKey, role: str
) -> bytes | None:
    return await read_document(
        connection, tables.session_uploads, {"session_key": session_key, "role": role}, account_id
    )
