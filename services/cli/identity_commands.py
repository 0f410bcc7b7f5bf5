"""``busbar account|user|key|client|audit``: the words of the identity commands. What they do is in ``identity.py``, imported when one runs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

import typer

from services.cli.options import AsJson, DataDir, EnvFile, read_settings

account = typer.Typer(help="Accounts: organisations, to which all data belong.", no_args_is_help=True)
user = typer.Typer(help="Users of an account.", no_args_is_help=True)
key = typer.Typer(help="API keys of a user, for scripts.", no_args_is_help=True)
client = typer.Typer(help="OAuth2 clients of an account.", no_args_is_help=True)
secret = typer.Typer(help="Secrets of an OAuth2 client, at most two at a time.", no_args_is_help=True)
client.add_typer(secret, name="secret")

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST_DAYS = 36500


def duration(text: str) -> timedelta:
    """A span of time such as 90d, 24h, 30m."""
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhdw])", text)
    span = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if span is None or span.days > LONGEST_DAYS:
        raise typer.BadParameter(f"'{text}' is no span of time; expected a number with s, m, h, d or w, such as 90d")
    return span


AccountName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")]
OfAccount = Annotated[str | None, typer.Option("--account", metavar="NAME", help="Only those of this account.")]
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="E-mail address of the user.")]
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="The eight characters after bb_.")]
ClientId = Annotated[str, typer.Argument(metavar="CLIENT_ID", help="Id of the client.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password, one line, from standard input.")
]
ExpiresIn = Annotated[
    timedelta | None,
    typer.Option("--expires-in", parser=duration, metavar="SPAN", help="Such as 90d [default: never]."),
]


def _run(act: str, as_json: bool, data_dir: Any, env_file: Any, **given: Any) -> None:  # Any: as the options give them
    from services.cli import acts, identity

    acts.run(read_settings(env_file, data_dir=data_dir).settings, getattr(identity, act)(**given), as_json=as_json)


# ------------------------------------------------------------------ accounts


@account.command("create")
def account_create(
    name: AccountName,
    roles: Annotated[list[str] | None, typer.Option("--role", help="Such as Prosumer or Consultancy.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
) -> None:
    """Make an account."""
    _run("create_account", as_json, data_dir, env_file, name=name, roles=roles or [])


@account.command("list")
def account_list(as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """List all accounts."""
    _run("list_accounts", as_json, data_dir, env_file)


@account.command("disable")
def account_disable(
    name: AccountName, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None
) -> None:
    """Let nobody of an account in any more."""
    _run("set_account_active", as_json, data_dir, env_file, name=name, is_active=False)


@account.command("enable")
def account_enable(
    name: AccountName, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None
) -> None:
    """Let the users, keys and clients of an account in again."""
    _run("set_account_active", as_json, data_dir, env_file, name=name, is_active=True)


@account.command("delete")
def account_delete(
    name: AccountName, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None
) -> None:
    """Delete an account with everything that belongs to it."""
    _run("delete_account", as_json, data_dir, env_file, name=name)


# ------------------------------------------------------------------ users


@user.command("create")
def user_create(
    email: Email,
    account_name: Annotated[str, typer.Option("--account", metavar="NAME", help="The user's account.")],
    roles: Annotated[
        list[str] | None, typer.Option("--role", help="admin, admin-reader, account-admin or consultant; repeatable.")
    ] = None,
    username: Annotated[str | None, typer.Option("--username", help="[default: the part before the @]")] = None,
    password_stdin: PasswordStdin = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
) -> None:
    """Make a user; on a terminal the password is asked for."""
    given = {"account_name": account_name, "roles": roles or [], "username": username}
    _run("create_user", as_json, data_dir, env_file, email=email, password_stdin=password_stdin, **given)


@user.command("list")
def user_list(
    account_name: OfAccount = None, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None
) -> None:
    """List users."""
    _run("list_users", as_json, data_dir, env_file, account_name=account_name)


@user.command("password")
def user_password(
    email: Email,
    password_stdin: PasswordStdin = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
) -> None:
    """Give a user another password; tokens and web sessions end."""
    _run("change_password", as_json, data_dir, env_file, email=email, password_stdin=password_stdin)


@user.command("disable")
def user_disable(email: Email, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """Let a user in no more."""
    _run("set_user_active", as_json, data_dir, env_file, email=email, is_active=False)


@user.command("enable")
def user_enable(email: Email, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """Let a user in again."""
    _run("set_user_active", as_json, data_dir, env_file, email=email, is_active=True)


@user.command("delete")
def user_delete(email: Email, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """Delete a user with API keys; the account's data stay."""
    _run("delete_user", as_json, data_dir, env_file, email=email)


