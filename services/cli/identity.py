"""What the identity commands do. Each function gives an act: one unit of work on the database, and what is then printed.

They write to the database directly, so that the first account needs no running service.
"""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.cli.acts import Act, Result, command_line_actor, in_one_unit
from services.cli.named import require_account, require_client, require_key, require_user
from services.cli.usage import WrongUsage
from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import EVERY_ACCOUNT, Reach, UnitOfWork
from shared.errors import InvalidInput
from shared.identity import account_store, administration, audit, client_store, documents, key_store, user_store
from shared.identity.client_store import NewClient
from shared.identity.passwords import check_rules, hash_now
from shared.identity.principals import SCOPES, Actor, User, own_names

# ------------------------------------------------------------------ accounts


def create_account(name: str, roles: Sequence[str]) -> Act:
    """Make an account."""

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        return documents.account_document(await administration.create_account(work, actor, name, roles=roles))

    return in_one_unit(step)


def list_accounts() -> Act:
    """All accounts."""

    async def step(work: UnitOfWork, _: Actor) -> Result:
        return [
            documents.account_document(a) for a in await account_store.list_accounts(work.connection, EVERY_ACCOUNT)
        ]

    return in_one_unit(step)


def set_account_active(name: str, *, is_active: bool) -> Act:
    """Let an account's people in, or not."""

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        account = await require_account(work, name)
        return documents.account_document(
            await administration.set_account_active(work, actor, account, is_active=is_active)
        )

    return in_one_unit(step)


def delete_account(name: str) -> Act:
    """Delete an account with everything."""

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        account = await require_account(work, name)
        await administration.delete_account(work, actor, account)
        return documents.account_document(account)

    return in_one_unit(step)


# ------------------------------------------------------------------ users


def create_user(
    email: str, account_name: str, roles: Sequence[str], username: str | None, *, password_stdin: bool
) -> Act:
    """Make a user, with a password if there is one to be had."""
    password = _new_password(password_stdin=password_stdin)
    if password is not None:
        _check_rules(password, own_names(email, username or email.partition("@")[0]))
    password_hash = None if password is None else hash_now(password)

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        account = await require_account(work, account_name)
        user = await administration.create_user(
            work, actor, account, email, username=username, roles=roles, password_hash=password_hash
        )
        if password is None:
            sys.stderr.write(f"no password: {email} cannot sign in until `busbar user password {email}` sets one\n")
        return documents.user_document(user)

    return in_one_unit(step)


def list_users(account_name: str | None) -> Act:
    """Users of all accounts, or of one."""

    async def step(work: UnitOfWork, _: Actor) -> Result:
        reach = await _reach(work, account_name)
        return [documents.user_document(user) for user in await user_store.list_users(work.connection, reach)]

    return in_one_unit(step)


def change_password(email: str, *, password_stdin: bool) -> Act:
    """Give a user another password.

    Raises:
        WrongUsage: there is neither a terminal nor a password on standard input.
    """
    password = _new_password(password_stdin=password_stdin)
    if password is None:
        raise WrongUsage("there is no terminal to ask on; give the new password with --password-stdin")

    async def act(database: PostgresDatabase) -> Result:
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            user = await require_user(work, email)
        check_rules(password, names=user.own_names)
        password_hash = await asyncio.to_thread(hash_now, password)
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            user = await require_user(work, email)
            await administration.set_password(work, command_line_actor(), user, password_hash)
        return documents.user_document(user)

    return act


def set_user_active(email: str, *, is_active: bool) -> Act:
    """Let a user in, or not."""

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        user = await require_user(work, email)
        return documents.user_document(await administration.set_user_active(work, actor, user, is_active=is_active))

    return in_one_unit(step)


def delete_user(email: str) -> Act:
    """Delete a user."""

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        user = await require_user(work, email)
        await administration.delete_user(work, actor, user)
        return documents.user_document(user)

    return in_one_unit(step)


# ------------------------------------------------------------------ API keys


def create_key(email: str, name: str, scopes: Sequence[str], expires_in: timedelta | None) -> Act:
    """Make an API key of a user."""

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        user = await require_user(work, email)
        expires_at = await _from_now(work, expires_in)
        made = await administration.create_key(
            work, actor, user, name=name, scopes=scopes or SCOPES, expires_at=expires_at
        )
        return documents.new_key_document(made.key, made.api_key)

    return in_one_unit(step)


