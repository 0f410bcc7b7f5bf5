"""What the commands for accounts, users and the audit record do. Each function gives an act: what is done on the database, and then printed.

They write to the database directly, so that the first account needs no running service.
"""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from services.cli.acts import Act, Result, command_line_actor, in_one_unit, on_one
from services.cli.named import reach_of, require_account, require_user
from services.cli.usage import WrongUsage
from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import EVERY_ACCOUNT, UnitOfWork
from shared.errors import InvalidInput
from shared.identity import account_store, administration, audit, documents, user_store
from shared.identity.passwords import check_rules, hash_now
from shared.identity.principals import Actor, own_names

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
    change = partial(administration.set_account_active, is_active=is_active)
    return on_one(require_account, name, change, documents.account_document)


def delete_account(name: str) -> Act:
    """Delete an account with everything."""
    return on_one(require_account, name, administration.delete_account, documents.account_document)


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
        reach = await reach_of(work, account_name)
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
    change = partial(administration.set_user_active, is_active=is_active)
    return on_one(require_user, email, change, documents.user_document)


def delete_user(email: str) -> Act:
    """Delete a user."""
    return on_one(require_user, email, administration.delete_user, documents.user_document)


# ------------------------------------------------------------------ audit


def list_audit_events(account_name: str | None, since: timedelta | None, limit: int) -> Act:
    """Events of all accounts, or of one, the newest first."""

    async def step(work: UnitOfWork, _: Actor) -> Result:
        reach = await reach_of(work, account_name)
        accounts = await account_store.list_accounts(work.connection, EVERY_ACCOUNT)
        numbers = {account.account_id: account.number for account in accounts}
        start = None if since is None else await audit.now(work.connection) - since
        events = await audit.list_events(work.connection, reach, since=start, limit=limit)
        return [documents.audit_document(event, numbers.get(event.account_id)) for event in events]

    return in_one_unit(step)


# ------------------------------------------------------------------ below the commands


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
