"""E-mails and user names without case as columns. Under row-level security an index on lower(…) is not used: it might leak a value."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: None = None
depends_on: None = None

NAMES = ("email", "username")


def upgrade() -> None:
    """Add the columns and move the indexes to them."""
    for name in NAMES:
        op.drop_index(f"uq_users_{name}", "users")
        op.add_column("users", sa.Column(f"{name}_key", sa.Text, sa.Computed(f"lower({name})", persisted=True)))
        op.create_index(f"uq_users_{name}", "users", [f"{name}_key"], unique=True)


def downgrade() -> None:
    """Take it back."""
    for name in NAMES:
        op.drop_index(f"uq_users_{name}", "users")
        op.drop_column("users", f"{name}_key")
        op.create_index(f"uq_users_{name}", "users", [sa.func.lower(sa.text(name))], unique=True)
