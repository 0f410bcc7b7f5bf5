"""``busbar key|client``: the words of the commands. What they do is in ``credential_acts.py``, imported when one runs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import OfAccount, act_command, duration

if TYPE_CHECKING:
    from services.cli.acts import Act

key = typer.Typer(help="API keys of a user, for scripts.", no_args_is_help=True)
client = typer.Typer(help="OAuth2 clients of an account.", no_args_is_help=True)
secret = typer.Typer(help="Secrets of an OAuth2 client, at most two at a time.", no_args_is_help=True)
client.add_typer(secret, name="secret")

KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="The eight characters after bb_.")]
ClientId = Annotated[str, typer.Argument(metavar="CLIENT_ID", help="Id of the client.")]
ExpiresIn = Annotated[
    timedelta | None,
    typer.Option("--expires-in", parser=duration, metavar="SPAN", help="Such as 90d (default: never)."),
]


# ------------------------------------------------------------------ API keys


@act_command(key, "create")
def key_create(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="E-mail address of the user.")],
    name: Annotated[str, typer.Option("--name", metavar="LABEL", help="What it is for.")],
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="read, storage, jobs, reconfiguration or flexibility; repeatable (default: all)."),
    ] = None,
    expires_in: ExpiresIn = None,
) -> Act:
    """Make an API key of a user. It is shown this once."""
    from services.cli.credential_acts import create_key

    return create_key(email=email, name=name, scopes=scopes or [], expires_in=expires_in)


@act_command(key, "list")
def key_list(
    account_name: OfAccount = None,
    email: Annotated[str | None, typer.Option("--user", metavar="EMAIL", help="Only those of this user.")] = None,
) -> Act:
    """List API keys."""
    from services.cli.credential_acts import list_keys

    return list_keys(account_name=account_name, email=email)


@act_command(key, "disable")
def key_disable(key_id: KeyId) -> Act:
    """Let a key in no more."""
    from services.cli.credential_acts import set_key_active

    return set_key_active(key_id=key_id, is_active=False)


@act_command(key, "enable")
def key_enable(key_id: KeyId) -> Act:
    """Let a key in again."""
    from services.cli.credential_acts import set_key_active

    return set_key_active(key_id=key_id, is_active=True)


@act_command(key, "delete")
def key_delete(key_id: KeyId) -> Act:
    """Delete a key."""
    from services.cli.credential_acts import delete_key

    return delete_key(key_id=key_id)


# ------------------------------------------------------------------ OAuth2 clients


@act_command(client, "create")
def client_create(  # one parameter for each option
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
        typer.Option("--grid-owner", metavar="ID", help="Repeatable (default: those of the account when it asks)."),
    ] = None,
) -> Act:
    """Make an OAuth2 client. Its secret is shown this once."""
    from services.cli.credential_acts import create_client

    return create_client(
        name=name,
        grid_owners=grid_owners,
        account_name=account_name,
        roles=roles,
        region=region,
        environment=environment,
    )


@act_command(client, "list")
def client_list(account_name: OfAccount = None) -> Act:
    """List OAuth2 clients."""
    from services.cli.credential_acts import list_clients

    return list_clients(account_name=account_name)


@act_command(client, "disable")
def client_disable(client_id: ClientId) -> Act:
    """Let a client in no more."""
    from services.cli.credential_acts import set_client_active

    return set_client_active(client_id=client_id, is_active=False)


@act_command(client, "enable")
def client_enable(client_id: ClientId) -> Act:
    """Let a client in again."""
    from services.cli.credential_acts import set_client_active

    return set_client_active(client_id=client_id, is_active=True)


@act_command(client, "delete")
def client_delete(client_id: ClientId) -> Act:
    """Delete a client with its secrets."""
    from services.cli.credential_acts import delete_client

    return delete_client(client_id=client_id)


@act_command(secret, "add")
def secret_add(
    client_id: ClientId,
    expires_in: ExpiresIn = None,
) -> Act:
    """Give a client a second secret. It is shown this once."""
    from services.cli.credential_acts import add_secret

    return add_secret(client_id=client_id, expires_in=expires_in)


@act_command(secret, "list")
def secret_list(client_id: ClientId) -> Act:
    """List a client's secrets, without the secrets."""
    from services.cli.credential_acts import list_secrets

    return list_secrets(client_id=client_id)


@act_command(secret, "delete")
def secret_delete(
    client_id: ClientId,
    secret_id: Annotated[str, typer.Argument(metavar="SECRET_ID", help="As listed.")],
) -> Act:
    """Delete a secret of a client."""
    from services.cli.credential_acts import delete_secret

    return delete_secret(client_id=client_id, secret_id=secret_id)
