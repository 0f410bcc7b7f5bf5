"""Handlers of users and their passwords."""

from __future__ import annotations

from services.gateway.dialects.administration.authority import Authority, authority_of
from services.gateway.dialects.administration.finding import account_or_own, narrowed, user_of
from services.gateway.dialects.administration.replies import created, done
from services.gateway.dialects.administration.schemas import NewPassword, NewUser, OfAccount
from services.gateway.dialects.administration.service import Administration
from services.gateway.dialects.administration.work import changing
from services.gateway.http.call import Call, Reply, json_reply
from shared.db.unit_of_work import UnitOfWork
from shared.identity import administration, user_store
from shared.identity.documents import user_document
from shared.identity.passwords import check_rules
from shared.identity.principals import User, own_names


async def list_users(app: Administration, call: Call[OfAccount, None]) -> Reply:
    """Every user within reach."""
    reach = authority_of(call.identity).reach
    async with app.database.reading(reach) as connection:
        whose = await narrowed(connection, reach, call.query.account_id)
        found = await user_store.list_users(connection, whose)
    return json_reply([user_document(user) for user in found])


async def show_user(app: Administration, call: Call[None, None]) -> Reply:
    """One user."""
    reach = authority_of(call.identity).reach
    async with app.database.reading(reach) as connection:
        found = await user_of(connection, reach, call.ids["user_id"])
    return json_reply(user_document(found))


async def create_user(app: Administration, call: Call[None, NewUser]) -> Reply:
    """Make a user."""
    authority, wanted = authority_of(call.identity, to_change=True), call.body
    authority.require_grantable(wanted.roles)
    password_hash = None
    if wanted.password is not None:
        check_rules(wanted.password, names=own_names(wanted.email, wanted.username or ""))
        password_hash = await app.hasher.hash(wanted.password)
    async with changing(app) as work:
        account = await account_or_own(work.connection, authority.reach, wanted.account_id, call.identity.account_id)
        made = await administration.create_user(
            work,
            call.actor,
            account,
            wanted.email,
            username=wanted.username,
            roles=wanted.roles,
            password_hash=password_hash,
        )
    return created(user_document(made), f"users/{made.number}")


async def set_password(app: Administration, call: Call[None, NewPassword]) -> Reply:
    """Give a user another password."""
    authority = authority_of(call.identity, to_change=True)
    # Looked at first, in a transaction of its own: none is open while the password is hashed.
    async with app.database.reading(authority.reach) as connection:
        found = await user_of(connection, authority.reach, call.ids["user_id"])
    authority.require_over(found)
    check_rules(call.body.password, names=found.own_names)
    password_hash = await app.hasher.hash(call.body.password)
    async with changing(app) as work:
        user = await _user_to_change(work, authority, call.ids["user_id"])
        await administration.set_password(work, call.actor, user, password_hash)
    return done()


async def disable_user(app: Administration, call: Call[None, None]) -> Reply:
    """Let a user in no more."""
    return await _set_active(app, call, is_active=False)


async def enable_user(app: Administration, call: Call[None, None]) -> Reply:
    """Let a user in again."""
    return await _set_active(app, call, is_active=True)


async def delete_user(app: Administration, call: Call[None, None]) -> Reply:
    """Delete a user."""
    authority = authority_of(call.identity, to_change=True)
    async with changing(app) as work:
        user = await _user_to_change(work, authority, call.ids["user_id"])
        await administration.delete_user(work, call.actor, user)
    return done()


async def _set_active(app: Administration, call: Call[None, None], *, is_active: bool) -> Reply:
    authority = authority_of(call.identity, to_change=True)
    async with changing(app) as work:
        user = await _user_to_change(work, authority, call.ids["user_id"])
        changed = await administration.set_user_active(work, call.actor, user, is_active=is_active)
    return json_reply(user_document(changed))


async def _user_to_change(work: UnitOfWork, authority: Authority, number: str) -> User:
    found = await user_of(work.connection, authority.reach, number)
    authority.require_over(found)
    return found
