"""What the SQL of all lists of this API shares: which part of them is wanted, who may read what, words, orders and counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, String, and_, case, cast, false, func, or_, true
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility.permissions import Caller, Owner
from shared.db.models.identity import accounts
from shared.identity.reach import account_id_of

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list, in which order. Without ``limit`` all of it."""

    words: Sequence[str] = ()
    sort_by: str | None = None
    is_descending: bool = False
    offset: int = 0
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Listing(Generic[R]):
    """Part of a list; how long it is on the whole, and how much of it passes the filter."""

    rows: Sequence[R]
    total: int
    filtered: int


async def part_of(
    connection: AsyncConnection,
    statement: Select[Any],
    matches: ColumnElement[bool],
    order: Sequence[ColumnElement[Any]],
    part: Slice,
    row_of: Callable[[Row[Any]], R],
) -> Listing[R]:
    """The wanted part of what a statement selects."""
    counted = statement.with_only_columns(func.count(), func.count(case((matches, 1))), maintain_column_froms=True)
    total, filtered = (await connection.execute(counted)).one()
    if part.offset >= filtered:
        return Listing([], total, filtered)
    chosen = statement.where(matches).order_by(*order).limit(part.limit).offset(part.offset)
    return Listing([row_of(row) for row in await connection.execute(chosen)], total, filtered)


def is_readable_by(caller: Caller) -> ColumnElement[bool]:
    """As ``permissions.may_read`` says, in SQL, of an account that is selected from."""
    if caller.reads_everything:
        return true()
    is_client = accounts.c.consultancy_account_id == caller.account_id
    return or_(accounts.c.account_id == caller.account_id, is_client if caller.is_consultant else false())


def matches(
    words: Sequence[str],
    number: ColumnElement[Any] | None,
    texts: Sequence[ColumnElement[Any]],
    *,
    any_does: bool = False,
) -> ColumnElement[bool]:
    """Every word, or any of several, occurs in one of the texts, or the number begins with it."""
    conditions = []
    for word in words:
        found = [text.icontains(word, autoescape=True) for text in texts]
        if number is not None:
            found.append(cast(number, String).startswith(word, autoescape=True))
        conditions.append(or_(*found))
    return or_(*conditions) if conditions and any_does else and_(true(), *conditions)


def ordered(order: ColumnElement[Any], number: ColumnElement[Any], part: Slice) -> list[ColumnElement[Any]]:
    """Whoever has no value comes last either way, and equal ones in the order of their numbers."""
    return [(order.desc() if part.is_descending else order.asc()).nulls_last(), number.asc()]


def owner_of(account_id: UUID, consultancy_account_id: UUID | None) -> Owner:
    """Whose a row is, from the columns of its account."""
    return Owner(
        account_id_of(account_id), None if consultancy_account_id is None else account_id_of(consultancy_account_id)
    )
