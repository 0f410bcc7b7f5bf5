"""The SQL of users, and of what stands and falls with their passwords: tokens and web sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from sqlalchemy import ColumnElement, Row, Select, and_, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.identity import accounts, user_tokens, users, web_sessions
from shared.db.unit_of_work import EVERY_ACCOUNT, Reach
from shared.errors import Conflict
from shared.identity.principals import User
from shared.identity.reach import account_id_of, within
from shared.ids import AccountId, UserId, uuid7

USERNAME_TRIES = 5


class UserChanges(TypedDict, total=False):
    """Fields of a user that are to change; what is left out stays."""

    email: str
    username: str
    roles: tuple[str, ...]
    timezone: str


@dataclass(frozen=True, slots=True)
class SignInRecord:
    """What a sign-in needs to know. Without a hash nobody signs in."""

    user: User
    password_hash: str | None = field(repr=False)
    is_account_active: bool


async def insert_user(
    connection: AsyncConnection,
    account_id: AccountId,
    email: str,
    *,
    username: str | None = None,
    roles: Sequence[str] = (),
    password_hash: str | None = None,
) -> User:
    """Make a user of an account. Without a username it is the part of the address before the @, with a number where that is taken.

    Raises:
        Conflict: the e-mail address or the username is taken; ``field`` says which.
    """
    user_id = UserId(uuid7())
    values = {"user_id": user_id, "account_id": account_id, "email": email, "roles": list(roles)}
    if password_hash is not None:
        values |= {"password_hash": password_hash, "password_changed_at": func.now()}
    for _ in range(USERNAME_TRIES):
        chosen = username or await _free_username(connection, email.partition("@")[0])
        statement = insert(users).values(**values, username=chosen).on_conflict_do_nothing()
        if (await connection.execute(statement)).rowcount == 1:
            return await _one(connection, users.c.user_id == user_id)
        if await find_user_by_email(connection, EVERY_ACCOUNT, email) is not None:
            raise _email_taken(email)
        if username is not None:
            raise _username_taken(username)
    raise _username_taken(chosen)


async def find_user(connection: AsyncConnection, reach: Reach, user_id: UserId) -> User | None:
    """A user by its inner id."""
    return await _first(connection, reach, users.c.user_id == user_id)


async def find_user_by_number(connection: AsyncConnection, reach: Reach, number: int) -> User | None:
    """A user by its number."""
    return await _first(connection, reach, users.c.number == number)


async def find_user_by_email(connection: AsyncConnection, reach: Reach, email: str) -> User | None:
    """A user by e-mail address, in whichever case it is written."""
    return await _first(connection, reach, _is_email(email))


async def list_users(connection: AsyncConnection, reach: Reach) -> list[User]:
    """Users, inactive ones too, in the order of their numbers."""
    rows = await connection.execute(_select(within(reach, users.c.account_id)).order_by(users.c.number))
    return [_user(row) for row in rows]


async def find_sign_in(connection: AsyncConnection, email: str) -> SignInRecord | None:
    """What a sign-in with this e-mail address is checked against."""
    statement = _select(_is_email(email)).add_columns(
        users.c.password_hash, accounts.c.is_active.label("account_active")
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else SignInRecord(_user(row), row.password_hash, row.account_active)


async def is_any_user(connection: AsyncConnection) -> bool:
    """Whether there is any user at all."""
    return bool((await connection.execute(select(select(users.c.user_id).exists()))).scalar_one())


async def update_user(connection: AsyncConnection, user_id: UserId, changes: UserChanges) -> User:
    """Change fields of a user that is there.

    Raises:
        Conflict: the new e-mail address or username is taken; ``field`` says which.
    """
    mine = users.c.user_id == user_id
    if changes:
        try:
            await connection.execute(update(users).where(mine).values(**changes))
        except IntegrityError as error:
            is_email = "uq_users_email" in str(error.orig)
            raise _email_taken(changes["email"]) if is_email else _username_taken(changes["username"]) from error
    return await _one(connection, mine)


async def set_user_active(connection: AsyncConnection, user_id: UserId, *, is_active: bool) -> User:
    """Let a user who is there in, or not."""
    mine = users.c.user_id == user_id
    await connection.execute(update(users).where(mine).values(is_active=is_active))
    return await _one(connection, mine)


async def set_password_hash(connection: AsyncConnection, user_id: UserId, password_hash: str | None) -> None:
    """Keep another password's hash, or none, which nobody can sign in with."""
    statement = update(users).where(users.c.user_id == user_id)
    await connection.execute(statement.values(password_hash=password_hash, password_changed_at=func.now()))


