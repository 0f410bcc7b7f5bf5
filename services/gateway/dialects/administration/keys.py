"""Handlers of API keys."""

from __future__ import annotations

from services.gateway.dialects.administration.authority import Authority, authority_of
from services.gateway.dialects.administration.finding import key_of, narrowed, user_of
from services.gateway.dialects.administration.replies import created, done
from services.gateway.dialects.administration.schemas import NewKey, OfUser
from services.gateway.dialects.administration.service import Administration
from services.gateway.dialects.administration.work import changing
from services.gateway.http.call import Call, Reply, json_reply
from shared.db.unit_of_work import UnitOfWork
from shared.identity import credential_administration, key_store
from shared.identity.documents import key_document, new_key_document
from shared.identity.principals import ApiKey


async def list_keys(app: Administration, call: Call[OfUser, None]) -> Reply:
    """Every API key within reach."""
    reach, wanted = authority_of(call.identity).reach, call.query
    async with app.database.reading(reach) as connection:
        whose = await narrowed(connection, reach, wanted.account_id)
        user = None if wanted.user_id is None else await user_of(connection, whose, wanted.user_id)
        found = await key_store.list_keys(connection, whose, user_id=None if user is None else user.user_id)
    return json_reply([key_document(key) for key in found])


async def show_key(app: Administration, call: Call[None, None]) -> Reply:
    """One API key."""
    reach = authority_of(call.identity).reach
    async with app.database.reading(reach) as connection:
        found = await key_of(connection, reach, call.ids["key_id"])
    return json_reply(key_document(found))


async def create_key(app: Administration, call: Call[None, NewKey]) -> Reply:
    """Make an API key of a user; it is shown this once."""
    authority, wanted = authority_of(call.identity, to_change=True), call.body
    async with changing(app) as work:
        user = await user_of(work.connection, authority.reach, wanted.user_id)
        authority.require_over(user)
        made = await credential_administration.create_key(
            work, call.actor, user, name=wanted.name, scopes=wanted.scopes, expires_at=wanted.expires_at
        )
    return created(new_key_document(made.key, made.api_key), f"keys/{made.key.key_id}")


async def disable_key(app: Administration, call: Call[None, None]) -> Reply:
    """Let a key in no more."""
    return await _set_active(app, call, is_active=False)


async def enable_key(app: Administration, call: Call[None, None]) -> Reply:
    """Let a key in again."""
    return await _set_active(app, call, is_active=True)


async def delete_key(app: Administration, call: Call[None, None]) -> Reply:
    """Delete an API key."""
    authority = authority_of(call.identity, to_change=True)
    async with changing(app) as work:
        key = await _key_to_change(work, authority, call.ids["key_id"])
        await credential_administration.delete_key(work, call.actor, key)
    return done()


async def _set_active(app: Administration, call: Call[None, None], *, is_active: bool) -> Reply:
    authority = authority_of(call.identity, to_change=True)
    async with changing(app) as work:
        key = await _key_to_change(work, authority, call.ids["key_id"])
        await credential_administration.set_key_active(work, call.actor, key, is_active=is_active)
        changed = await key_of(work.connection, authority.reach, key.key_id)
    return json_reply(key_document(changed))


async def _key_to_change(work: UnitOfWork, authority: Authority, key_id: str) -> ApiKey:
    found = await key_of(work.connection, authority.reach, key_id)
    authority.require_over(await user_of(work.connection, authority.reach, found.user_number))
    return found
