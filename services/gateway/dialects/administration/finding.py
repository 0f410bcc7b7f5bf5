"""From what a request names to the thing itself, as far as the caller reaches; beyond, it is as if there were nothing."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.unit_of_work import Reach
from shared.errors import NotFound
from shared.identity import account_store, client_store, key_store, user_store
from shared.identity.principals import Account, ApiKey, Client, User
from shared.ids import AccountId

# The largest number that the database can hold.
LARGEST_NUMBER = (1 << 63) - 1
MOST_SHOWN = 200


async def account_of(connection: AsyncConnection, reach: Reach, number: int | str) -> Account:
    """The account of this number.

    Raises:
        NotFound: there is none within reach.
    """
    known = _number(number)
    found = None if known is None else await account_store.find_account_by_number(connection, reach, known)
    if found is None:
        raise _nothing("account", number)
    return found


async def account_or_own(connection: AsyncConnection, reach: Reach, number: int | None, own: AccountId) -> Account:
    """The account of this number, or the caller's own where none is named.

    Raises:
        NotFound: there is none within reach.
    """
    if number is not None:
        return await account_of(connection, reach, number)
    found = await account_store.find_account(connection, reach, own)
    if found is None:
        raise _nothing("account", "of yours")
    return found


async def narrowed(connection: AsyncConnection, reach: Reach, number: int | None) -> Reach:
    """The account of this number as reach, or the whole of it where none is named.

    Raises:
        NotFound: there is none within reach.
    """
    return reach if number is None else (await account_of(connection, reach, number)).account_id


async def user_of(connection: AsyncConnection, reach: Reach, number: int | str) -> User:
    """The user of this number.

    Raises:
        NotFound: there is none within reach.
    """
    known = _number(number)
    found = None if known is None else await user_store.find_user_by_number(connection, reach, known)
    if found is None:
        raise _nothing("user", number)
    return found


async def key_of(connection: AsyncConnection, reach: Reach, key_id: str) -> ApiKey:
    """The API key of this id.

    Raises:
        NotFound: there is none within reach.
    """
    found = await key_store.find_key(connection, reach, key_id)
    if found is None:
        raise _nothing("API key", key_id)
    return found


async def client_of(connection: AsyncConnection, reach: Reach, client_id: str) -> Client:
    """The OAuth2 client of this id.

    Raises:
        NotFound: there is none within reach.
    """
    found = await client_store.find_client(connection, reach, client_id)
    if found is None:
        raise _nothing("client", client_id)
    return found


def secret_id_of(text: str) -> UUID:
    """The id of a client's secret.

    Raises:
        NotFound: the text is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise _nothing("secret", text) from None


def _number(given: int | str) -> int | None:
    if isinstance(given, str):
        # ASCII alone: int() also reads the digits of other scripts, and signs and blanks.
        given = int(given) if given.isascii() and given.isdecimal() and len(given) <= len(str(LARGEST_NUMBER)) else -1
    return given if 0 <= given <= LARGEST_NUMBER else None


def _nothing(kind: str, named: object) -> NotFound:
    return NotFound(f"There is no {kind} {str(named)[:MOST_SHOWN]}.")
