"""What is said of accounts, users, keys and clients in JSON: the same objects on the command line and over HTTP.

``account_id`` and ``user_id`` are the public numbers. A secret is only in the documents of what was just made.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from shared.identity.audit import AuditEvent
from shared.identity.principals import Account, ApiKey, Client, ClientSecret, User


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class AccountDocument(_Document):
    """An organisation."""

    account_id: int
    name: str
    is_active: bool
    roles: list[str]
    attributes: dict[str, Any]  # Any: whatever the clients of the flexibility API keep there
    logo_url: str | None
    primary_color: str | None
    secondary_color: str | None
    plan_id: int | None
    consultancy_account_id: int | None
    created_at: datetime


class UserDocument(_Document):
    """A person, or a program that signs in like one."""

    user_id: int
    account_id: int
    account_name: str
    email: str
    username: str
    roles: list[str]
    is_active: bool
    timezone: str
    created_at: datetime
    last_login_at: datetime | None
    last_seen_at: datetime | None


class KeyDocument(_Document):
    """An API key without its secret."""

    key_id: str
    user_id: int
    name: str
    scopes: list[str]
    is_active: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewKeyDocument(KeyDocument):
    """An API key that was just made."""

    api_key: str
    """Shown this once and kept nowhere."""


class ClientDocument(_Document):
    """An OAuth2 client."""

    client_id: str
    name: str
    region: str
    environment: str
    roles: list[str]
    grid_owners: list[str] | None
    """Null: looked up at each request."""
    is_active: bool
    created_at: datetime


class NewClientDocument(ClientDocument):
    """An OAuth2 client that was just made."""

    client_secret: str
    """Shown this once and kept nowhere."""


class SecretDocument(_Document):
    """One of a client's secrets, without the secret."""

    secret_id: str
    client_id: str
    created_at: datetime
    expires_at: datetime | None


class NewSecretDocument(SecretDocument):
    """A secret that was just made."""

    client_secret: str
    """Shown this once and kept nowhere."""


class AuditDocument(_Document):
    """Something that happened."""

    event_id: str
    occurred_at: datetime
    account_id: int | None
    """Null: the account is gone."""
    event: str
    subject: str
    """Who did it: user:4, client:…, cli:<login name>."""
    object_kind: str
    object_id: str
    address: str | None
    details: dict[str, Any]  # Any: whatever JSON holds


def account_document(account: Account) -> AccountDocument:
    """What is said of an account."""
    return AccountDocument(
        account_id=account.number,
        name=account.name,
        is_active=account.is_active,
        roles=list(account.roles),
        attributes=dict(account.attributes),
        logo_url=account.logo_url,
        primary_color=account.primary_color,
        secondary_color=account.secondary_color,
        plan_id=account.plan_id,
        consultancy_account_id=account.consultancy_account_number,
        created_at=account.created_at,
    )


def user_document(user: User) -> UserDocument:
    """What is said of a user."""
    return UserDocument(
        user_id=user.number,
        account_id=user.account_number,
        account_name=user.account_name,
        email=user.email,
        username=user.username,
        roles=list(user.roles),
        is_active=user.is_active,
        timezone=user.timezone,
        created_at=user.created_at,
        last_login_at=user.last_login_at,
        last_seen_at=user.last_seen_at,
    )


def key_document(key: ApiKey) -> KeyDocument:
    """What is said of an API key."""
    return KeyDocument(
        key_id=key.key_id,
        user_id=key.user_number,
        name=key.name,
        scopes=list(key.scopes),
        is_active=key.is_active,
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
    )


def new_key_document(key: ApiKey, api_key: str) -> NewKeyDocument:
    """The same with the key itself."""
    return NewKeyDocument(**key_document(key).model_dump(), api_key=api_key)


def client_document(client: Client) -> ClientDocument:
    """What is said of a client."""
    return ClientDocument(
        client_id=client.client_id,
        name=client.name,
        region=client.region,
        environment=client.environment,
        roles=list(client.roles),
        grid_owners=None if client.grid_owners is None else list(client.grid_owners),
        is_active=client.is_active,
        created_at=client.created_at,
    )


def new_client_document(client: Client, client_secret: str) -> NewClientDocument:
    """The same with its first secret."""
    return NewClientDocument(**client_document(client).model_dump(), client_secret=client_secret)


def secret_document(secret: ClientSecret) -> SecretDocument:
    """What is said of a client's secret."""
    return SecretDocument(
        secret_id=str(secret.secret_id),
        client_id=secret.client_id,
        created_at=secret.created_at,
        expires_at=secret.expires_at,
    )


def new_secret_document(secret: ClientSecret, client_secret: str) -> NewSecretDocument:
    """The same with the secret itself."""
    return NewSecretDocument(**secret_document(secret).model_dump(), client_secret=client_secret)


def audit_document(event: AuditEvent, account_number: int | None) -> AuditDocument:
    """What is said of an event, given the number of its account."""
    return AuditDocument(
        event_id=str(event.event_id),
        occurred_at=event.occurred_at,
        account_id=account_number,
        event=event.event,
        subject=event.subject,
        object_kind=event.object_kind,
        object_id=event.object_id,
        address=event.address,
        details=dict(event.details),
    )
