"""Users: list, show, make, change, reset the password, and what they did."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility import people_store
from services.gateway.dialects.flexibility.accounts import readable_account
from services.gateway.dialects.flexibility.errors import NotPermitted, UnknownUser
from services.gateway.dialects.flexibility.listing import check_is_there, slice_of
from services.gateway.dialects.flexibility.people_store import UserRow
from services.gateway.dialects.flexibility.permissions import (
    Caller,
    caller_of,
    may_change_roles,
    may_change_user,
    may_create_in,
    may_read,
    may_read_audit_log_of_user,
)
from services.gateway.dialects.flexibility.reading import Given, number_in_path, parameters_of
from services.gateway.dialects.flexibility.request_schemas import ListUserEvents, ListUsers, NewUser, UserPatch
from services.gateway.dialects.flexibility.schemas import Done, UserEventPage, UserPage
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.translate import (
    created_user_of,
    listed_user_of,
    user_answer_of,
    user_event_of,
    user_role_of,
)
from services.gateway.dialects.flexibility.validation import JSON_BODY, Invalid, invalid_field, refused_values
from services.gateway.dialects.flexibility.wire import list_reply, object_reply
from services.gateway.http.call import Call, Reply
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import account_store, administration, user_store
from shared.identity.principals import USER_ROLES, User
from shared.identity.user_store import UserChanges


async def list_users(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """The users of the caller's account, or of another that they may read: as a plain list, or a page at a time."""
    wanted, caller = parameters_of(ListUsers, call), caller_of(call.identity)
    part = slice_of(wanted, sort_by=wanted.sort_by)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        account_id = caller.account_id
        if wanted.account is not None:
            account_id = (await readable_account(connection, caller, wanted.account)).owner.account_id
        found = await people_store.list_users(
            connection, caller, part, account_id=account_id, is_active_only=not wanted.include_inactive
        )
    data = [listed_user_of(row) for row in found.rows]
    if part.limit is None:
        return list_reply(data)
    check_is_there(part, found.filtered)
    return object_reply(UserPage(data=data, num_records=found.total, filtered_records=found.filtered))


async def get_user(app: Flexibility, call: Call[None, None]) -> Reply:
    """One user."""
    number = number_in_path(call, UnknownUser)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        row = await _readable_user(connection, caller_of(call.identity), number)
    return object_reply(user_answer_of(row))


async def create_user(app: Flexibility, call: Call[None, NewUser]) -> Reply:
    """Make a user, who can sign in once an administrator has set a password."""
    caller, new = caller_of(call.identity), call.body
    async with app.database.unit_of_work(EVERY_ACCOUNT) as work:
        account = await account_store.find_account_by_number(work.connection, EVERY_ACCOUNT, new.account_id)
        row = await people_store.find_account(work.connection, new.account_id)
        if account is None or row is None:
            raise invalid_field(JSON_BODY, "account_id", f"No account found with ID {new.account_id}.")
        if not may_create_in(caller, row.owner):
            raise NotPermitted
        with refused_values():
            user = await administration.create_user(work, call.actor, account, new.email, username=new.username)
        made = await _existing_user(work.connection, user.number)
    return object_reply(created_user_of(made), status=201)


async def change_user(app: Flexibility, call: Call[None, UserPatch]) -> Reply:
    """Change some fields of a user."""
    number, caller, patch = number_in_path(call, UnknownUser), caller_of(call.identity), call.body
    async with app.database.unit_of_work(EVERY_ACCOUNT) as work:
        row = await _readable_user(work.connection, caller, number)
        changes = _permitted_changes(caller, row, patch)
        user = await _user(work.connection, row)
        if changes:
            with refused_values():
                await administration.update_user(work, call.actor, user, changes)
        if _is_switched(row, patch):
            await administration.set_user_active(work, call.actor, user, is_active=patch.active)
        work.after_commit.append(app.forget_credentials)
        row = await _existing_user(work.connection, number)
    return object_reply(user_answer_of(row))


