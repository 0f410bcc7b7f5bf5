"""Use cases around networks."""

from __future__ import annotations

from services.gateway.dialects.reconfiguration import network_store
from services.gateway.dialects.reconfiguration.asking import OPTIMIZER, ask_to_make, check_id, raise_if_not_done
from services.gateway.dialects.reconfiguration.downloads import downloaded
from services.gateway.dialects.reconfiguration.errors import IdTaken, QuotaExceeded, UnknownNetwork
from services.gateway.dialects.reconfiguration.limits import check_count, check_size
from services.gateway.dialects.reconfiguration.quotas import UNLIMITED, UserQuotas
from services.gateway.dialects.reconfiguration.record import record_network
from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.service import DELETE_WITHIN_S, Reconfiguration
from services.gateway.http.spool import Spool
from shared.contracts.reconfiguration import NetworkAnalysisRequested, NetworkLoadRequested
from shared.db.models.reconfiguration import networks
from shared.db.unit_of_work import UnitOfWork
from shared.errors import DependencyUnavailable
from shared.identity.principals import Actor
from shared.ids import AskId, NetworkKey, uuid7


async def load_network(app: Reconfiguration, scope: Scope, actor: Actor, network_id: str, document: Spool) -> None:
    """Have a network document read and keep it under an id.

    Raises:
        IdTaken: there is one already, or one is just being loaded; QuotaExceeded: it would be one too many, or is too large;
        InputRefused, WorkFailed: the document is no good.
    """
    check_id(network_id)
    key = NetworkKey(uuid7())
    held = network_store.held_network(scope, key)
    quotas = await app.quotas.of(scope.owner)

    async def prepare(work: UnitOfWork, ask_id: AskId) -> NetworkLoadRequested:
        if not await network_store.reserve_network(work.connection, scope, network_id, key):
            raise IdTaken(f"A network with id '{network_id}' is already loaded.")
        await check_count(work.connection, scope, networks, quotas, is_final=False)
        await network_store.write_network_upload(work.connection, scope, key, document.pieces())
        await check_count(work.connection, scope, networks, quotas, is_final=True)
        return NetworkLoadRequested(ask_id=ask_id, network_key=key)

    is_made = await ask_to_make(app, scope, prepare, held, what="An error occurred while parsing the network data")
    if is_made:
        await _refuse_if_too_large(app, scope, key, quotas)
    async with app.database.unit_of_work(scope.account_id) as work:
        if not is_made or not await held.mark_loaded(work.connection):
            raise DependencyUnavailable("Loading the network took too long; try again.")
        await record_network(work, scope, actor, "network:created", network_id)


async def _refuse_if_too_large(app: Reconfiguration, scope: Scope, key: NetworkKey, quotas: UserQuotas) -> None:
    """Delete a network that no client has seen yet if it is larger than its user's quotas allow, and say so."""
    if quotas.network_max_size == UNLIMITED:
        return
    async with app.database.reading(scope.account_id) as connection:
        bus_count = await network_store.bus_count_of(connection, scope, key)
    try:
        check_size(bus_count, quotas)
    except QuotaExceeded:
        async with app.database.unit_of_work(scope.account_id, command_timeout_s=DELETE_WITHIN_S) as work:
            await network_store.held_network(scope, key).forget(work.connection)
        raise


async def network_document(app: Reconfiguration, scope: Scope, network_id: str) -> Spool:
    """The normalised document of a network."""
    return await downloaded(
        app,
        scope,
        lambda connection: network_store.network_document(connection, scope, network_id),
        UnknownNetwork(network_id),
    )


async def analyse_network(app: Reconfiguration, scope: Scope, network_id: str, *, verbose: bool) -> str:
    """The analysis report of a network."""

    async def prepare(work: UnitOfWork, ask_id: AskId) -> NetworkAnalysisRequested:
        key = await network_store.find_network(work.connection, scope, network_id)
        if key is None:
            raise UnknownNetwork(network_id)
        return NetworkAnalysisRequested(ask_id=ask_id, network_key=key, verbose=verbose)

    answer = await app.asks.ask(scope.account_id, prepare, service=OPTIMIZER, deadline_s=app.ask_deadline_s)
    raise_if_not_done(answer, f"The analysis of the network '{network_id}' failed")
    if answer.outcome == "gone":
        raise UnknownNetwork(network_id)
    return answer.body


async def connectivity_status(app: Reconfiguration, scope: Scope, network_id: str) -> dict[str, object]:
    """Whether a network can be operated radially, as a worker found it on loading."""
    async with app.database.reading(scope.account_id) as connection:
        status = await network_store.connectivity_of(connection, scope, network_id)
    if status is None:
        raise UnknownNetwork(network_id)
    return status


async def delete_network(app: Reconfiguration, scope: Scope, actor: Actor, network_id: str) -> None:
    """Delete a network and its sessions; whoever optimises one of them finds it gone and stops."""
    async with app.database.unit_of_work(scope.account_id, command_timeout_s=DELETE_WITHIN_S) as work:
        if not await network_store.delete_network(work.connection, scope, network_id):
            raise UnknownNetwork(network_id)
        await record_network(work, scope, actor, "network:deleted", network_id)
