"""The solution pool: what is in it, uploads on their way into it, and which stored solution belongs to what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db.migrations.rights import protect

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: None = None
depends_on: None = None

POOL, UPLOADS = "reconfiguration_pool_solutions", "reconfiguration_solution_uploads"
SOLUTIONS = "reconfiguration_solutions"


def upgrade() -> None:
    """Add the tables, and the column by which stored solutions go with the pool's rows."""
    op.create_table(
        POOL,
        sa.Column("solution_key", sa.Uuid, primary_key=True),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column(
            "session_key",
            sa.Uuid,
            sa.ForeignKey("reconfiguration_sessions.session_key", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("solution_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("pending_until", sa.DateTime(timezone=True)),
        sa.Column("sequence", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_index(f"ix_{POOL}_session_key", POOL, ["session_key", "sequence"])
    op.create_index(
        f"uq_{POOL}_id",
        POOL,
        ["session_key", "solution_id"],
        unique=True,
        postgresql_where=sa.text("state = 'loaded'"),
    )
    op.create_table(
        UPLOADS,
        sa.Column("solution_key", sa.Uuid, _pool_key(), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("chunk", sa.LargeBinary, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
    )
    # Documents are read in pieces as they are: compression would only cost time.
    op.execute(f"ALTER TABLE {UPLOADS} ALTER COLUMN chunk SET STORAGE EXTERNAL")
    op.add_column(SOLUTIONS, sa.Column("solution_key", sa.Uuid, _pool_key()))
    op.create_index(f"ix_{SOLUTIONS}_solution_key", SOLUTIONS, ["solution_key"])
    protect(POOL, UPLOADS)


def downgrade() -> None:
    """Drop them again, and the solutions of the pools."""
    op.execute("DELETE FROM reconfiguration_solutions WHERE solution_key IS NOT NULL")
    op.drop_index(f"ix_{SOLUTIONS}_solution_key", SOLUTIONS)
    op.drop_column(SOLUTIONS, "solution_key")
    op.drop_table(UPLOADS)
    op.drop_table(POOL)


def _pool_key() -> sa.ForeignKey:
    return sa.ForeignKey(f"{POOL}.solution_key", ondelete="CASCADE")
