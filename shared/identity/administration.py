"""What administrators do: make, list, change, disable, enable and delete accounts, users, API keys and OAuth2 clients.

Each use case works in an open unit of work and leaves an event in the audit record. Whether the actor may do it is decided by the
caller. Passwords and client secrets come in as hashes, so that no transaction is open while one is computed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.db.unit_of_work import UnitOfWork
from shared.errors import Conflict, InvalidInput, NotFound
from shared.identity import account_store, audit, client_store, key_store, user_store
from shared.identity.account_store import AccountChanges
from shared.identity.api_keys import new_api_key
from shared.identity.audit import AuditEventName
from shared.identity.client_store import ClientChanges, NewClient
from shared.identity.principals import (
    CLIENT_ROLES,
    ENVIRONMENTS,
    REGIONS,
    SCOPES,
    USER_ROLES,
    Account,
    Actor,
    ApiKey,
    Client,
    ClientSecret,
    User,
)
from shared.identity.rules import check_each, check_email, check_expiry, check_name, check_timezone
from shared.identity.user_store import UserChanges
from shared.ids import OPEN_ACCOUNT_ID, AccountId

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A key that was just made. ``api_key`` is shown once and kept nowhere."""

    key: ApiKey
    api_key: str = field(repr=False)


def new_client_secret() -> str:
    """A secret for a client; hash it with the hasher of passwords before it is added, and show it once."""
    return secrets.token_urlsafe(SECRET_BYTES)


# ------------------------------------------------------------------ accounts


async def create_account(work: UnitOfWork, actor: Actor, name: str, *, roles: Sequence[str] = ()) -> Account:
    """Make an account.

    Raises:
        InvalidInput: the name cannot be one; Conflict: it is taken.
    """
    check_name(name, field="name")
    for role in roles:
        check_name(role, field="role")
    account = await account_store.insert_account(work.connection, name, roles=roles)
    await _record(work, actor, account, "account:created", {"name": name})
    return account


async def update_account(work: UnitOfWork, actor: Actor, account: Account, changes: AccountChanges) -> Account:
    """Change fields of an account.

    Raises:
        InvalidInput: a value cannot be; Conflict: the new name is taken.
    """
    if "name" in changes:
        check_name(changes["name"], field="name")
    changed = await account_store.update_account(work.connection, account.account_id, changes)
    await _record(work, actor, account, "account:changed", {"fields": sorted(changes)})
    return changed


async def set_account_active(work: UnitOfWork, actor: Actor, account: Account, *, is_active: bool) -> Account:
    """Let the active users, keys and clients of an account in, or none of them; then its users' tokens and sessions end.

    Raises:
        Conflict: it is the account of open access, which is always active.
    """
    if not is_active:
        _refuse_open_account(account)
    # First of all: sign-ins that are under way end before this, and their tokens are there to be deleted, or see it.
    changed = await account_store.set_account_active(work.connection, account.account_id, is_active=is_active)
    if not is_active:
        await user_store.revoke_sign_ins_of_account(work.connection, account.account_id)
    await _record(work, actor, account, "account:enabled" if is_active else "account:disabled")
    return changed


async def delete_account(work: UnitOfWork, actor: Actor, account: Account) -> None:
    """Delete an account with everything that belongs to it; only its audit record stays.

    Raises:
        Conflict: it is the account of open access.
    """
    _refuse_open_account(account)
    await account_store.delete_account(work.connection, account.account_id)
    await _record(work, actor, account, "account:deleted", {"name": account.name})


# ------------------------------------------------------------------ users


async def create_user(
    work: UnitOfWork,
    actor: Actor,
    account: Account,
    email: str,
    *,
    username: str | None = None,
    roles: Sequence[str] = (),
    password_hash: str | None = None,
) -> User:
    """Make a user of an account, who cannot sign in until there is a password.

    Raises:
        InvalidInput: a value cannot be; Conflict: the e-mail address or username is taken.
    """
    check_email(email)
    check_each(roles, USER_ROLES, field="role")
    if username is not None:
        check_name(username, field="username")
    user = await user_store.insert_user(
        work.connection, account.account_id, email, username=username, roles=_unique(roles), password_hash=password_hash
    )
    details = {"email": user.email, "roles": list(user.roles), "has_password": password_hash is not None}
    await _record(work, actor, user, "user:created", details)
    return user


async def update_user(work: UnitOfWork, actor: Actor, user: User, changes: UserChanges) -> User:
    """Change fields of a user.

    Raises:
        InvalidInput: a value cannot be; Conflict: the new e-mail address or username is taken.
    """
    if "email" in changes:
        check_email(changes["email"])
    if "username" in changes:
        check_name(changes["username"], field="username")
    if "timezone" in changes:
        check_timezone(changes["timezone"])
    check_each(changes.get("roles", ()), USER_ROLES, field="role")
    changed = await user_store.update_user(work.connection, user.user_id, changes)
    await _record(work, actor, user, "user:changed", {"fields": sorted(changes), "roles": list(changed.roles)})
    return changed


