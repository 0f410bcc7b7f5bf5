"""What administrators do with accounts and users: make, change, disable, enable and delete them.

Each use case works in an open unit of work and leaves an event in the audit record. Whether the actor may do it is decided by the
caller. Passwords come in as hashes, so that no transaction is open while one is computed.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.db.unit_of_work import UnitOfWork
from shared.errors import Conflict
from shared.identity import account_store, audit, user_store
from shared.identity.account_store import AccountChanges
from shared.identity.principals import USER_ROLES, Account, Actor, User
from shared.identity.rules import check_each, check_email, check_name, check_timezone, unique
from shared.identity.user_store import UserChanges
from shared.ids import OPEN_ACCOUNT_ID

# ------------------------------------------------------------------ accounts


async def create_account(work: UnitOfWork, actor: Actor, name: str, *, roles: Sequence[str] = ()) -> Account:
    """Make an account.

    Raises:
        InvalidInput: the name cannot be one; Conflict: it is taken.
    """
    check_name(name, field="name")
    for role in roles:
        check_name(role, field="role")
    account = await account_store.insert_account(work.connection, name, roles=roles)
    await audit.record_about(work.connection, actor, account, "account:created", {"name": name})
    return account


async def update_account(work: UnitOfWork, actor: Actor, account: Account, changes: AccountChanges) -> Account:
    """Change fields of an account.

    Raises:
        InvalidInput: a value cannot be; Conflict: the new name is taken.
    """
    if "name" in changes:
        check_name(changes["name"], field="name")
    changed = await account_store.update_account(work.connection, account.account_id, changes)
    await audit.record_about(work.connection, actor, account, "account:changed", {"fields": sorted(changes)})
    return changed


async def set_account_active(work: UnitOfWork, actor: Actor, account: Account, *, is_active: bool) -> Account:
    """Let the active users, keys and clients of an account in, or none of them; then its users' tokens and sessions end.

    Raises:
        Conflict: it is the account of open access, which is always active.
    """
    if not is_active:
        _refuse_open_account(account)
    # First of all: sign-ins that are under way end before this, and their tokens are there to be deleted, or see it.
    changed = await account_store.set_account_active(work.connection, account.account_id, is_active=is_active)
    if not is_active:
        await user_store.revoke_sign_ins_of_account(work.connection, account.account_id)
    await audit.record_about(work.connection, actor, account, "account:enabled" if is_active else "account:disabled")
    return changed


async def delete_account(work: UnitOfWork, actor: Actor, account: Account) -> None:
    """Delete an account with everything that belongs to it; only its audit record stays.

    Raises:
        Conflict: it is the account of open access.
    """
    _refuse_open_account(account)
    await account_store.delete_account(work.connection, account.account_id)
    await audit.record_about(work.connection, actor, account, "account:deleted", {"name": account.name})


# ------------------------------------------------------------------ users


async def create_user(
    work: UnitOfWork,
    actor: Actor,
    account: Account,
    email: str,
    *,
    username: str | None = None,
    roles: Sequence[str] = (),
    password_hash: str | None = None,
) -> User:
    """Make a user of an account, who cannot sign in until there is a password.

    Raises:
        InvalidInput: a value cannot be; Conflict: the e-mail address or username is taken.
    """
    check_email(email)
    check_each(roles, USER_ROLES, field="role")
    if username is not None:
        check_name(username, field="username")
    user = await user_store.insert_user(
        work.connection, account.account_id, email, username=username, roles=unique(roles), password_hash=password_hash
    )
    details = {"email": user.email, "roles": list(user.roles), "has_password": password_hash is not None}
    await audit.record_about(work.connection, actor, user, "user:created", details)
    return user


async def update_user(work: UnitOfWork, actor: Actor, user: User, changes: UserChanges) -> User:
    """Change fields of a user.

    Raises:
        InvalidInput: a value cannot be; Conflict: the new e-mail address or username is taken.
    """
    if "email" in changes:
        check_email(changes["email"])
    if "username" in changes:
        check_name(changes["username"], field="username")
    if "timezone" in changes:
        check_timezone(changes["timezone"])
    check_each(changes.get("roles", ()), USER_ROLES, field="role")
    changed = await user_store.update_user(work.connection, user.user_id, changes)
    await audit.record_about(
        work.connection, actor, user, "user:changed", {"fields": sorted(changes), "roles": list(changed.roles)}
    )
    return changed


async def set_password(work: UnitOfWork, actor: Actor, user: User, password_hash: str | None) -> None:
    """Give a user another password, or none; tokens and sessions end. Its rules are checked before it is hashed."""
    await user_store.set_password_hash(work.connection, user.user_id, password_hash)
    await user_store.revoke_sign_ins(work.connection, user.user_id)
    await audit.record_about(
        work.connection, actor, user, "user:password:changed" if password_hash else "user:password:cleared"
    )


async def set_user_active(work: UnitOfWork, actor: Actor, user: User, *, is_active: bool) -> User:
    """Let a user in, or not; then tokens and sessions end, and API keys are refused."""
    changed = await user_store.set_user_active(work.connection, user.user_id, is_active=is_active)
    if not is_active:  # after it, as for accounts
        await user_store.revoke_sign_ins(work.connection, user.user_id)
    await audit.record_about(work.connection, actor, user, "user:enabled" if is_active else "user:disabled")
    return changed


async def delete_user(work: UnitOfWork, actor: Actor, user: User) -> None:
    """Delete a user with tokens, sessions and API keys; data belong to the account and stay."""
    await user_store.delete_user(work.connection, user.user_id)
    await audit.record_about(work.connection, actor, user, "user:deleted", {"email": user.email})


# ------------------------------------------------------------------ below the use cases


def _refuse_open_account(account: Account) -> None:
    if account.account_id == OPEN_ACCOUNT_ID:
        raise Conflict(
            f"The account '{account.name}' is kept for access without credentials; BUSBAR_RECONFIGURATION_OPEN=false ends that."
        )
