"""Accounts: list, show, make, change, and what happened in them."""

from __future__ import annotations

from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility import people_store
from services.gateway.dialects.flexibility.errors import NotPermitted, UnknownAccount
from services.gateway.dialects.flexibility.listing import check_is_there, slice_of
from services.gateway.dialects.flexibility.people_store import AccountRow
from services.gateway.dialects.flexibility.permissions import (
    Caller,
    caller_of,
    may_change_account,
    may_create_account,
    may_read,
    may_read_audit_log,
)
from services.gateway.dialects.flexibility.reading import Given, number_in_path, parameters_of
from services.gateway.dialects.flexibility.request_schemas import AccountPatch, ListAccounts, NewAccount
from services.gateway.dialects.flexibility.schemas import AccountPage
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.translate import (
    account_answer_of,
    account_event_of,
    account_info_of,
    counted_account_of,
)
from services.gateway.dialects.flexibility.validation import JSON_BODY, invalid_field, refused_values
from services.gateway.dialects.flexibility.wire import list_reply, object_reply
from services.gateway.http.call import Call, Reply
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import account_store, administration
from shared.identity.account_store import AccountChanges
from shared.identity.principals import Account
from shared.ids import AccountId

# What only an admin of the site may set.
OF_THE_SITE = frozenset({"plan_id", "consultancy_account_id"})
# Of an account's audit log, which has no pages.
MOST_EVENTS = 1000


async def list_accounts(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """The accounts that the caller may read: all as a plain list, or a page of them with counts."""
    wanted = parameters_of(ListAccounts, call)
    part = slice_of(wanted, sort_by=wanted.sort_by)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        found = await people_store.list_accounts(connection, caller_of(call.identity), part, role=wanted.role)
    if part.limit is None:
        return list_reply([account_info_of(row) for row in found.rows])
    check_is_there(part, found.filtered)
    data = [counted_account_of(row) for row in found.rows]
    return object_reply(AccountPage(data=data, num_records=found.total, filtered_records=found.filtered))


async def get_account(app: Flexibility, call: Call[None, None]) -> Reply:
    """One account."""
    number = number_in_path(call, UnknownAccount)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        row = await readable_account(connection, caller_of(call.identity), number)
    return object_reply(account_answer_of(row))


async def create_account(app: Flexibility, call: Call[None, NewAccount]) -> Reply:
    """Make an account; one that a consultant makes becomes a client of theirs."""
    caller, new = caller_of(call.identity), call.body
    if not may_create_account(caller) or (not caller.is_admin and new.model_fields_set & OF_THE_SITE):
        raise NotPermitted
    async with app.database.unit_of_work(EVERY_ACCOUNT) as work:
        connection = work.connection
        changes = await _changes_of(connection, new)
        changes.pop("name", None)
        if not caller.is_admin:
            changes["consultancy_account_id"] = caller.account_id
        with refused_values():
            account = await administration.create_account(work, call.actor, new.name)
        # Its first values belong to its making, which the audit record has already.
        await account_store.update_account(connection, account.account_id, changes)
        row = await existing_account(connection, account.number)
    return object_reply(account_info_of(row), status=201)


async def change_account(app: Flexibility, call: Call[None, AccountPatch]) -> Reply:
    """Change some fields of an account."""
    number, caller = number_in_path(call, UnknownAccount), caller_of(call.identity)
    async with app.database.unit_of_work(EVERY_ACCOUNT) as work:
        connection = work.connection
        row = await readable_account(connection, caller, number)
        if not may_change_account(caller, row.owner):
            raise NotPermitted
        if not caller.is_admin and call.body.model_fields_set & OF_THE_SITE:
            raise NotPermitted
        changes = await _changes_of(connection, call.body)
        if changes.get("consultancy_account_id") == row.owner.account_id:
            raise invalid_field(JSON_BODY, "consultancy_account_id", "An account cannot be its own consultancy.")
        if changes:
            account = await _account(connection, row)
            with refused_values():
                await administration.update_account(work, call.actor, account, changes)
            row = await existing_account(connection, number)
    return object_reply(account_answer_of(row))


async def list_account_events(app: Flexibility, call: Call[None, None]) -> Reply:
    """What happened in an account, the newest first."""
    number, caller = number_in_path(call, UnknownAccount), caller_of(call.identity)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        row = await readable_account(connection, caller, number)
        if not may_read_audit_log(caller, row.owner):
            raise NotPermitted
        events = await people_store.list_account_events(connection, row.owner, limit=MOST_EVENTS)
    return list_reply([account_event_of(event) for event in events])


async def readable_account(connection: AsyncConnection, caller: Caller, number: int) -> AccountRow:
    """An account that the caller may read.

    Raises:
        UnknownAccount: there is none of this number. NotPermitted: it is somebody else's.
    """
    row = await existing_account(connection, number)
    if not may_read(caller, row.owner):
        raise NotPermitted
    return row


async def existing_account(connection: AsyncConnection, number: int) -> AccountRow:
    """An account, whoever asks.

    Raises:
        UnknownAccount: there is none of this number.
    """
    row = await people_store.find_account(connection, number)
    if row is None:
        raise UnknownAccount(number)
    return row


async def _account(connection: AsyncConnection, row: AccountRow) -> Account:
    account = await account_store.find_account(connection, EVERY_ACCOUNT, row.owner.account_id)
    if account is None:
        raise UnknownAccount(row.number)
    return account


async def _changes_of(connection: AsyncConnection, body: NewAccount | AccountPatch) -> AccountChanges:
    """What was given, under our names."""
    given = body.model_dump(include=body.model_fields_set - {"consultancy_account_id"})
    changes = cast("AccountChanges", given)  # the fields of both bodies are named as ours
    if "consultancy_account_id" in body.model_fields_set:
        changes["consultancy_account_id"] = await _consultancy(connection, body.consultancy_account_id)
    return changes


async def _consultancy(connection: AsyncConnection, number: int | None) -> AccountId | None:
    if number is None:
        return None
    row = await people_store.find_account(connection, number)
    if row is None:
        raise invalid_field(JSON_BODY, "consultancy_account_id", f"No account found with ID {number}.")
    return row.owner.account_id