async def set_password(work: UnitOfWork, actor: Actor, user: User, password_hash: str | None) -> None:
    """Give a user another password, or none; tokens and sessions end. Its rules are checked before it is hashed."""
    await user_store.set_password_hash(work.connection, user.user_id, password_hash)
    await user_store.revoke_sign_ins(work.connection, user.user_id)
    await _record(work, actor, user, "user:password:changed" if password_hash else "user:password:cleared")


async def set_user_active(work: UnitOfWork, actor: Actor, user: User, *, is_active: bool) -> User:
    """Let a user in, or not; then tokens and sessions end, and API keys are refused."""
    changed = await user_store.set_user_active(work.connection, user.user_id, is_active=is_active)
    if not is_active:  # after it, as for accounts
        await user_store.revoke_sign_ins(work.connection, user.user_id)
    await _record(work, actor, user, "user:enabled" if is_active else "user:disabled")
    return changed


async def delete_user(work: UnitOfWork, actor: Actor, user: User) -> None:
    """Delete a user with tokens, sessions and API keys; data belong to the account and stay."""
    await user_store.delete_user(work.connection, user.user_id)
    await _record(work, actor, user, "user:deleted", {"email": user.email})


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
        work.connection, user, new, name=name, scopes=_unique(scopes), expires_at=expires_at
    )
    details = {"name": name, "scopes": list(key.scopes), "user": user.number}
    await _record(work, actor, key, "key:created", details)
    return CreatedKey(key, new.api_key)


async def set_key_active(work: UnitOfWork, actor: Actor, key: ApiKey, *, is_active: bool) -> None:
    """Let a key in, or not."""
    await key_store.set_key_active(work.connection, key.key_id, is_active=is_active)
    await _record(work, actor, key, "key:enabled" if is_active else "key:disabled")


async def delete_key(work: UnitOfWork, actor: Actor, key: ApiKey) -> None:
    """Delete a key."""
    await key_store.delete_key(work.connection, key.key_id)
    await _record(work, actor, key, "key:deleted", {"name": key.name, "user": key.user_number})


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
    await _record(work, actor, client, "client:created", {"name": client.name, "roles": list(client.roles)})
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
    await _record(work, actor, client, "client:changed", {"fields": sorted(changes), "roles": list(changed.roles)})
    return changed


async def set_client_active(work: UnitOfWork, actor: Actor, client: Client, *, is_active: bool) -> Client:
    """Let a client in, or not; the tokens that it holds are refused as well."""
    changed = await client_store.set_client_active(work.connection, client.client_id, is_active=is_active)
    await _record(work, actor, client, "client:enabled" if is_active else "client:disabled")
    return changed


async def delete_client(work: UnitOfWork, actor: Actor, client: Client) -> None:
    """Delete a client with its secrets."""
    await client_store.delete_client(work.connection, client.client_id)
    await _record(work, actor, client, "client:deleted", {"name": client.name})


async def add_client_secret(
    work: UnitOfWork, actor: Actor, client: Client, secret_hash: str, *, expires_at: datetime | None = None
) -> ClientSecret:
    """Give a client another secret.

    Raises:
        Conflict: it has two active ones already; InvalidInput: it would have expired already.
    """
    check_expiry(expires_at, await audit.now(work.connection))
    added = await client_store.insert_secret(work.connection, client, secret_hash, expires_at=expires_at)
    await _record(work, actor, client, "client:secret:added", {"secret_id": str(added.secret_id)})
    return added


async def delete_client_secret(work: UnitOfWork, actor: Actor, client: Client, secret_id: UUID) -> None:
    """Delete a secret of a client.

    Raises:
        NotFound: it has no such secret.
    """
    if not await client_store.delete_secret(work.connection, client.client_id, secret_id):
        raise NotFound(f"The client '{client.client_id}' has no secret '{secret_id}'.")
    await _record(work, actor, client, "client:secret:deleted", {"secret_id": str(secret_id)})


# ------------------------------------------------------------------ below the use cases


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _refuse_open_account(account: Account) -> None:
    if account.account_id == OPEN_ACCOUNT_ID:
        raise Conflict(
            f"The account '{account.name}' is kept for access without credentials; BUSBAR_RECONFIGURATION_OPEN=false ends that."
        )


def _check_client(region: str, environment: str, roles: Sequence[str]) -> None:
    check_each((region,), REGIONS, field="region")
    check_each((environment,), ENVIRONMENTS, field="environment")
    check_each(roles, CLIENT_ROLES, field="role")


async def _record(
    work: UnitOfWork,
    actor: Actor,
    thing: Account | User | ApiKey | Client,
    event: AuditEventName,
    details: Mapping[str, object] | None = None,
) -> None:
    kind, object_id = _named(thing)
    await audit.record(
        work.connection,
        thing.account_id,
        event,
        actor=actor,
        object_kind=kind,
        object_id=object_id,
        details=details,
    )


def _named(thing: Account | User | ApiKey | Client) -> tuple[str, str]:
    """What the audit record calls something: its kind and its id in the world outside."""
    match thing:
        case Account():
            return "account", str(thing.number)
        case User():
            return "user", str(thing.number)
        case ApiKey():
            return "key", thing.key_id
        case Client():
            return "client", thing.client_id
