"""Handlers of accounts."""

from __future__ import annotations

from services.gateway.dialects.administration.authority import authority_of
from services.gateway.dialects.administration.finding import account_of
from services.gateway.dialects.administration.replies import created, done
from services.gateway.dialects.administration.schemas import NewAccount
from services.gateway.dialects.administration.service import Administration
from services.gateway.dialects.administration.work import changing
from services.gateway.http.call import Call, Reply, json_reply
from shared.identity import account_store, administration
from shared.identity.documents import account_document


async def list_accounts(app: Administration, call: Call[None, None]) -> Reply:
    """Every account within reach."""
    reach = authority_of(call.identity).reach
    async with app.database.reading(reach) as connection:
        found = await account_store.list_accounts(connection, reach)
    return json_reply([account_document(account) for account in found])


async def show_account(app: Administration, call: Call[None, None]) -> Reply:
    """One account."""
    reach = authority_of(call.identity).reach
    async with app.database.reading(reach) as connection:
        found = await account_of(connection, reach, call.ids["account_id"])
    return json_reply(account_document(found))


async def create_account(app: Administration, call: Call[None, NewAccount]) -> Reply:
    """Make an account."""
    async with changing(app) as work:
        made = await administration.create_account(work, call.actor, call.body.name, roles=call.body.roles)
    return created(account_document(made), f"accounts/{made.number}")


async def disable_account(app: Administration, call: Call[None, None]) -> Reply:
    """Let nobody of an account in any more."""
    return await _set_active(app, call, is_active=False)


async def enable_account(app: Administration, call: Call[None, None]) -> Reply:
    """Let an account in again."""
    return await _set_active(app, call, is_active=True)


async def delete_account(app: Administration, call: Call[None, None]) -> Reply:
    """Delete an account with everything that belongs to it."""
    reach = authority_of(call.identity, to_change=True).reach
    async with changing(app) as work:
        found = await account_of(work.connection, reach, call.ids["account_id"])
        await administration.delete_account(work, call.actor, found)
    return done()


async def _set_active(app: Administration, call: Call[None, None], *, is_active: bool) -> Reply:
    reach = authority_of(call.identity, to_change=True).reach
    async with changing(app) as work:
        found = await account_of(work.connection, reach, call.ids["account_id"])
        changed = await administration.set_account_active(work, call.actor, found, is_active=is_active)
    return json_reply(account_document(changed))
