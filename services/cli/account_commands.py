"""``busbar account|user|audit``: the words of the commands. What they do is in ``account_acts.py``, imported when one runs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import OfAccount, act_command, duration

if TYPE_CHECKING:
    from services.cli.acts import Act

account = typer.Typer(help="Accounts: organisations, to which all data belong.", no_args_is_help=True)
user = typer.Typer(help="Users of an account.", no_args_is_help=True)

AccountName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")]
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="E-mail address of the user.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password, one line, from standard input.")
]


# ------------------------------------------------------------------ accounts


@act_command(account, "create")
def account_create(
    name: AccountName,
    roles: Annotated[list[str] | None, typer.Option("--role", help="Such as Prosumer or Consultancy.")] = None,
) -> Act:
    """Make an account."""
    from services.cli.account_acts import create_account

    return create_account(name=name, roles=roles or [])


@act_command(account, "list")
def account_list() -> Act:
    """List all accounts."""
    from services.cli.account_acts import list_accounts

    return list_accounts()


@act_command(account, "disable")
def account_disable(name: AccountName) -> Act:
    """Let nobody of an account in any more."""
    from services.cli.account_acts import set_account_active

    return set_account_active(name=name, is_active=False)


@act_command(account, "enable")
def account_enable(name: AccountName) -> Act:
    """Let the users, keys and clients of an account in again."""
    from services.cli.account_acts import set_account_active

    return set_account_active(name=name, is_active=True)


@act_command(account, "delete")
def account_delete(name: AccountName) -> Act:
    """Delete an account with everything that belongs to it."""
    from services.cli.account_acts import delete_account

    return delete_account(name=name)


# ------------------------------------------------------------------ users


@act_command(user, "create")
def user_create(
    email: Email,
    account_name: Annotated[str, typer.Option("--account", metavar="NAME", help="The user's account.")],
    roles: Annotated[
        list[str] | None, typer.Option("--role", help="admin, admin-reader, account-admin or consultant; repeatable.")
    ] = None,
    username: Annotated[
        str | None, typer.Option("--username", help="Name of the user (default: the part before the @).")
    ] = None,
    password_stdin: PasswordStdin = False,
) -> Act:
    """Make a user; on a terminal the password is asked for."""
    from services.cli.account_acts import create_user

    return create_user(
        email=email, password_stdin=password_stdin, account_name=account_name, roles=roles or [], username=username
    )


@act_command(user, "list")
def user_list(account_name: OfAccount = None) -> Act:
    """List users."""
    from services.cli.account_acts import list_users

    return list_users(account_name=account_name)


@act_command(user, "password")
def user_password(
    email: Email,
    password_stdin: PasswordStdin = False,
) -> Act:
    """Give a user another password; tokens and web sessions end."""
    from services.cli.account_acts import change_password

    return change_password(email=email, password_stdin=password_stdin)


@act_command(user, "disable")
def user_disable(email: Email) -> Act:
    """Let a user in no more."""
    from services.cli.account_acts import set_user_active

    return set_user_active(email=email, is_active=False)


@act_command(user, "enable")
def user_enable(email: Email) -> Act:
    """Let a user in again."""
    from services.cli.account_acts import set_user_active

    return set_user_active(email=email, is_active=True)


@act_command(user, "delete")
def user_delete(email: Email) -> Act:
    """Delete a user with API keys; the account's data stay."""
    from services.cli.account_acts import delete_user

    return delete_user(email=email)


# ------------------------------------------------------------------ audit


def audit(
    account_name: OfAccount = None,
    since: Annotated[
        timedelta | None, typer.Option("--since", parser=duration, metavar="SPAN", help="Such as 24h (default: all).")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest.")] = 1000,
) -> Act:
    """Show who did what to which object, from where, when; the newest first."""
    from services.cli.account_acts import list_audit_events

    return list_audit_events(account_name=account_name, since=since, limit=limit)
