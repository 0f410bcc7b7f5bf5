"""The SQL of networks. Every function takes the scope first after the connection; a row of another scope is as good as none.

The gateway writes networks and their uploads, and reads what the optimizer wrote. A row that is still pending holds its id but
is not there for clients.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration.held_ids import HeldId, free_expired
from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.scoped_sql import (
    LOADED,
    PENDING,
    in_scope,
    is_loaded,
    is_pending,
    scoped,
)
from shared.db.chunks import read_chunks, write_chunks
from shared.db.models.reconfiguration import network_model_chunks, network_models, network_uploads, networks
from shared.ids import NetworkKey

_FIND = select(networks.c.network_key).where(is_loaded(networks))
_KEEP = _FIND.with_for_update(read=True, key_share=True)
_DELETE = delete(networks).where(is_loaded(networks))
_LIST = (
    select(networks.c.network_id).where(in_scope(networks), networks.c.state == LOADED).order_by(networks.c.sequence)
)
_CONNECTIVITY = (
    select(network_models.c.connectivity)
    .join(networks, networks.c.network_key == network_models.c.network_key)
    .where(is_loaded(networks))
)
_BUS_COUNT = (
    select(network_models.c.bus_count)
    .join(networks, networks.c.network_key == network_models.c.network_key)
    .where(is_pending(networks))
)


async def reserve_network(connection: AsyncConnection, scope: Scope, network_id: str, key: NetworkKey) -> bool:
    """Take an id for a network that is being loaded, to be held at once; False where it is loaded, or being loaded, already."""
    await free_expired(connection, scope, networks, network_id)
    statement = insert(networks).values(
        network_key=key,
        account_id=scope.account_id,
        owner=scope.owner,
        kind=scope.kind,
        network_id=network_id,
        state=PENDING,
        pending_until=func.now(),
    )
    return (await connection.execute(statement.on_conflict_do_nothing())).rowcount == 1


def held_network(scope: Scope, key: NetworkKey) -> HeldId:
    """The id of a network that is being loaded."""
    return HeldId(scope, networks, key)


async def bus_count_of(connection: AsyncConnection, scope: Scope, key: NetworkKey) -> int:
    """How many buses a worker has found in a network that is being loaded (nodes, and one for each transformer); 0 if it is gone."""
    found: int | None = (await connection.execute(_BUS_COUNT, scoped(scope, wanted_key=key))).scalar_one_or_none()
    return found or 0


async def write_network_upload(
    connection: AsyncConnection, scope: Scope, key: NetworkKey, document: AsyncIterator[bytes]
) -> None:
    """Keep a network document as it was uploaded; without effect where the network is not being loaded."""
    if await held_network(scope, key).is_pending(connection):
        await write_chunks(connection, network_uploads, {"network_key": key}, scope.account_id, document)


async def network_document(connection: AsyncConnection, scope: Scope, network_id: str) -> AsyncIterator[bytes] | None:
    """The normalised document of a loaded network."""
    key = await find_network(connection, scope, network_id)
    if key is None:
        return None
    return read_chunks(connection, network_model_chunks, {"network_key": key}, scope.account_id)


async def find_network(connection: AsyncConnection, scope: Scope, network_id: str) -> NetworkKey | None:
    """The key of a loaded network."""
    key = (await connection.execute(_FIND, scoped(scope, wanted_id=network_id))).scalar_one_or_none()
    return None if key is None else NetworkKey(key)


async def keep_network(connection: AsyncConnection, scope: Scope, network_id: str) -> NetworkKey | None:
    """The key of a loaded network, which nobody can delete before this transaction ends."""
    key = (await connection.execute(_KEEP, scoped(scope, wanted_id=network_id))).scalar_one_or_none()
    return None if key is None else NetworkKey(key)


async def list_networks(connection: AsyncConnection, scope: Scope) -> list[str]:
    """Ids of the loaded networks, in order of creation."""
    return list((await connection.execute(_LIST, scoped(scope))).scalars())


async def delete_network(connection: AsyncConnection, scope: Scope, network_id: str) -> bool:
    """Delete a loaded network with everything that hangs on it, sessions too; False where there is none."""
    return (await connection.execute(_DELETE, scoped(scope, wanted_id=network_id))).rowcount == 1


async def connectivity_of(connection: AsyncConnection, scope: Scope, network_id: str) -> dict[str, object] | None:
    """The connectivity status that a worker found for a loaded network."""
    found = await connection.execute(_CONNECTIVITY, scoped(scope, wanted_id=network_id))
    status: dict[str, object] | None = found.scalar_one_or_none()
    return status
