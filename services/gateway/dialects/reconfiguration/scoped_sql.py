"""What all statements of this API share: the conditions that keep them to one scope, and the names of their parameters.

Statements are built once, with parameters for the scope, as building one takes longer than running it. One that is run without
its scope fails; there is none without.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func

from services.gateway.dialects.reconfiguration.scope import Scope
from shared.db.models.reconfiguration import networks, sessions

LOADED = "loaded"
PENDING = "pending"

# Any in this module: either of the two tables, or an SQL expression of any type.


def in_scope(table: Any) -> ColumnElement[bool]:
    """The row belongs to the scope of the parameters."""
    return and_(
        table.c.account_id == bindparam("scope_account"),
        table.c.owner == bindparam("scope_owner"),
        table.c.kind == bindparam("scope_kind"),
    )


def is_named(table: Any) -> ColumnElement[bool]:
    """The row is in scope and has the id of the parameters."""
    name = {networks: networks.c.network_id, sessions: sessions.c.session_id}[table]
    return and_(in_scope(table), name == bindparam("wanted_id"))


def is_loaded(table: Any) -> ColumnElement[bool]:
    """The row is in scope, has the id of the parameters, and clients may see it."""
    return and_(is_named(table), table.c.state == LOADED)


def is_pending(table: Any) -> ColumnElement[bool]:
    """The row is in scope, has the key of the parameters, and is still being made."""
    key = {networks: networks.c.network_key, sessions: sessions.c.session_key}[table]
    return and_(in_scope(table), key == bindparam("wanted_key"), table.c.state == PENDING)


def has_expired(table: Any) -> ColumnElement[bool]:
    """The row was being made, and whoever made it has been silent for too long."""
    return and_(table.c.state == PENDING, table.c.pending_until < func.now())


def in_seconds() -> ColumnElement[Any]:
    """So many seconds from now; not from when the transaction began, which may be a large upload ago."""
    return func.clock_timestamp() + bindparam("for_time")


def after(seconds: Any) -> ColumnElement[Any]:
    """As many seconds from now as an expression says; not days, which are longer or shorter where clocks change."""
    return func.clock_timestamp() + interval(seconds)


def interval(seconds: Any) -> ColumnElement[Any]:
    """So many seconds as the database's interval."""
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def scoped(scope: Scope, **parameters: object) -> dict[str, object]:
    """Parameters of a statement."""
    own = {"scope_account": scope.account_id, "scope_owner": scope.owner, "scope_kind": scope.kind}
    return own | parameters


def seconds(count: float) -> timedelta:
    """A time as the driver wants it."""
    return timedelta(seconds=count)
