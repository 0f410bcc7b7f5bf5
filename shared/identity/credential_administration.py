"""What administrators do with API keys and OAuth2 clients: make, change, disable, enable and delete them.

As in ``administration.py`` each use case works in an open unit of work and leaves an event in the audit record. Client secrets come in as
hashes, so that no transaction is open while one is computed.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.db.unit_of_work import UnitOfWork
from shared.errors import InvalidInput, NotFound
from shared.identity import audit, client_store, key_store
from shared.identity.api_keys import new_api_key
from shared.identity.client_store import ClientChanges, NewClient
from shared.identity.principals import (
    CLIENT_ROLES,
    ENVIRONMENTS,
    REGIONS,
    SCOPES,
    Actor,
    ApiKey,
    Client,
    ClientSecret,
    User,
)
from shared.identity.rules import check_each, check_expiry, check_name, unique
from shared.ids import AccountId

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A key that was just made. ``api_key`` is shown once and kept nowhere."""

    key: ApiKey
    api_key: str = field(repr=False)


def new_client_secret() -> str:
    """A secret for a client; hash it with the hasher of passwords before it is added, and show it once."""
    return secrets.token_urlsafe(SECRET_BYTES)


# ------------------------------------------------------------------ API keys


async def create_key(
    work: UnitOfWork,
    actor: Actor,
    user: User,
    *,
    name: str,
    scopes: Sequence[str] = SCOPES,
    expires_at: datetime | None = None,
) -> CreatedKey:
    """Make an API key of a user.

    Raises:
        InvalidInput: the name or a scope cannot be, it would have none, or would have expired already.
    """
    check_name(name, field="name")
    check_each(scopes, SCOPES, field="scope")
    if not scopes:
        raise InvalidInput(f"A key without a scope opens nothing; choose among {', '.join(SCOPES)}.", field="scope")
    check_expiry(expires_at, await audit.now(work.connection))
    new = new_api_key()
    key = await key_store.insert_key(
        work.connection, user, new, name=name, scopes=unique(scopes), expires_at=expires_at
    )
    details = {"name": name, "scopes": list(key.scopes), "user": user.number}
    await audit.record_about(work.connection, actor, key, "key:created", details)
    return CreatedKey(key, new.api_key)


async def set_key_active(work: UnitOfWork, actor: Actor, key: ApiKey, *, is_active: bool) -> None:
    """Let a key in, or not."""
    await key_store.set_key_active(work.connection, key.key_id, is_active=is_active)
    await audit.record_about(work.connection, actor, key, "key:enabled" if is_active else "key:disabled")


async def delete_key(work: UnitOfWork, actor: Actor, key: ApiKey) -> None:
    """Delete a key."""
    await key_store.delete_key(work.connection, key.key_id)
    await audit.record_about(work.connection, actor, key, "key:deleted", {"name": key.name, "user": key.user_number})


# ------------------------------------------------------------------ OAuth2 clients


async def create_client(
    work: UnitOfWork, actor: Actor, account_id: AccountId, new: NewClient, secret_hash: str
) -> Client:
    """Make a client of an account with a first secret.

    Raises:
        InvalidInput: a value cannot be; Conflict: there is a client of that id.
    """
    check_name(new.name, field="name")
    _check_client(new.region, new.environment, new.roles)
    client_id = new.client_id or secrets.token_hex(16)
    client = await client_store.insert_client(work.connection, account_id, client_id, new)
    await client_store.insert_secret(work.connection, client, secret_hash, expires_at=None)
    await audit.record_about(
        work.connection, actor, client, "client:created", {"name": client.name, "roles": list(client.roles)}
    )
    return client


async def update_client(work: UnitOfWork, actor: Actor, client: Client, changes: ClientChanges) -> Client:
    """Change fields of a client.

    Raises:
        InvalidInput: a value cannot be.
    """
    if "name" in changes:
        check_name(changes["name"], field="name")
    region, environment = changes.get("region", client.region), changes.get("environment", client.environment)
    _check_client(region, environment, changes.get("roles", client.roles))
    changed = await client_store.update_client(work.connection, client.client_id, changes)
    await audit.record_about(
        work.connection, actor, client, "client:changed", {"fields": sorted(changes), "roles": list(changed.roles)}
    )
    return changed


async def set_client_active(work: UnitOfWork, actor: Actor, client: Client, *, is_active: bool) -> Client:
    """Let a client in, or not; the tokens that it holds are refused as well."""
    changed = await client_store.set_client_active(work.connection, client.client_id, is_active=is_active)
    await audit.record_about(work.connection, actor, client, "client:enabled" if is_active else "client:disabled")
    return changed


async def delete_client(work: UnitOfWork, actor: Actor, client: Client) -> None:
    """Delete a client with its secrets."""
    await client_store.delete_client(work.connection, client.client_id)
    await audit.record_about(work.connection, actor, client, "client:deleted", {"name": client.name})


async def add_client_secret(
    work: UnitOfWork, actor: Actor, client: Client, secret_hash: str, *, expires_at: datetime | None = None
) -> ClientSecret:
    """Give a client another secret.

    Raises:
        Conflict: it has two active ones already; InvalidInput: it would have expired already.
    """
    check_expiry(expires_at, await audit.now(work.connection))
    added = await client_store.insert_secret(work.connection, client, secret_hash, expires_at=expires_at)
    await audit.record_about(work.connection, actor, client, "client:secret:added", {"secret_id": str(added.secret_id)})
    return added


async def delete_client_secret(work: UnitOfWork, actor: Actor, client: Client, secret_id: UUID) -> None:
    """Delete a secret of a client.

    Raises:
        NotFound: it has no such secret.
    """
    if not await client_store.delete_secret(work.connection, client.client_id, secret_id):
        raise NotFound(f"The client '{client.client_id}' has no secret '{secret_id}'.")
    await audit.record_about(work.connection, actor, client, "client:secret:deleted", {"secret_id": str(secret_id)})


# ------------------------------------------------------------------ below the use cases


def _check_client(region: str, environment: str, roles: Sequence[str]) -> None:
    check_each((region,), REGIONS, field="region")
    check_each((environment,), ENVIRONMENTS, field="environment")
    check_each(roles, CLIENT_ROLES, field="role")
