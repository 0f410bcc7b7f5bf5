"""The SQL of rate counters: one row for each counter and slot of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, BigInteger, DateTime, Integer, Text, and_, bindparam, column, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.identity import rate_counters
from shared.db.pruning import delete_some

# Longer than the longest window.
KEPT_FOR = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class Asked:
    """So much more in a slot of a counter, whose window begins with another."""

    counter: str
    slot: datetime
    first_slot: datetime
    wanted: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What is used of a window with what was asked for, and since when."""

    used: int
    oldest_slot: datetime


_ASKED = (
    func.unnest(
        bindparam("counters", type_=ARRAY(Text)),
        bindparam("slots", type_=ARRAY(DateTime(timezone=True))),
        bindparam("first_slots", type_=ARRAY(DateTime(timezone=True))),
        bindparam("wanted", type_=ARRAY(Integer)),
    )
    .table_valued(
        column("counter", Text),
        column("slot", DateTime(timezone=True)),
        column("first_slot", DateTime(timezone=True)),
        column("wanted", Integer),
        name="asked",
    )
    .render_derived()
)
_NEW = insert(rate_counters).from_select(
    ["counter", "slot", "used"],
    # In one order everywhere, so that two processes never wait for each other's rows.
    select(_ASKED.c.counter, _ASKED.c.slot, _ASKED.c.wanted).order_by(_ASKED.c.counter),
)
# The row of the running slot is locked from here to the commit, so that of two processes one counts after the other.
_ADDED = (
    _NEW.on_conflict_do_update(
        index_elements=[rate_counters.c.counter, rate_counters.c.slot],
        set_={rate_counters.c.used: rate_counters.c.used + _NEW.excluded.used},
    )
    .returning(rate_counters.c.counter, rate_counters.c.slot, rate_counters.c.used)
    .cte("added")
)
_OLDER = rate_counters.alias("older")
_COUNT = (
    select(
        _ADDED.c.counter,
        (_ADDED.c.used + func.coalesce(func.sum(_OLDER.c.used), 0)).cast(BigInteger).label("used"),
        func.coalesce(func.min(_OLDER.c.slot), _ADDED.c.slot).label("oldest_slot"),
    )
    .select_from(
        _ADDED.join(_ASKED, _ASKED.c.counter == _ADDED.c.counter).outerjoin(
            _OLDER,
            and_(
                _OLDER.c.counter == _ADDED.c.counter,
                _OLDER.c.slot >= _ASKED.c.first_slot,
                _OLDER.c.slot != _ADDED.c.slot,
                _OLDER.c.used > 0,
            ),
        )
    )
    .group_by(_ADDED.c.counter, _ADDED.c.slot, _ADDED.c.used)
)
_GIVE_BACK = (
    update(rate_counters)
    .where(rate_counters.c.counter == bindparam("of_counter"), rate_counters.c.slot == bindparam("of_slot"))
    .values(used=func.greatest(0, rate_counters.c.used - bindparam("excess", type_=Integer)))
)


async def count(connection: AsyncConnection, asked: Sequence[Asked]) -> dict[str, Counted]:
    """Add what is asked for; what is used of each window then."""
    rows = await connection.execute(
        _COUNT,
        {
            "counters": [each.counter for each in asked],
            "slots": [each.slot for each in asked],
            "first_slots": [each.first_slot for each in asked],
            "wanted": [each.wanted for each in asked],
        },
    )
    return {row.counter: Counted(row.used, row.oldest_slot) for row in rows}


async def give_back(connection: AsyncConnection, excess: Mapping[str, tuple[int, datetime]]) -> None:
    """Take out again what went beyond a limit, by counter."""
    rows = [{"of_counter": key, "excess": number, "of_slot": slot} for key, (number, slot) in sorted(excess.items())]
    await connection.execute(_GIVE_BACK, rows)


async def forget_old_slots(connection: AsyncConnection, limit: int) -> int:
    """Delete slots that no window reaches back to; returns how many."""
    is_old = rate_counters.c.slot < func.now() - KEPT_FOR
    return (await connection.execute(delete_some(rate_counters, is_old, rate_counters.c.slot, limit))).rowcount
