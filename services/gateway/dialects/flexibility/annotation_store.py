"""The SQL of annotations: what is noted about a period of a sensor, an asset or an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.flexibility import annotation_rows as notes
from shared.ids import AccountId, SourceId


@dataclass(frozen=True, slots=True)
class Annotated:
    """What a note is about: a sensor, an asset or an account; and whose it is, None for what is public."""

    account_id: AccountId | None
    sensor_id: int | None = None
    asset_id: int | None = None
    annotated_account_id: AccountId | None = None


@dataclass(frozen=True, slots=True)
class NewAnnotation:
    """A note. Without ``belief_time`` it is known from now on."""

    content: str
    start: datetime
    end: datetime
    type: str
    source_id: SourceId
    belief_time: datetime | None


@dataclass(frozen=True, slots=True)
class AnnotationRow:
    """A note as it is kept."""

    annotation_id: int
    content: str
    start: datetime
    end: datetime
    type: str
    source_id: int
    belief_time: datetime


_COLUMNS: tuple[ColumnElement[Any], ...] = (  # Any: each has a type of its own
    notes.c.annotation_id,
    notes.c.content,
    notes.c.start,
    notes.c.end,
    notes.c.type,
    notes.c.source_id,
    notes.c.belief_time,
)


async def take_turn(connection: AsyncConnection, source_id: SourceId) -> None:
    """Wait until nobody else adds a note of this source, until the transaction ends: the same note sent twice at once is one."""
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"annotations:{source_id}", 0))))


async def find_same(connection: AsyncConnection, about: Annotated, new: NewAnnotation) -> AnnotationRow | None:
    """The first note that says the same of the same by the same source; known since the same moment, if one is said."""
    condition = and_(
        _is_about(about),
        notes.c.content == new.content,
        notes.c.start == new.start,
        notes.c.end == new.end,
        notes.c.type == new.type,
        notes.c.source_id == new.source_id,
    )
    if new.belief_time is not None:
        condition = and_(condition, notes.c.belief_time == new.belief_time)
    statement = select(*_COLUMNS).where(condition).order_by(notes.c.annotation_id).limit(1)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _annotation(row)


async def insert_annotation(connection: AsyncConnection, about: Annotated, new: NewAnnotation) -> AnnotationRow:
    """Add a note."""
    values = {
        "account_id": about.account_id,
        "sensor_id": about.sensor_id,
        "asset_id": about.asset_id,
        "annotated_account_id": about.annotated_account_id,
        "content": new.content,
        "start": new.start,
        "end": new.end,
        "type": new.type,
        "source_id": new.source_id,
        "belief_time": func.now() if new.belief_time is None else new.belief_time,
    }
    return _annotation((await connection.execute(insert(notes).values(values).returning(*_COLUMNS))).one())


async def list_annotations(
    connection: AsyncConnection,
    about: Annotated,
    *,
    start: datetime,
    end: datetime,
    prior: datetime | None,
    limit: int,
) -> Sequence[AnnotationRow]:
    """The notes about something whose period meets [start, end), known by ``prior``, by their beginning."""
    condition = and_(_is_about(about), notes.c.start < end, notes.c.end > start)
    if prior is not None:
        condition = and_(condition, notes.c.belief_time <= prior)
    statement = select(*_COLUMNS).where(condition).order_by(notes.c.start, notes.c.annotation_id).limit(limit)
    return [_annotation(row) for row in await connection.execute(statement)]


def _is_about(about: Annotated) -> ColumnElement[bool]:
    return and_(
        notes.c.account_id.is_not_distinct_from(about.account_id),
        notes.c.sensor_id.is_not_distinct_from(about.sensor_id),
        notes.c.asset_id.is_not_distinct_from(about.asset_id),
        notes.c.annotated_account_id.is_not_distinct_from(about.annotated_account_id),
    )


def _annotation(row: Row[Any]) -> AnnotationRow:
    return AnnotationRow(
        annotation_id=row.annotation_id,
        content=row.content,
        start=row.start,
        end=row.end,
        type=row.type,
        source_id=row.source_id,
        belief_time=row.belief_time,
    )