def list_keys(account_name: str | None, email: str | None) -> Act:
    """API keys of everybody, of an account or of a user."""

    async def step(work: UnitOfWork, _: Actor) -> Result:
        reach = await _reach(work, account_name)
        user: User | None = await require_user(work, email) if email is not None else None
        keys = await key_store.list_keys(work.connection, reach, user_id=user.user_id if user is not None else None)
        return [documents.key_document(key) for key in keys]

    return in_one_unit(step)


def set_key_active(key_id: str, *, is_active: bool) -> Act:
    """Let a key in, or not."""

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        key = await require_key(work, key_id)
        await administration.set_key_active(work, actor, key, is_active=is_active)
        return documents.key_document(await require_key(work, key_id))

    return in_one_unit(step)


def delete_key(key_id: str) -> Act:
    """Delete a key."""

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        key = await require_key(work, key_id)
        await administration.delete_key(work, actor, key)
        return documents.key_document(key)

    return in_one_unit(step)


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
    client_secret = administration.new_client_secret()
    secret_hash = hash_now(client_secret)
    new = NewClient(name, tuple(roles), region, environment, tuple(grid_owners) if grid_owners else None)

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        account = await require_account(work, account_name)
        client = await administration.create_client(work, actor, account.account_id, new, secret_hash)
        return documents.new_client_document(client, client_secret)

    return in_one_unit(step)


def list_clients(account_name: str | None) -> Act:
    """Clients of all accounts, or of one."""

    async def step(work: UnitOfWork, _: Actor) -> Result:
        reach = await _reach(work, account_name)
        return [documents.client_document(client) for client in await client_store.list_clients(work.connection, reach)]

    return in_one_unit(step)


def set_client_active(client_id: str, *, is_active: bool) -> Act:
    """Let a client in, or not."""

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        client = await require_client(work, client_id)
        return documents.client_document(
            await administration.set_client_active(work, actor, client, is_active=is_active)
        )

    return in_one_unit(step)


def delete_client(client_id: str) -> Act:
    """Delete a client."""

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        client = await require_client(work, client_id)
        await administration.delete_client(work, actor, client)
        return documents.client_document(client)

    return in_one_unit(step)


def add_secret(client_id: str, expires_in: timedelta | None) -> Act:
    """Give a client another secret."""
    client_secret = administration.new_client_secret()
    secret_hash = hash_now(client_secret)

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        client = await require_client(work, client_id)
        expires_at = await _from_now(work, expires_in)
        added = await administration.add_client_secret(work, actor, client, secret_hash, expires_at=expires_at)
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
        await administration.delete_client_secret(work, actor, client, wanted)
        return next(documents.secret_document(secret) for secret in kept if secret.secret_id == wanted)

    return in_one_unit(step)


# ------------------------------------------------------------------ audit


def list_audit_events(account_name: str | None, since: timedelta | None, limit: int) -> Act:
    """Events of all accounts, or of one, the newest first."""

    async def step(work: UnitOfWork, _: Actor) -> Result:
        reach = await _reach(work, account_name)
        accounts = await account_store.list_accounts(work.connection, EVERY_ACCOUNT)
        numbers = {account.account_id: account.number for account in accounts}
        start = None if since is None else await audit.now(work.connection) - since
        events = await audit.list_events(work.connection, reach, since=start, limit=limit)
        return [documents.audit_document(event, numbers.get(event.account_id)) for event in events]

    return in_one_unit(step)


# ------------------------------------------------------------------ below the commands


async def _reach(work: UnitOfWork, account_name: str | None) -> Reach:
    if account_name is None:
        return EVERY_ACCOUNT
    return (await require_account(work, account_name)).account_id


async def _from_now(work: UnitOfWork, span: timedelta | None) -> datetime | None:
    return None if span is None else await audit.now(work.connection) + span


def _new_password(*, password_stdin: bool) -> str | None:
    """The password from standard input or, asked twice, from the terminal; None where there is neither.

    Raises:
        WrongUsage: the two differ, or standard input has none.
    """
    if password_stdin:
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise WrongUsage("there is no password on standard input")
        return line
    if not sys.stdin.isatty():
        return None
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise WrongUsage("the two passwords differ; nothing was changed")
    return password


def _check_rules(password: str, names: Sequence[str]) -> None:
    try:
        check_rules(password, names=names)
    except InvalidInput as error:
        raise WrongUsage(error.message) from error
