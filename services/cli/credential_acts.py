"""What the commands for API keys and OAuth2 clients do. Each function gives an act: what is done on the database, and then printed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from services.cli.acts import Act, Result, in_one_unit, on_one
from services.cli.named import reach_of, require_account, require_client, require_key, require_user
from services.cli.usage import WrongUsage
from shared.db.unit_of_work import UnitOfWork
from shared.identity import audit, client_store, credential_administration, documents, key_store
from shared.identity.client_store import NewClient
from shared.identity.passwords import hash_now
from shared.identity.principals import SCOPES, Actor, User

# ------------------------------------------------------------------ API keys


def create_key(email: str, name: str, scopes: Sequence[str], expires_in: timedelta | None) -> Act:
    """Make an API key of a user."""

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        user = await require_user(work, email)
        expires_at = await _from_now(work, expires_in)
        made = await credential_administration.create_key(
            work, actor, user, name=name, scopes=scopes or SCOPES, expires_at=expires_at
        )
        return documents.new_key_document(made.key, made.api_key)

    return in_one_unit(step)


def list_keys(account_name: str | None, email: str | None) -> Act:
    """API keys of everybody, of an account or of a user."""

    async def step(work: UnitOfWork, _: Actor) -> Result:
        reach = await reach_of(work, account_name)
        user: User | None = await require_user(work, email) if email is not None else None
        keys = await key_store.list_keys(work.connection, reach, user_id=user.user_id if user is not None else None)
        return [documents.key_document(key) for key in keys]

    return in_one_unit(step)


def set_key_active(key_id: str, *, is_active: bool) -> Act:
    """Let a key in, or not."""

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        key = await require_key(work, key_id)
        await credential_administration.set_key_active(work, actor, key, is_active=is_active)
        return documents.key_document(await require_key(work, key_id))

    return in_one_unit(step)


def delete_key(key_id: str) -> Act:
    """Delete a key."""
    return on_one(require_key, key_id, credential_administration.delete_key, documents.key_document)


# ------------------------------------------------------------------ OAuth2 clients


def create_client(
    name: str,
    account_name: str,
    roles: Sequence[str],
    region: str,
    environment: str,
    grid_owners: Sequence[str] | None,
) -> Act:
    """Make a client with a first secret."""
    client_secret = credential_administration.new_client_secret()
    secret_hash = hash_now(client_secret)
    new = NewClient(name, tuple(roles), region, environment, tuple(grid_owners) if grid_owners else None)

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        account = await require_account(work, account_name)
        client = await credential_administration.create_client(work, actor, account.account_id, new, secret_hash)
        return documents.new_client_document(client, client_secret)

    return in_one_unit(step)


def list_clients(account_name: str | None) -> Act:
    """Clients of all accounts, or of one."""

    async def step(work: UnitOfWork, _: Actor) -> Result:
        reach = await reach_of(work, account_name)
        return [documents.client_document(client) for client in await client_store.list_clients(work.connection, reach)]

    return in_one_unit(step)


def set_client_active(client_id: str, *, is_active: bool) -> Act:
    """Let a client in, or not."""
    change = partial(credential_administration.set_client_active, is_active=is_active)
    return on_one(require_client, client_id, change, documents.client_document)


def delete_client(client_id: str) -> Act:
    """Delete a client."""
    return on_one(require_client, client_id, credential_administration.delete_client, documents.client_document)


def add_secret(client_id: str, expires_in: timedelta | None) -> Act:
    """Give a client another secret."""
    client_secret = credential_administration.new_client_secret()
    secret_hash = hash_now(client_secret)

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        client = await require_client(work, client_id)
        expires_at = await _from_now(work, expires_in)
        added = await credential_administration.add_client_secret(
            work, actor, client, secret_hash, expires_at=expires_at
        )
        return documents.new_secret_document(added, client_secret)

    return in_one_unit(step)


def list_secrets(client_id: str) -> Act:
    """A client's secrets, without the secrets."""

    async def step(work: UnitOfWork, _: Actor) -> Result:
        client = await require_client(work, client_id)
        found = await client_store.list_secrets(work.connection, client.account_id, client.client_id)
        return [documents.secret_document(secret) for secret in found]

    return in_one_unit(step)


def delete_secret(client_id: str, secret_id: str) -> Act:
    """Delete a secret of a client.

    Raises:
        WrongUsage: it is no id of a secret.
    """
    try:
        wanted = UUID(secret_id)
    except ValueError as error:
        raise WrongUsage(f"'{secret_id}' is no id of a secret; `busbar client secret list` shows them") from error

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        client = await require_client(work, client_id)
        kept = await client_store.list_secrets(work.connection, client.account_id, client.client_id)
        await credential_administration.delete_client_secret(work, actor, client, wanted)
        return next(documents.secret_document(secret) for secret in kept if secret.secret_id == wanted)

    return in_one_unit(step)


# ------------------------------------------------------------------ below the commands


async def _from_now(work: UnitOfWork, span: timedelta | None) -> datetime | None:
    return None if span is None else await audit.now(work.connection) + span
