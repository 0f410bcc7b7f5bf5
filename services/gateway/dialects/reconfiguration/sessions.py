"""Use cases around sessions."""

from __future__ import annotations

from dataclasses import dataclass

from services.gateway.dialects.reconfiguration import network_store, session_store
from services.gateway.dialects.reconfiguration.asking import ask_to_make, check_id
from services.gateway.dialects.reconfiguration.downloads import downloaded
from services.gateway.dialects.reconfiguration.errors import IdTaken, UnknownNetwork, UnknownSession
from services.gateway.dialects.reconfiguration.limits import check_count
from services.gateway.dialects.reconfiguration.quotas import UserQuotas
from services.gateway.dialects.reconfiguration.record import record_session
from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.service import DELETE_WITHIN_S, Reconfiguration
from services.gateway.dialects.reconfiguration.session_store import SessionRow
from services.gateway.http.spool import Spool
from shared.contracts.reconfiguration import SessionCreationRequested
from shared.db.models.reconfiguration import sessions
from shared.db.unit_of_work import UnitOfWork
from shared.identity.principals import Actor
from shared.ids import AskId, SessionKey, uuid7
from shared.objective import DEFAULT_WEIGHTS


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session is made of. An empty start configuration counts as none, which the worker finds."""

    session_id: str
    network_id: str
    demands: Spool
    start_configuration: Spool | None
    allow_unspecified_demands: bool


async def create_session(app: Reconfiguration, scope: Scope, actor: Actor, new: NewSession) -> None:
    """Have the documents of a session read and its first solution evaluated, and keep it under an id.

    Raises:
        IdTaken: there is such a session; UnknownNetwork: its network is not there; QuotaExceeded: it would be one too many;
        InputRefused, WorkFailed: the documents are no good.
    """
    check_id(new.session_id)
    key = SessionKey(uuid7())
    held = session_store.held_session(scope, key)
    quotas = await app.quotas.of(scope.owner)

    async def prepare(work: UnitOfWork, ask_id: AskId) -> SessionCreationRequested:
        await _reserve(scope, new, key, quotas, work)
        await check_count(work.connection, scope, sessions, quotas, is_final=False)
        await session_store.write_session_upload(work.connection, scope, key, "demands", new.demands.pieces())
        if new.start_configuration is not None:
            pieces = new.start_configuration.pieces()
            await session_store.write_session_upload(work.connection, scope, key, "start_configuration", pieces)
        await check_count(work.connection, scope, sessions, quotas, is_final=True)
        return SessionCreationRequested(ask_id=ask_id, session_key=key)

    is_made = await ask_to_make(app, scope, prepare, held, what="An error occurred while parsing the session data")
    async with app.database.unit_of_work(scope.account_id) as work:
        if not is_made or not await held.mark_loaded(work.connection):
            raise UnknownNetwork(new.network_id)  # deleted while its session was being made
        await record_session(work, scope, actor, "session:created", new.session_id)


async def _reserve(scope: Scope, new: NewSession, key: SessionKey, quotas: UserQuotas, work: UnitOfWork) -> None:
    taken = IdTaken(f"A session with id '{new.session_id}' already exists.")
    if await session_store.session_id_is_taken(work.connection, scope, new.session_id):
        raise taken
    network = await network_store.keep_network(work.connection, scope, new.network_id)
    if network is None:
        raise UnknownNetwork(new.network_id)
    is_reserved = await session_store.reserve_session(
        work.connection,
        scope,
        new.session_id,
        key,
        network,
        weights=DEFAULT_WEIGHTS,
        allow_unspecified_demands=new.allow_unspecified_demands,
        time_out_s=quotas.session_timeout.total_seconds(),
    )
    if not is_reserved:
        raise taken


async def server_status(app: Reconfiguration, scope: Scope) -> tuple[list[str], list[SessionRow]]:
    """Network ids and sessions, in order of creation."""
    async with app.database.reading(scope.account_id) as connection:
        return await network_store.list_networks(connection, scope), await session_store.list_sessions(
            connection, scope
        )


async def session_status(app: Reconfiguration, scope: Scope, session_id: str) -> SessionRow:
    """How a session stands."""
    async with app.database.reading(scope.account_id) as connection:
        row = await session_store.session_row(connection, scope, session_id)
    if row is None:
        raise UnknownSession(session_id)
    return row


async def delete_session(app: Reconfiguration, scope: Scope, actor: Actor, session_id: str) -> None:
    """Delete a session; whoever optimises it finds it gone and stops."""
    async with app.database.unit_of_work(scope.account_id, command_timeout_s=DELETE_WITHIN_S) as work:
        if not await session_store.delete_session(work.connection, scope, session_id):
            raise UnknownSession(session_id)
        await record_session(work, scope, actor, "session:deleted", session_id)


async def demands_document(app: Reconfiguration, scope: Scope, session_id: str) -> Spool:
    """The demands in effect."""
    return await downloaded(
        app,
        scope,
        lambda connection: session_store.demands_document(connection, scope, session_id),
        UnknownSession(session_id),
    )
