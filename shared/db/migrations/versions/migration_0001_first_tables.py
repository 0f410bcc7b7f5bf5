"""The first tables: the message path, and network reconfiguration."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0001"
down_revision: str | None = None
branch_labels: None = None
depends_on: None = None

# The ids and names of that time, whatever later code calls them.
OPEN_ACCOUNT_ID = "00000000-0000-7000-8000-000000000001"
OPEN_ACCOUNT_NAME = "open"

TABLES = (
    "accounts",
    "outbox",
    "inbox",
    "leases",
    "answers",
    "workers",
    "reconfiguration_networks",
    "reconfiguration_network_uploads",
    "reconfiguration_sessions",
    "reconfiguration_session_uploads",
    "reconfiguration_runs",
    "reconfiguration_network_models",
    "reconfiguration_network_model_chunks",
    "reconfiguration_session_models",
    "reconfiguration_session_demand_chunks",
    "reconfiguration_solutions",
    "reconfiguration_solution_chunks",
    "reconfiguration_run_states",
)

CHUNK_TABLES = tuple(table for table in TABLES if table.endswith(("_uploads", "_chunks")))

# Rows of these come and go, or change, many times a second. Space on the page lets an update stay there; vacuuming after a few
# hundred dead rows, rather than after a fifth of the table, keeps the scans of the relay and of the sweepers short.
HOT_TABLES = {
    "outbox": "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, "
    "autovacuum_vacuum_cost_delay = 0",
    "leases": "fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200",
    "workers": "fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200",
    "answers": "autovacuum_vacuum_scale_factor = 0.02",
    "inbox": "autovacuum_vacuum_scale_factor = 0.02",
    "reconfiguration_run_states": "fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02",
    "reconfiguration_solutions": "fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, "
    "toast.autovacuum_vacuum_scale_factor = 0.02",
    "reconfiguration_solution_chunks": "autovacuum_vacuum_scale_factor = 0.02, "
    "toast.autovacuum_vacuum_scale_factor = 0.02",
}


def upgrade() -> None:
    """Make the tables, the account that is there from the start, and how the tables are stored."""
    _create_message_path()
    _create_what_clients_ask_for()
    _create_what_comes_of_it()
    # Chunks are compressed documents or packed numbers: trying to compress them again costs time and saves nothing.
    for table in CHUNK_TABLES:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN chunk SET STORAGE EXTERNAL")
    for table, settings in HOT_TABLES.items():
        op.execute(f"ALTER TABLE {table} SET ({settings})")
    accounts = sa.table("accounts", sa.column("account_id", sa.Uuid), sa.column("name", sa.Text))
    op.execute(accounts.insert().values(account_id=sa.literal(OPEN_ACCOUNT_ID).cast(sa.Uuid), name=OPEN_ACCOUNT_NAME))


def downgrade() -> None:
    """Drop everything."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _create_message_path() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        _moment("created_at", default_now=True),
    )
    op.create_table(
        "outbox",
        sa.Column("message_id", sa.Uuid, primary_key=True),
        _account(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("queue", sa.Text),
        sa.Column("routing_key", sa.Text, nullable=False),
        sa.Column("reply_to", sa.Text),
        sa.Column("correlation_id", sa.Text, nullable=False),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("state", sa.Text, nullable=False, server_default=sa.text("'pending'")),
        _moment("available_at", default_now=True),
        _moment("claimed_until", nullable=True),
        sa.Column("deliveries", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("dead_reason", sa.Text),
        _moment("died_at", nullable=True),
        _moment("created_at", default_now=True),
    )
    for state, columns in {
        "pending": ["available_at", "message_id"],
        "queued": ["queue", "available_at", "message_id"],
        "dead": ["queue", "message_id"],
    }.items():
        op.create_index(f"ix_outbox_{state}", "outbox", columns, postgresql_where=sa.text(f"state = '{state}'"))
    op.create_table(
        "inbox",
        sa.Column("handler", sa.Text, primary_key=True),
        sa.Column("message_id", sa.Uuid, primary_key=True),
        _moment("processed_at", default_now=True),
    )
    op.create_index("ix_inbox_processed_at", "inbox", ["processed_at"])
    op.create_table(
        "leases",
        sa.Column("resource", sa.Text, primary_key=True),
        _account(),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        _moment("expires_at"),
        _moment("heartbeat_at", default_now=True),
    )
    op.create_index("ix_leases_expires_at", "leases", ["expires_at"])
    op.create_table(
        "answers",
        sa.Column("ask_id", sa.Uuid, primary_key=True),
        _account(),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False, server_default=sa.text("''")),
        _moment("created_at", default_now=True),
    )
    op.create_index("ix_answers_created_at", "answers", ["created_at"])
    op.create_table(
        "workers",
        sa.Column("instance", sa.Text, primary_key=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        _moment("started_at", default_now=True),
        _moment("seen_at", default_now=True),
    )


def _create_what_clients_ask_for() -> None:
    op.create_table(
        "reconfiguration_networks",
        sa.Column("network_key", sa.Uuid, primary_key=True),
        _account(),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("network_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        _moment("pending_until", nullable=True),
        _sequence(),
        _moment("created_at", default_now=True),
        sa.UniqueConstraint("account_id", "owner", "kind", "network_id"),
    )
    op.create_table("reconfiguration_network_uploads", _network_key(primary_key=True), *_chunk(), _account())
    op.create_table(
        "reconfiguration_sessions",
        sa.Column("session_key", sa.Uuid, primary_key=True),
        _account(),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        _network_key(primary_key=False),
        sa.Column("state", sa.Text, nullable=False),
        _moment("pending_until", nullable=True),
        sa.Column("allow_unspecified_demands", sa.Boolean, nullable=False),
        sa.Column("weights", sa.ARRAY(sa.Double), nullable=False),
        _sequence(),
        _moment("created_at", default_now=True),
        sa.UniqueConstraint("account_id", "owner", "kind", "session_id"),
    )
    op.create_index("ix_reconfiguration_sessions_network_key", "reconfiguration_sessions", ["network_key"])
    op.create_table(
        "reconfiguration_session_uploads",
        _session_key(primary_key=True),
        sa.Column("role", sa.Text, primary_key=True),
        *_chunk(),
        _account(),
    )
    op.create_table(
        "reconfiguration_runs",
        sa.Column("run_id", sa.Uuid, primary_key=True),
        _account(),
        _session_key(primary_key=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        _moment("requested_at", default_now=True),
        _moment("stop_requested_at", nullable=True),
    )
    op.create_index("ix_reconfiguration_runs_session_key", "reconfiguration_runs", ["session_key", "requested_at"])


def _create_what_comes_of_it() -> None:
    op.create_table(
        "reconfiguration_network_models",
        _network_key(primary_key=True),
        _account(),
        sa.Column("bus_count", sa.Integer, nullable=False),
        sa.Column("connectivity", JSONB, nullable=False),
        _moment("created_at", default_now=True),
    )
    op.create_table("reconfiguration_network_model_chunks", _network_key(primary_key=True), *_chunk(), _account())
    op.create_table(
        "reconfiguration_session_models",
        _session_key(primary_key=True),
        _account(),
        _moment("created_at", default_now=True),
    )
    op.create_table("reconfiguration_session_demand_chunks", _session_key(primary_key=True), *_chunk(), _account())
    op.create_table(
        "reconfiguration_solutions",
        _session_key(primary_key=True),
        sa.Column("solution_id", sa.Text, primary_key=True),
        _account(),
        _sequence(),
        sa.Column("configuration", sa.LargeBinary, nullable=False),
        sa.Column("is_feasible", sa.Boolean, nullable=False),
        sa.Column("violation_amount", sa.Double, nullable=False),
        sa.Column("objective_values", sa.ARRAY(sa.Double), nullable=False),
        sa.Column("verdict", JSONB, nullable=False),
        sa.Column("bound", sa.Double),
        sa.Column("bound_weights", sa.ARRAY(sa.Double)),
        sa.Column("proof", sa.Text, nullable=False, server_default=sa.text("'none'")),
        sa.Column("revision", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        _moment("updated_at", default_now=True),
    )
    op.create_table(
        "reconfiguration_solution_chunks",
        sa.Column("session_key", sa.Uuid, primary_key=True),
        sa.Column("solution_id", sa.Text, primary_key=True),
        *_chunk(),
        _account(),
        sa.ForeignKeyConstraint(
            ["session_key", "solution_id"],
            ["reconfiguration_solutions.session_key", "reconfiguration_solutions.solution_id"],
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "reconfiguration_run_states",
        sa.Column(
            "run_id", sa.Uuid, sa.ForeignKey("reconfiguration_runs.run_id", ondelete="CASCADE"), primary_key=True
        ),
        _account(),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("trials", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        _moment("started_at", default_now=True),
        _moment("finished_at", nullable=True),
        sa.Column("failure", sa.Text),
    )


def _account() -> sa.Column[Any]:
    return sa.Column("account_id", sa.Uuid, nullable=False)


def _moment(name: str, *, nullable: bool = False, default_now: bool = False) -> sa.Column[Any]:
    default = sa.func.now() if default_now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _sequence() -> sa.Column[Any]:
    return sa.Column("sequence", sa.BigInteger, sa.Identity(always=True), nullable=False)


def _network_key(*, primary_key: bool) -> sa.Column[Any]:
    target = sa.ForeignKey("reconfiguration_networks.network_key", ondelete="CASCADE")
    return sa.Column("network_key", sa.Uuid, target, primary_key=primary_key, nullable=False)


def _session_key(*, primary_key: bool) -> sa.Column[Any]:
    target = sa.ForeignKey("reconfiguration_sessions.session_key", ondelete="CASCADE")
    return sa.Column("session_key", sa.Uuid, target, primary_key=primary_key, nullable=False)


def _chunk() -> tuple[sa.Column[Any], sa.Column[Any]]:
    return sa.Column("position", sa.Integer, primary_key=True), sa.Column("chunk", sa.LargeBinary, nullable=False)
