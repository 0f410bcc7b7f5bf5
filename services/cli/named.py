"""From what a command names to the thing itself, in whichever account."""

from __future__ import annotations

from shared.db.unit_of_work import EVERY_ACCOUNT, Reach, UnitOfWork
from shared.errors import NotFound
from shared.identity import account_store, client_store, key_store, user_store
from shared.identity.principals import Account, ApiKey, Client, User


async def require_account(work: UnitOfWork, name: str) -> Account:
    """The account of this name.

    Raises:
        NotFound: there is none.
    """
    account = await account_store.find_account_by_name(work.connection, EVERY_ACCOUNT, name)
    if account is None:
        raise NotFound(f"There is no account '{name}'; `busbar account list` shows those there are.")
    return account


async def require_user(work: UnitOfWork, email: str) -> User:
    """The user with this e-mail address.

    Raises:
        NotFound: there is none.
    """
    user = await user_store.find_user_by_email(work.connection, EVERY_ACCOUNT, email)
    if user is None:
        raise NotFound(f"There is no user '{email}'; `busbar user list` shows those there are.")
    return user


async def require_key(work: UnitOfWork, key_id: str) -> ApiKey:
    """The API key with this id, the eight characters after ``bb_``.

    Raises:
        NotFound: there is none.
    """
    key = await key_store.find_key(work.connection, EVERY_ACCOUNT, key_id)
    if key is None:
        raise NotFound(f"There is no API key '{key_id}'; `busbar key list` shows those there are.")
    return key


async def require_client(work: UnitOfWork, client_id: str) -> Client:
    """The client with this id.

    Raises:
        NotFound: there is none.
    """
    client = await client_store.find_client(work.connection, EVERY_ACCOUNT, client_id)
    if client is None:
        raise NotFound(f"There is no client '{client_id}'; `busbar client list` shows those there are.")
    return client


async def reach_of(work: UnitOfWork, account_name: str | None) -> Reach:
    """The account of this name; every account without a name.

    Raises:
        NotFound: there is none.
    """
    return EVERY_ACCOUNT if account_name is None else (await require_account(work, account_name)).account_id