# ------------------------------------------------------------------ API keys


@key.command("create")
def key_create(
    email: Email,
    name: Annotated[str, typer.Option("--name", metavar="LABEL", help="What it is for.")],
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="read, storage, jobs, reconfiguration or flexibility; repeatable [default: all]."),
    ] = None,
    expires_in: ExpiresIn = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
) -> None:
    """Make an API key of a user. It is shown this once."""
    given = {"name": name, "scopes": scopes or [], "expires_in": expires_in}
    _run("create_key", as_json, data_dir, env_file, email=email, **given)


@key.command("list")
def key_list(
    account_name: OfAccount = None,
    email: Annotated[str | None, typer.Option("--user", metavar="EMAIL", help="Only those of this user.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
) -> None:
    """List API keys."""
    _run("list_keys", as_json, data_dir, env_file, account_name=account_name, email=email)


@key.command("disable")
def key_disable(key_id: KeyId, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """Let a key in no more."""
    _run("set_key_active", as_json, data_dir, env_file, key_id=key_id, is_active=False)


@key.command("enable")
def key_enable(key_id: KeyId, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """Let a key in again."""
    _run("set_key_active", as_json, data_dir, env_file, key_id=key_id, is_active=True)


@key.command("delete")
def key_delete(key_id: KeyId, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
    """Delete a key."""
    _run("delete_key", as_json, data_dir, env_file, key_id=key_id)


# ------------------------------------------------------------------ OAuth2 clients


@client.command("create")
def client_create(  # noqa: PLR0917  # one parameter for each option
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is.")],
    account_name: Annotated[str, typer.Option("--account", metavar="NAME", help="The client's account.")],
    roles: Annotated[
        list[str],
        typer.Option(
            "--role", help="api_consumer, ingest, asset_admin, platform_admin, or a scope of keys; repeatable."
        ),
    ],
    region: Annotated[str, typer.Option("--region", help="eu or us.")] = "eu",
    environment: Annotated[str, typer.Option("--environment", help="production or developer.")] = "production",
    grid_owners: Annotated[
        list[str] | None,
        typer.Option("--grid-owner", metavar="ID", help="Repeatable [default: those of the account when it asks]."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
) -> None:
    """Make an OAuth2 client. Its secret is shown this once."""
    given = {"account_name": account_name, "roles": roles, "region": region, "environment": environment}
    _run("create_client", as_json, data_dir, env_file, name=name, grid_owners=grid_owners, **given)


@client.command("list")
def client_list(
    account_name: OfAccount = None, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None
) -> None:
    """List OAuth2 clients."""
    _run("list_clients", as_json, data_dir, env_file, account_name=account_name)


@client.command("disable")
def client_disable(
    client_id: ClientId, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None
) -> None:
    """Let a client in no more."""
    _run("set_client_active", as_json, data_dir, env_file, client_id=client_id, is_active=False)


@client.command("enable")
def client_enable(
    client_id: ClientId, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None
) -> None:
    """Let a client in again."""
    _run("set_client_active", as_json, data_dir, env_file, client_id=client_id, is_active=True)


@client.command("delete")
def client_delete(
    client_id: ClientId, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None
) -> None:
    """Delete a client with its secrets."""
    _run("delete_client", as_json, data_dir, env_file, client_id=client_id)


@secret.command("add")
def secret_add(
    client_id: ClientId,
    expires_in: ExpiresIn = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
) -> None:
    """Give a client a second secret. It is shown this once."""
    _run("add_secret", as_json, data_dir, env_file, client_id=client_id, expires_in=expires_in)


@secret.command("list")
def secret_list(
    client_id: ClientId, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None
) -> None:
    """List a client's secrets, without the secrets."""
    _run("list_secrets", as_json, data_dir, env_file, client_id=client_id)


@secret.command("delete")
def secret_delete(
    client_id: ClientId,
    secret_id: Annotated[str, typer.Argument(metavar="SECRET_ID", help="As listed.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
) -> None:
    """Delete a secret of a client."""
    _run("delete_secret", as_json, data_dir, env_file, client_id=client_id, secret_id=secret_id)


# ------------------------------------------------------------------ audit


def audit(
    account_name: OfAccount = None,
    since: Annotated[
        timedelta | None, typer.Option("--since", parser=duration, metavar="SPAN", help="Such as 24h [default: all].")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest.")] = 1000,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
) -> None:
    """Show who did what to which object, from where, when; the newest first."""
    _run("list_audit_events", as_json, data_dir, env_file, account_name=account_name, since=since, limit=limit)
