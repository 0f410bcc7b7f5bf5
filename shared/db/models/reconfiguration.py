"""Tables of network reconfiguration.

The gateway writes what clients asked for (networks, sessions, pools, uploads, runs); the optimizer writes what came of it
(models, solutions, run states). Documents are kept in chunks, so that no process holds a large one whole just to pass it on.
Everything hangs on the network's row: deleting it, or a session's, takes the rest along.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    func,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.db.models.base import account_column, created_at_column, metadata
from shared.ids import SolutionKey

# The id of a session's best known solution, which no solution of its pool may have.
BEST = "best"
# Before the id of a run, the name of the lease under which somebody works on it.
RUN_LEASE = "run:"
# Of a session for which no other was ever set: 365 days, as where there are no limits.
LONGEST_TIME_OUT_S = 31_536_000


def _network_key(*, primary_key: bool) -> Column[Any]:
    target = ForeignKey("reconfiguration_networks.network_key", ondelete="CASCADE")
    return Column("network_key", Uuid, target, primary_key=primary_key, nullable=False)


def _session_key(*, primary_key: bool) -> Column[Any]:
    target = ForeignKey("reconfiguration_sessions.session_key", ondelete="CASCADE")
    return Column("session_key", Uuid, target, primary_key=primary_key, nullable=False)


def _solution_key(*, primary_key: bool) -> Column[Any]:
    target = ForeignKey("reconfiguration_pool_solutions.solution_key", ondelete="CASCADE")
    return Column("solution_key", Uuid, target, primary_key=primary_key, nullable=not primary_key)


def _chunk() -> tuple[Column[Any], Column[Any]]:
    return Column("position", Integer, primary_key=True), Column("chunk", LargeBinary, nullable=False)


# ------------------------------------------------------------------ written by the gateway

# A network is 'pending' from upload until a worker has found it right; only then does a client see it. A pending row holds
# the name meanwhile, until ``pending_until`` at the latest.
networks = Table(
    "reconfiguration_networks",
    metadata,
    Column("network_key", Uuid, primary_key=True),
    account_column(),
    Column("owner", Text, nullable=False),  # the dialect's user within the account
    Column("kind", Text, nullable=False),  # json | cim: the two APIs have separate names
    Column("network_id", Text, nullable=False),
    Column("state", Text, nullable=False),  # pending | loaded
    Column("pending_until", DateTime(timezone=True)),
    Column("sequence", BigInteger, Identity(always=True), nullable=False),
    created_at_column(),
    UniqueConstraint("account_id", "owner", "kind", "network_id"),
)

network_uploads = Table(
    "reconfiguration_network_uploads",
    metadata,
    _network_key(primary_key=True),
    *_chunk(),
    account_column(),
)

# As with networks: pending until the first solution is evaluated.
sessions = Table(
    "reconfiguration_sessions",
    metadata,
    Column("session_key", Uuid, primary_key=True),
    account_column(),
    Column("owner", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    _network_key(primary_key=False),
    Column("state", Text, nullable=False),
    Column("pending_until", DateTime(timezone=True)),
    Column("allow_unspecified_demands", Boolean, nullable=False),
    Column("weights", ARRAY(Double), nullable=False),  # (5,) in the order of the objectives
    Column("sequence", BigInteger, Identity(always=True), nullable=False),
    created_at_column(),
    # The session is deleted when it has been idle for so long. Whoever creates it, changes its pool or changes this value moves
    # ``expires_at`` that far ahead; how a run keeps it alive is derived from the run (``run_store``).
    Column("time_out_s", Double, nullable=False, server_default=text(str(LONGEST_TIME_OUT_S))),
    Column(
        "expires_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text(f"now() + make_interval(secs => {LONGEST_TIME_OUT_S})"),
    ),
    UniqueConstraint("account_id", "owner", "kind", "session_id"),
    Index("ix_reconfiguration_sessions_network_key", "network_key"),
    Index("ix_reconfiguration_sessions_expires_at", "expires_at"),
)

session_uploads = Table(
    "reconfiguration_session_uploads",
    metadata,
    _session_key(primary_key=True),
    Column("role", Text, primary_key=True),  # demands | start_configuration
    *_chunk(),
    account_column(),
)

# What is in the pool of a session, under ids of the clients' choice. Pending until a worker has evaluated it and the id was found
# to be free, or, where a solution is updated, until it takes the place of the one before; a pending one holds no id. Deleting the
# row takes along what the optimizer wrote for it.
pool_solutions = Table(
    "reconfiguration_pool_solutions",
    metadata,
    Column("solution_key", Uuid, primary_key=True),
    account_column(),
    _session_key(primary_key=False),
    Column("solution_id", Text, nullable=False),
    Column("state", Text, nullable=False),  # pending | loaded
    Column("pending_until", DateTime(timezone=True)),
    Column("sequence", BigInteger, Identity(), nullable=False),  # that of its predecessor, where it is an update
    created_at_column(),
    Index("ix_reconfiguration_pool_solutions_session_key", "session_key", "sequence"),
    Index(
        "uq_reconfiguration_pool_solutions_id",
        "session_key",
        "solution_id",
        unique=True,
        postgresql_where=text("state = 'loaded'"),
    ),
)

# Until they are evaluated.
solution_uploads = Table(
    "reconfiguration_solution_uploads",
    metadata,
    _solution_key(primary_key=True),
    *_chunk(),
    account_column(),
)

# A run is wanted from its row on, until a stop is requested or its deadline has come; whether somebody works on it says its lease.
runs = Table(
    "reconfiguration_runs",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    account_column(),
    _session_key(primary_key=False),
    Column("seed", BigInteger, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("stop_requested_at", DateTime(timezone=True)),
    Column("deadline", DateTime(timezone=True)),
    Index("ix_reconfiguration_runs_session_key", "session_key", "requested_at"),
)

# ------------------------------------------------------------------ written by the optimizer

network_models = Table(
    "reconfiguration_network_models",
    metadata,
    _network_key(primary_key=True),
    account_column(),
    Column("bus_count", Integer, nullable=False),
    Column("connectivity", JSONB(none_as_null=True), nullable=False),  # NetworkConnectivityStatus as on the wire
    created_at_column(),
)

network_model_chunks = Table(
    "reconfiguration_network_model_chunks",
    metadata,
    _network_key(primary_key=True),
    *_chunk(),  # of the normalised network document
    account_column(),
)

session_models = Table(
    "reconfiguration_session_models",
    metadata,
    _session_key(primary_key=True),
    account_column(),
    created_at_column(),
)

session_demand_chunks = Table(
    "reconfiguration_session_demand_chunks",
    metadata,
    _session_key(primary_key=True),
    *_chunk(),  # of the demands in effect as a document
    account_column(),
)

# The best known solution under the id 'best', and those of the pool under their keys (``stored_id``): which ids these have, and
# whether clients may see them, the gateway says. The configuration is the packed bits of (periods, lines).
solutions = Table(
    "reconfiguration_solutions",
    metadata,
    _session_key(primary_key=True),
    Column("solution_id", Text, primary_key=True),
    account_column(),
    Column("sequence", BigInteger, Identity(always=True), nullable=False),
    Column("configuration", LargeBinary, nullable=False),
    Column("is_feasible", Boolean, nullable=False),
    Column("violation_amount", Double, nullable=False),
    Column("objective_values", ARRAY(Double), nullable=False),  # (5,) unweighted
    Column("verdict", JSONB, nullable=False),  # period information and violations as on the wire
    Column("bound", Double),  # lower bound of the objective under the weights of ``bound_weights``
    Column("bound_weights", ARRAY(Double)),
    Column("proof", Text, nullable=False, server_default=text("'none'")),  # enumerated | relaxation | none
    Column("revision", BigInteger, nullable=False, server_default=text("0")),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    _solution_key(primary_key=False),  # null of the best
    Index("ix_reconfiguration_solutions_solution_key", "solution_key"),
)

solution_chunks = Table(
    "reconfiguration_solution_chunks",
    metadata,
    Column("session_key", Uuid, primary_key=True),
    Column("solution_id", Text, primary_key=True),
    *_chunk(),  # of the solution document
    account_column(),
    ForeignKeyConstraint(
        ["session_key", "solution_id"],
        ["reconfiguration_solutions.session_key", "reconfiguration_solutions.solution_id"],
        ondelete="CASCADE",
    ),
)

run_states = Table(
    "reconfiguration_run_states",
    metadata,
    Column(
        "run_id",
        Uuid,
        ForeignKey("reconfiguration_runs.run_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    account_column(),
    Column("state", Text, nullable=False),  # working | proven | stopped | failed
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("trials", BigInteger, nullable=False, server_default=text("0")),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("finished_at", DateTime(timezone=True)),
    Column("failure", Text),
)


def stored_id(key: SolutionKey) -> str:
    """Under which id the optimizer keeps a solution of the pool."""
    return str(key)


def is_to_stop() -> ColumnElement[bool]:
    """A client has asked the run to stop, or its deadline has come: for all who look after runs that is the same."""
    return or_(runs.c.stop_requested_at.is_not(None), func.coalesce(runs.c.deadline <= func.clock_timestamp(), false()))
