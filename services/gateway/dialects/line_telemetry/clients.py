"""Handlers of clients and their secrets. Everything stays within the caller's account; another one's clients do not exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.line_telemetry.client_schemas import (
    ClientData,
    ClientPatch,
    ClientsData,
    ClientSummary,
    ClientView,
    NewClientBody,
    NewClientData,
    NewClientView,
    NewSecretBody,
    NewSecretData,
    NewSecretView,
    members_of,
    secret_view,
)
from services.gateway.http.binding import BindingFailed
from services.gateway.http.call import Call, Reply, document_reply, json_reply
from services.gateway.http.openapi import served_under
from shared.db.unit_of_work import Database
from shared.errors import NotFound
from shared.identity import client_store, credential_administration
from shared.identity.client_store import ClientChanges, NewClient
from shared.identity.passwords import PasswordHasher
from shared.identity.principals import Client
from shared.ids import AccountId

ROOT = "/access/v1/clients"


@dataclass(frozen=True)
class ClientAdministration:
    """What the handlers work with. ``forget_credentials`` makes what this process has just revoked count in it at once."""

    database: Database
    hasher: PasswordHasher
    served_regions: tuple[str, ...]
    forget_credentials: Callable[[], None]
    openapi_json: bytes


async def create_client(app: ClientAdministration, call: Call[None, NewClientBody]) -> Reply:
    """Make a client; its secret is shown this once."""
    wanted = call.body
    region = wanted.region.lower()
    if region not in app.served_regions:
        raise BindingFailed({"$.region": [f"The value '{wanted.region[:100]}' is not valid."]})
    secret = credential_administration.new_client_secret()
    secret_hash = await app.hasher.hash(secret)
    new = NewClient(
        name=wanted.name,
        roles=tuple(wanted.roles),
        region=region,
        environment=wanted.environment,
        grid_owners=_texts(wanted.grid_owner_ids),
    )
    account_id = call.identity.account_id
    async with app.database.unit_of_work(account_id) as work:
        made = await credential_administration.create_client(work, call.actor, account_id, new, secret_hash)
    view = NewClientView(**members_of(made), client_secret=secret)
    return _created(json_reply(NewClientData(data=view), status=201), made.client_id)


async def list_clients(app: ClientAdministration, call: Call[None, None]) -> Reply:
    """All clients of the account."""
    account_id = call.identity.account_id
    async with app.database.reading(account_id) as connection:
        found = await client_store.list_clients(connection, account_id)
    return json_reply(ClientsData(data=[ClientSummary(**members_of(client)) for client in found]))


async def get_client(app: ClientAdministration, call: Call[None, None]) -> Reply:
    """One client with its secrets."""
    account_id = call.identity.account_id
    async with app.database.reading(account_id) as connection:
        view = await _view(connection, account_id, await _client(connection, call))
    return json_reply(ClientData(data=view))


async def update_client(app: ClientAdministration, call: Call[None, ClientPatch]) -> Reply:
    """Change a client."""
    given, patch = call.body.model_fields_set, call.body
    changes: ClientChanges = {}
    if "name" in given:
        changes["name"] = patch.name
    if "roles" in given:
        changes["roles"] = tuple(patch.roles)
    if "grid_owner_ids" in given:
        changes["grid_owners"] = _texts(patch.grid_owner_ids)
    account_id = call.identity.account_id
    async with app.database.unit_of_work(account_id) as work:
        work.after_commit.append(app.forget_credentials)
        client = await _client(work.connection, call)
        if changes:
            client = await credential_administration.update_client(work, call.actor, client, changes)
        if "is_active" in given and patch.is_active != client.is_active:
            client = await credential_administration.set_client_active(
                work, call.actor, client, is_active=patch.is_active
            )
        view = await _view(work.connection, account_id, client)
    return json_reply(ClientData(data=view))


async def delete_client(app: ClientAdministration, call: Call[None, None]) -> Reply:
    """Delete a client with its secrets."""
    async with app.database.unit_of_work(call.identity.account_id) as work:
        work.after_commit.append(app.forget_credentials)
        await credential_administration.delete_client(work, call.actor, await _client(work.connection, call))
    return Reply(204)


async def create_secret(app: ClientAdministration, call: Call[None, NewSecretBody]) -> Reply:
    """Give a client another secret; it is shown this once."""
    secret = credential_administration.new_client_secret()
    secret_hash = await app.hasher.hash(secret)
    async with app.database.unit_of_work(call.identity.account_id) as work:
        client = await _client(work.connection, call)
        made = await credential_administration.add_client_secret(
            work, call.actor, client, secret_hash, expires_at=call.body.expires_at
        )
    view = NewSecretView(**secret_view(made).model_dump(mode="python", round_trip=True), client_secret=secret)
    return _created(json_reply(NewSecretData(data=view), status=201), f"{client.client_id}/secrets/{made.secret_id}")


async def delete_secret(app: ClientAdministration, call: Call[None, None]) -> Reply:
    """Delete a client's secret; the tokens that were obtained with it end."""
    secret_id = _uuid(call.ids["secret_id"], "secret_id")
    async with app.database.unit_of_work(call.identity.account_id) as work:
        work.after_commit.append(app.forget_credentials)
        client = await _client(work.connection, call)
        await credential_administration.delete_client_secret(work, call.actor, client, secret_id)
    return Reply(204)


async def get_document(app: ClientAdministration, call: Call[None, None]) -> Reply:
    """The OpenAPI document of the module."""
    return document_reply(served_under(app.openapi_json, call.head.prefix))


async def get_document_as_yaml(app: ClientAdministration, call: Call[None, None]) -> Reply:
    """The same under the name that generators look for: a JSON document is a YAML document too."""
    return Reply(200, served_under(app.openapi_json, call.head.prefix), "application/yaml")


async def _client(connection: AsyncConnection, call: Call[None, Any]) -> Client:
    """The client that a path names, if it is one of the caller's account. (Any: whichever body came with it.)

    Raises:
        NotFound: it is not.
    """
    client = await client_store.find_client(connection, call.identity.account_id, call.ids["client_id"])
    if client is None:
        raise NotFound("There is no such client.")
    return client


async def _view(connection: AsyncConnection, account_id: AccountId, client: Client) -> ClientView:
    secrets = await client_store.list_secrets(connection, account_id, client.client_id)
    return ClientView(**members_of(client), secrets=[secret_view(secret) for secret in secrets])


def _created(reply: Reply, where: str) -> Reply:
    return reply.with_headers({"Location": f"{ROOT}/{where}"})


def _texts(ids: list[UUID] | None) -> tuple[str, ...] | None:
    return None if ids is None else tuple(str(one) for one in ids)


def _uuid(text: str, name: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BindingFailed({name: [f"The value '{text[:100]}' is not valid."]}) from None
