"""Where a user's quotas forbid something."""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration import held_ids
from services.gateway.dialects.reconfiguration.errors import QuotaExceeded
from services.gateway.dialects.reconfiguration.quotas import UNLIMITED, UserQuotas
from services.gateway.dialects.reconfiguration.scope import Scope
from shared.db.models.reconfiguration import networks, sessions


async def check_count(
    connection: AsyncConnection, scope: Scope, table: Table, quotas: UserQuotas, *, is_final: bool
) -> None:
    """Check the number of networks or sessions, those that are being made and this transaction's own included.

    Unless ``is_final`` others may be adding at the same time: that is for refusing early what is refused anyway. If it is, the
    number holds when this transaction commits, which should be soon, as others of the user wait for it.

    Raises:
        QuotaExceeded: it is beyond the limit.
    """
    name, what, limit = {
        networks: ("networkLimit", "networks", quotas.network_limit),
        sessions: ("sessionLimit", "sessions", quotas.session_limit),
    }[table]
    if limit == UNLIMITED:
        return
    if is_final:
        await held_ids.take_turn(connection, scope, table)
    if await held_ids.count_ids(connection, scope, table) > limit:
        raise QuotaExceeded(f"The number of {what} is limited to {limit} ({name}).")


def check_size(bus_count: int, quotas: UserQuotas) -> None:
    """Check the size of a network: its nodes, and one for each transformer.

    Raises:
        QuotaExceeded: it is beyond the limit.
    """
    limit = quotas.network_max_size
    if bus_count > limit:
        raise QuotaExceeded(
            f"The network has {bus_count} nodes, counting each transformer as one; "
            f"the number of nodes is limited to {limit} (networkMaxSize)."
        )
