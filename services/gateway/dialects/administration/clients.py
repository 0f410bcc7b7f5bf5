"""Handlers of OAuth2 clients and their secrets."""

from __future__ import annotations

from services.gateway.dialects.administration.authority import authority_of
from services.gateway.dialects.administration.finding import account_or_own, client_of, narrowed, secret_id_of
from services.gateway.dialects.administration.replies import created, done
from services.gateway.dialects.administration.schemas import NewOAuthClient, NewSecret, OfAccount
from services.gateway.dialects.administration.service import Administration
from services.gateway.dialects.administration.work import changing
from services.gateway.http.call import Call, Reply, json_reply
from shared.identity import client_store, credential_administration
from shared.identity.client_store import NewClient
from shared.identity.documents import client_document, new_client_document, new_secret_document, secret_document


async def list_clients(app: Administration, call: Call[OfAccount, None]) -> Reply:
    """Every client within reach."""
    reach = authority_of(call.identity).reach
    async with app.database.reading(reach) as connection:
        whose = await narrowed(connection, reach, call.query.account_id)
        found = await client_store.list_clients(connection, whose)
    return json_reply([client_document(client) for client in found])


async def show_client(app: Administration, call: Call[None, None]) -> Reply:
    """One client."""
    reach = authority_of(call.identity).reach
    async with app.database.reading(reach) as connection:
        found = await client_of(connection, reach, call.ids["client_id"])
    return json_reply(client_document(found))


async def create_client(app: Administration, call: Call[None, NewOAuthClient]) -> Reply:
    """Make a client; its secret is shown this once."""
    authority, wanted = authority_of(call.identity, to_change=True), call.body
    secret = credential_administration.new_client_secret()
    secret_hash = await app.hasher.hash(secret)
    new = NewClient(
        name=wanted.name,
        roles=tuple(dict.fromkeys(wanted.roles)),
        region=wanted.region,
        environment=wanted.environment,
        grid_owners=None if wanted.grid_owners is None else tuple(wanted.grid_owners),
    )
    async with changing(app) as work:
        account = await account_or_own(work.connection, authority.reach, wanted.account_id, call.identity.account_id)
        made = await credential_administration.create_client(work, call.actor, account.account_id, new, secret_hash)
    return created(new_client_document(made, secret), f"clients/{made.client_id}")


async def disable_client(app: Administration, call: Call[None, None]) -> Reply:
    """Let a client in no more."""
    return await _set_active(app, call, is_active=False)


async def enable_client(app: Administration, call: Call[None, None]) -> Reply:
    """Let a client in again."""
    return await _set_active(app, call, is_active=True)


async def delete_client(app: Administration, call: Call[None, None]) -> Reply:
    """Delete a client."""
    reach = authority_of(call.identity, to_change=True).reach
    async with changing(app) as work:
        found = await client_of(work.connection, reach, call.ids["client_id"])
        await credential_administration.delete_client(work, call.actor, found)
    return done()


async def list_secrets(app: Administration, call: Call[None, None]) -> Reply:
    """Which secrets a client has, without the secrets."""
    reach = authority_of(call.identity).reach
    async with app.database.reading(reach) as connection:
        found = await client_of(connection, reach, call.ids["client_id"])
        secrets = await client_store.list_secrets(connection, reach, found.client_id)
    return json_reply([secret_document(secret) for secret in secrets])


async def create_secret(app: Administration, call: Call[None, NewSecret]) -> Reply:
    """Give a client another secret; it is shown this once."""
    reach = authority_of(call.identity, to_change=True).reach
    secret = credential_administration.new_client_secret()
    secret_hash = await app.hasher.hash(secret)
    async with changing(app) as work:
        found = await client_of(work.connection, reach, call.ids["client_id"])
        made = await credential_administration.add_client_secret(
            work, call.actor, found, secret_hash, expires_at=call.body.expires_at
        )
    return created(new_secret_document(made, secret), f"clients/{found.client_id}/secrets/{made.secret_id}")


async def delete_secret(app: Administration, call: Call[None, None]) -> Reply:
    """Delete a client's secret."""
    reach = authority_of(call.identity, to_change=True).reach
    async with changing(app) as work:
        found = await client_of(work.connection, reach, call.ids["client_id"])
        await credential_administration.delete_client_secret(
            work, call.actor, found, secret_id_of(call.ids["secret_id"])
        )
    return done()


async def _set_active(app: Administration, call: Call[None, None], *, is_active: bool) -> Reply:
    reach = authority_of(call.identity, to_change=True).reach
    async with changing(app) as work:
        found = await client_of(work.connection, reach, call.ids["client_id"])
        changed = await credential_administration.set_client_active(work, call.actor, found, is_active=is_active)
    return json_reply(client_document(changed))