async def revoke_sign_ins(connection: AsyncConnection, user_id: UserId) -> None:
    """End a user's tokens and web sessions."""
    for table in (user_tokens, web_sessions):
        await connection.execute(delete(table).where(table.c.user_id == user_id))


async def revoke_sign_ins_of_account(connection: AsyncConnection, account_id: AccountId) -> None:
    """End the tokens and web sessions of all users of an account."""
    for table in (user_tokens, web_sessions):
        await connection.execute(delete(table).where(table.c.account_id == account_id))


async def note_login(connection: AsyncConnection, user: User) -> bool:
    """Remember that a user has just signed in; False if user or account, or the password that was checked, are not what they were.

    Whoever disables them or changes the password waits for the end of this transaction, or this one for theirs.
    """
    mine = accounts.c.account_id == user.account_id
    # Before the user's row: whoever deletes an account takes them in this order.
    is_active = await connection.execute(select(accounts.c.is_active).where(mine).with_for_update(read=True))
    if not is_active.scalar_one_or_none():
        return False
    is_as_it_was = and_(
        users.c.user_id == user.user_id,
        users.c.is_active,
        users.c.password_changed_at.is_not_distinct_from(user.password_changed_at),
    )
    statement = update(users).where(is_as_it_was).values(last_login_at=func.now(), last_seen_at=func.now())
    return (await connection.execute(statement)).rowcount == 1


async def delete_user(connection: AsyncConnection, user_id: UserId) -> None:
    """Delete a user with tokens, sessions and API keys; data belong to the account and stay."""
    await connection.execute(delete(users).where(users.c.user_id == user_id))


def _select(condition: ColumnElement[bool]) -> Select[Any]:
    names = (accounts.c.number.label("account_number"), accounts.c.name.label("account_name"))
    return select(users, *names).join(accounts, users.c.account_id == accounts.c.account_id).where(condition)


def _is_email(email: str) -> ColumnElement[bool]:
    return users.c.email_key == func.lower(email)


async def _free_username(connection: AsyncConnection, wanted: str) -> str:
    """The wanted name, or the first of wanted-2, wanted-3, … that nobody has."""
    similar = func.starts_with(func.lower(users.c.username), func.lower(wanted))
    taken = {name.lower() for name in (await connection.execute(select(users.c.username).where(similar))).scalars()}
    number, candidate = 1, wanted
    while candidate.lower() in taken:
        number += 1
        candidate = f"{wanted}-{number}"
    return candidate


async def _first(connection: AsyncConnection, reach: Reach, condition: ColumnElement[bool]) -> User | None:
    row = (await connection.execute(_select(within(reach, users.c.account_id) & condition))).first()
    return None if row is None else _user(row)


async def _one(connection: AsyncConnection, condition: ColumnElement[bool]) -> User:
    return _user((await connection.execute(_select(condition))).one())


def _user(row: Row[Any]) -> User:
    return User(
        user_id=UserId(row.user_id),
        number=row.number,
        account_id=account_id_of(row.account_id),
        account_number=row.account_number,
        account_name=row.account_name,
        email=row.email,
        username=row.username,
        roles=tuple(row.roles),
        is_active=row.is_active,
        timezone=row.timezone,
        created_at=row.created_at,
        last_login_at=row.last_login_at,
        last_seen_at=row.last_seen_at,
        password_changed_at=row.password_changed_at,
    )


def _email_taken(email: str) -> Conflict:
    return Conflict(f"There is a user with the e-mail address '{email}' already.", field="email")


def _username_taken(username: str) -> Conflict:
    return Conflict(f"There is a user with the username '{username}' already.", field="username")
