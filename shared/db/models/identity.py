"""Tables of identity: accounts, users and what they sign in with, sessions, audit, and the counters against guessing.

The gateway and the administration commands write them, both through ``shared/identity``. A secret is kept as a hash only; the
private halves of signing keys are encrypted. ``number`` is what the world outside calls an account or a user.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.db.models.base import created_at_column, metadata

EMPTY_LIST = text("'{}'")


def _owning_account() -> Column[Any]:
    return Column("account_id", Uuid, ForeignKey("accounts.account_id", ondelete="CASCADE"), nullable=False)


def _number() -> Column[Any]:
    return Column("number", BigInteger, Identity(always=True), nullable=False, unique=True)


def _user() -> Column[Any]:
    return Column("user_id", Uuid, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False, index=True)


def _names(name: str) -> Column[Any]:
    return Column(name, ARRAY(Text), nullable=False, server_default=EMPTY_LIST)


def _moment(name: str, *, nullable: bool = True) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


# An organisation. Every datum belongs to exactly one.
accounts = Table(
    "accounts",
    metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    created_at_column(),
    _number(),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    _names("roles"),
    Column("attributes", JSONB, nullable=False, server_default=text("'{}'")),
    Column("logo_url", Text),
    Column("primary_color", Text),
    Column("secondary_color", Text),
    Column("plan_id", Integer),
    Column("consultancy_account_id", Uuid, ForeignKey("accounts.account_id", ondelete="SET NULL")),
)

# Nobody signs in without a password hash: a new user, or one whose password was reset, has none until one is set.
users = Table(
    "users",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    _number(),
    _owning_account(),
    Column("email", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("password_hash", Text),  # argon2id
    _moment("password_changed_at"),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    _names("roles"),
    Column("timezone", Text, nullable=False, server_default=text("'UTC'")),
    created_at_column(),
    _moment("last_login_at"),
    _moment("last_seen_at"),
    # Columns, since under row-level security an index on lower(…) itself is not used: it might leak a value.
    Column("email_key", Text, Computed("lower(email)", persisted=True)),
    Column("username_key", Text, Computed("lower(username)", persisted=True)),
    Index("uq_users_email", "email_key", unique=True),
    Index("uq_users_username", "username_key", unique=True),
    Index("ix_users_account_id", "account_id"),
)

# Gone is revoked.
user_tokens = Table(
    "user_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),  # HMAC-SHA-256 under a key made from the installation's
    _owning_account(),
    _user(),
    created_at_column(),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),  # the eight characters after bb_
    _owning_account(),
    _user(),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),  # SHA-256 of 32 random bytes
    _names("scopes"),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    created_at_column(),
    _moment("expires_at"),
    _moment("last_used_at"),
)

oauth_clients = Table(
    "oauth_clients",
    metadata,
    Column("client_id", Text, primary_key=True),
    _owning_account(),
    Column("name", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("environment", Text, nullable=False),  # production | developer
    _names("roles"),
    Column("grid_owners", ARRAY(Text)),  # null: looked up at request time
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    created_at_column(),
    Index("ix_oauth_clients_account_id", "account_id"),
)

oauth_client_secrets = Table(
    "oauth_client_secrets",
    metadata,
    Column("secret_id", Uuid, primary_key=True),
    _owning_account(),
    Column("client_id", Text, ForeignKey("oauth_clients.client_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("secret_hash", Text, nullable=False),  # argon2id
    created_at_column(),
    _moment("expires_at"),
)

# Belong to the installation, not to an account. Published from the start, used from ``signs_from``, believed until ``verifies_until``.
signing_keys = Table(
    "signing_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("public_key", JSONB, nullable=False),  # as in the published set (RFC 7517)
    Column("private_key", LargeBinary, nullable=False),  # encrypted
    created_at_column(),
    Column("signs_from", DateTime(timezone=True), nullable=False),
    _moment("retired_at"),
    _moment("verifies_until"),
)

web_sessions = Table(
    "web_sessions",
    metadata,
    Column("session_hash", LargeBinary, primary_key=True),  # HMAC-SHA-256, as of tokens
    _owning_account(),
    _user(),
    created_at_column(),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
)

# Who did what to which object, from where, when. Append-only.
audit_events = Table(
    "audit_events",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("account_id", Uuid, nullable=False),  # no reference: what happened stays when the account is gone
    Column("occurred_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("event", Text, nullable=False),  # typed names such as user:token:issued
    Column("subject", Text, nullable=False),  # who: user:4, client:…, cli:<login name>
    Column("object_kind", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("address", Text),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Index("ix_audit_events_account_id_occurred_at", "account_id", "occurred_at"),
    Index("ix_audit_events_occurred_at", "occurred_at"),
)

# Failed sign-ins by address, account and subject (hashed); unlogged, as losing them in a crash does no harm.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("bucket", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_failure_at", DateTime(timezone=True), nullable=False),
    Column("blocked_until", DateTime(timezone=True), nullable=False),
    Index("ix_sign_in_failures_last_failure_at", "last_failure_at"),
    prefixes=["UNLOGGED"],
)

# How often somebody asked in one slot of a sliding window; unlogged for the same reason.
rate_counters = Table(
    "rate_counters",
    metadata,
    Column("counter", Text, primary_key=True),
    Column("slot", DateTime(timezone=True), primary_key=True),
    Column("used", Integer, nullable=False),
    Index("ix_rate_counters_slot", "slot"),
    prefixes=["UNLOGGED"],
)
