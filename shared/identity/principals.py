"""Who there is: accounts, users, API keys, OAuth2 clients; and the names of roles and scopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.ids import AccountId, UserId

# Their order is their public number in the flexibility API, so new ones go to the end.
USER_ROLES = ("admin", "admin-reader", "account-admin", "consultant")
# An account's roles are an open list; this one means that its consultants may look after other accounts.
CONSULTANCY_ROLE = "Consultancy"
SCOPES = ("read", "storage", "jobs", "reconfiguration", "flexibility")
CLIENT_ROLES = ("api_consumer", "ingest", "asset_admin", "platform_admin", *SCOPES)
REGIONS = ("eu", "us")
ENVIRONMENTS = PRODUCTION, DEVELOPER = "production", "developer"
MAX_ACTIVE_SECRETS = 2


@dataclass(frozen=True, slots=True)
class Account:
    """An organisation. ``number`` is what the world outside calls it."""

    account_id: AccountId
    number: int
    name: str
    is_active: bool
    roles: tuple[str, ...]
    attributes: Mapping[str, object]
    logo_url: str | None
    primary_color: str | None
    secondary_color: str | None
    plan_id: int | None
    consultancy_account_number: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    """A person, or a program that signs in like one. ``is_active`` is the user's own flag; the account has one too."""

    user_id: UserId
    number: int
    account_id: AccountId
    account_number: int
    account_name: str
    email: str
    username: str
    roles: tuple[str, ...]
    is_active: bool
    timezone: str
    created_at: datetime
    last_login_at: datetime | None
    last_seen_at: datetime | None
    password_changed_at: datetime | None
    """None: it never had one."""

    @property
    def subject(self) -> str:
        """What identities and the audit record call the user."""
        return f"user:{self.number}"

    @property
    def own_names(self) -> tuple[str, ...]:
        """Names that the user's password must not contain."""
        return own_names(self.email, self.username)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What a script of a user signs in with; ``key_id`` is the part of it that is no secret."""

    key_id: str
    account_id: AccountId
    user_number: int
    name: str
    scopes: tuple[str, ...]
    is_active: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth2 client of an account. ``grid_owners`` None are looked up when it asks."""

    client_id: str
    account_id: AccountId
    name: str
    region: str
    environment: str
    roles: tuple[str, ...]
    grid_owners: tuple[str, ...] | None
    is_active: bool
    created_at: datetime

    @property
    def subject(self) -> str:
        """What identities and the audit record call the client."""
        return f"client:{self.client_id}"


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """One of a client's secrets, without the secret."""

    secret_id: UUID
    client_id: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, for the audit record: ``user:4``, ``client:…``, ``cli:<login name>``; and from which address."""

    subject: str
    address: str | None = None


def own_names(email: str, username: str) -> tuple[str, ...]:
    """Names that a user's password must not contain."""
    return (email, email.partition("@")[0], username)
