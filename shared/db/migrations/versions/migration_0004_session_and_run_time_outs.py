"""Time-outs of sessions and deadlines of runs. Sessions that are there begin to be idle now; runs that are there have no deadline."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: None = None
depends_on: None = None

SESSIONS, RUNS = "reconfiguration_sessions", "reconfiguration_runs"
# 365 days. Gateways set what their settings say when they start.
LONGEST_TIME_OUT_S = 31_536_000


def upgrade() -> None:
    """Add the columns."""
    longest = sa.text(str(LONGEST_TIME_OUT_S))
    op.add_column(SESSIONS, sa.Column("time_out_s", sa.Double, nullable=False, server_default=longest))
    expires = sa.text(f"now() + make_interval(secs => {LONGEST_TIME_OUT_S})")
    op.add_column(SESSIONS, sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, server_default=expires))
    op.create_index("ix_reconfiguration_sessions_expires_at", SESSIONS, ["expires_at"])
    op.add_column(RUNS, sa.Column("deadline", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Drop them again."""
    op.drop_column(RUNS, "deadline")
    op.drop_index("ix_reconfiguration_sessions_expires_at", SESSIONS)
    for column in ("expires_at", "time_out_s"):
        op.drop_column(SESSIONS, column)
