"""Handlers of the audit record, and of this API's own description."""

from __future__ import annotations

from services.gateway.dialects.administration.authority import authority_of
from services.gateway.dialects.administration.finding import narrowed
from services.gateway.dialects.administration.schemas import OfAudit
from services.gateway.dialects.administration.service import Administration
from services.gateway.http.call import JSON, Call, Reply, json_reply
from services.gateway.http.openapi import served_under
from shared.identity import account_store, audit
from shared.identity.documents import audit_document


async def list_events(app: Administration, call: Call[OfAudit, None]) -> Reply:
    """What happened within reach, the newest first."""
    reach, wanted = authority_of(call.identity).reach, call.query
    async with app.database.reading(reach) as connection:
        whose = await narrowed(connection, reach, wanted.account_id)
        found = await audit.list_events(connection, whose, since=wanted.since, limit=wanted.limit, offset=wanted.offset)
        numbers = {
            account.account_id: account.number for account in await account_store.list_accounts(connection, whose)
        }
    return json_reply([audit_document(event, numbers.get(event.account_id)) for event in found])


async def show_openapi(app: Administration, call: Call[None, None]) -> Reply:
    """The OpenAPI document."""
    return Reply(200, served_under(app.openapi_json, call.head.prefix), JSON)
