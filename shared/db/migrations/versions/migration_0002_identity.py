"""Identity: users and what they sign in with, sessions, audit, counters; and more of an account."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: None = None
depends_on: None = None

TABLES = (
    "users",
    "user_tokens",
    "api_keys",
    "oauth_clients",
    "oauth_client_secrets",
    "signing_keys",
    "web_sessions",
    "audit_events",
    "sign_in_failures",
    "rate_counters",
)

ACCOUNT_COLUMNS = (
    "number",
    "is_active",
    "roles",
    "attributes",
    "logo_url",
    "primary_color",
    "secondary_color",
    "plan_id",
    "consultancy_account_id",
)

# A row of these changes with every request of somebody.
HOT_TABLES = ("sign_in_failures", "rate_counters")


def upgrade() -> None:
    """Widen accounts and make the tables."""
    _widen_accounts()
    _create_users()
    _create_what_they_sign_in_with()
    _create_clients()
    _create_records()
    for table in HOT_TABLES:
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02)")


def downgrade() -> None:
    """Drop them again."""
    for table in reversed(TABLES):
        op.drop_table(table)
    for column in reversed(ACCOUNT_COLUMNS):
        op.drop_column("accounts", column)


def _widen_accounts() -> None:
    for column in (
        _number(),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.text("true")),
        _names("roles"),
        sa.Column("attributes", JSONB, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("logo_url", sa.Text),
        sa.Column("primary_color", sa.Text),
        sa.Column("secondary_color", sa.Text),
        sa.Column("plan_id", sa.Integer),
        sa.Column("consultancy_account_id", sa.Uuid),
    ):
        op.add_column("accounts", column)
    op.create_unique_constraint("uq_accounts_number", "accounts", ["number"])
    op.create_foreign_key(
        "fk_accounts_consultancy_account_id_accounts",
        "accounts",
        "accounts",
        ["consultancy_account_id"],
        ["account_id"],
        ondelete="SET NULL",
    )


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.Uuid, primary_key=True),
        _number(),
        _account(),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text),
        _moment("password_changed_at", nullable=True),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.text("true")),
        _names("roles"),
        sa.Column("timezone", sa.Text, nullable=False, server_default=sa.text("'UTC'")),
        _moment("created_at", default_now=True),
        _moment("last_login_at", nullable=True),
        _moment("last_seen_at", nullable=True),
        sa.UniqueConstraint("number", name="uq_users_number"),
        sa.Index("uq_users_email", sa.func.lower(sa.text("email")), unique=True),
        sa.Index("uq_users_username", sa.func.lower(sa.text("username")), unique=True),
        sa.Index("ix_users_account_id", "account_id"),
    )


def _create_what_they_sign_in_with() -> None:
    for table, key in (("user_tokens", "token_hash"), ("web_sessions", "session_hash")):
        op.create_table(
            table,
            sa.Column(key, sa.LargeBinary, primary_key=True),
            _account(),
            _user(table),
            _moment("created_at", default_now=True),
            _moment("expires_at"),
            sa.Index(f"ix_{table}_user_id", "user_id"),
            sa.Index(f"ix_{table}_expires_at", "expires_at"),
        )
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text, primary_key=True),
        _account(),
        _user("api_keys"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        _names("scopes"),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.text("true")),
        _moment("created_at", default_now=True),
        _moment("expires_at", nullable=True),
        _moment("last_used_at", nullable=True),
        sa.Index("ix_api_keys_user_id", "user_id"),
    )


def _create_clients() -> None:
    op.create_table(
        "oauth_clients",
        sa.Column("client_id", sa.Text, primary_key=True),
        _account(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("region", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        _names("roles"),
        sa.Column("grid_owners", sa.ARRAY(sa.Text)),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.text("true")),
        _moment("created_at", default_now=True),
        sa.Index("ix_oauth_clients_account_id", "account_id"),
    )
    op.create_table(
        "oauth_client_secrets",
        sa.Column("secret_id", sa.Uuid, primary_key=True),
        _account(),
        sa.Column("client_id", sa.Text, sa.ForeignKey("oauth_clients.client_id", ondelete="CASCADE"), nullable=False),
        sa.Column("secret_hash", sa.Text, nullable=False),
        _moment("created_at", default_now=True),
        _moment("expires_at", nullable=True),
        sa.Index("ix_oauth_client_secrets_client_id", "client_id"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("public_key", JSONB, nullable=False),
        sa.Column("private_key", sa.LargeBinary, nullable=False),
        _moment("created_at", default_now=True),
        _moment("signs_from"),
        _moment("retired_at", nullable=True),
        _moment("verifies_until", nullable=True),
    )


def _create_records() -> None:
    op.create_table(
        "audit_events",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("account_id", sa.Uuid, nullable=False),
        _moment("occurred_at", default_now=True),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("object_kind", sa.Text, nullable=False),
        sa.Column("object_id", sa.Text, nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("details", JSONB, nullable=False, server_default=sa.text("'{}'")),
        sa.Index("ix_audit_events_account_id_occurred_at", "account_id", "occurred_at"),
        sa.Index("ix_audit_events_occurred_at", "occurred_at"),
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("bucket", sa.Text, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        _moment("last_failure_at"),
        _moment("blocked_until"),
        sa.Index("ix_sign_in_failures_last_failure_at", "last_failure_at"),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "rate_counters",
        sa.Column("counter", sa.Text, primary_key=True),
        sa.Column("slot", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("used", sa.Integer, nullable=False),
        sa.Index("ix_rate_counters_slot", "slot"),
        prefixes=["UNLOGGED"],
    )


def _account() -> sa.Column[Any]:
    target = sa.ForeignKey("accounts.account_id", ondelete="CASCADE")
    return sa.Column("account_id", sa.Uuid, target, nullable=False)


def _user(table: str) -> sa.Column[Any]:
    target = sa.ForeignKey("users.user_id", ondelete="CASCADE", name=f"fk_{table}_user_id_users")
    return sa.Column("user_id", sa.Uuid, target, nullable=False)


def _number() -> sa.Column[Any]:
    return sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False)


def _names(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'"))


def _moment(name: str, *, nullable: bool = False, default_now: bool = False) -> sa.Column[Any]:
    default = sa.func.now() if default_now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)