async def reset_password(app: Flexibility, call: Call[None, None]) -> Reply:
    """Make a user's password and tokens worthless; an administrator sets the new one."""
    number, caller = number_in_path(call, UnknownUser), caller_of(call.identity)
    async with app.database.unit_of_work(EVERY_ACCOUNT) as work:
        row = await _readable_user(work.connection, caller, number)
        if not may_change_user(caller, row.owner, row.number, row.roles):
            raise NotPermitted
        await administration.set_password(work, call.actor, await _user(work.connection, row), None)
        work.after_commit.append(app.forget_credentials)
    message = f"The password of user {number} was reset. An administrator of this installation sets a new one."
    return object_reply(Done(message=message))


async def list_user_events(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """What a user did in their account, and what was done to them; always a page at a time."""
    number, caller = number_in_path(call, UnknownUser), caller_of(call.identity)
    wanted = parameters_of(ListUserEvents, call)
    part = slice_of(wanted, sort_by=wanted.sort_by, is_always_paged=True)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        row = await _readable_user(connection, caller, number)
        if not may_read_audit_log_of_user(caller, row.owner, row.number):
            raise NotPermitted
        found = await people_store.list_user_events(connection, row, part)
    check_is_there(part, found.filtered)
    data = [user_event_of(event) for event in found.rows]
    return object_reply(UserEventPage(data=data, num_records=found.total, filtered_records=found.filtered))


async def _readable_user(connection: AsyncConnection, caller: Caller, number: int) -> UserRow:
    """A user that the caller may read. One of another account is as unknown as one who is not there.

    Raises:
        UnknownUser: there is none of this number for the caller.
    """
    row = await _existing_user(connection, number)
    if not may_read(caller, row.owner):
        raise UnknownUser(number)
    return row


async def _existing_user(connection: AsyncConnection, number: int) -> UserRow:
    row = await people_store.find_user(connection, number)
    if row is None:
        raise UnknownUser(number)
    return row


async def _user(connection: AsyncConnection, row: UserRow) -> User:
    user = await user_store.find_user(connection, EVERY_ACCOUNT, row.user_id)
    if user is None:
        raise UnknownUser(row.number)
    return user


def _permitted_changes(caller: Caller, row: UserRow, patch: UserPatch) -> UserChanges:
    """What really changes, under our names, but for whether the user is active.

    Raises:
        NotPermitted: the caller may not change that. Invalid: there is no such role.
    """
    if not may_change_user(caller, row.owner, row.number, row.roles):
        raise NotPermitted
    given = patch.model_fields_set
    changes = UserChanges()
    if "email" in given and patch.email != row.email:
        changes["email"] = patch.email
    if "username" in given and patch.username != row.username:
        changes["username"] = patch.username
    if "timezone" in given and patch.timezone != row.timezone:
        changes["timezone"] = patch.timezone
    is_self = caller.user_number == row.number
    if is_self and _is_switched(row, patch):
        raise NotPermitted
    if "flexmeasures_roles" in given:
        roles = _roles_of(patch.flexmeasures_roles)
        if changed := set(roles) ^ set(row.roles):
            if is_self or not may_change_roles(caller, changed):
                raise NotPermitted
            changes["roles"] = roles
    return changes


def _is_switched(row: UserRow, patch: UserPatch) -> bool:
    return "active" in patch.model_fields_set and patch.active != row.is_active


def _roles_of(numbers: list[int]) -> tuple[str, ...]:
    named = {position: user_role_of(number) for position, number in enumerate(numbers)}
    unknown = {
        str(position): [f"No role found with ID {numbers[position]}."]
        for position, name in named.items()
        if name is None
    }
    if unknown:
        raise Invalid(JSON_BODY, {"flexmeasures_roles": unknown})
    return tuple(role for role in USER_ROLES if role in named.values())
