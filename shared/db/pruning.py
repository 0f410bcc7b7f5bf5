"""Deletes rows that nobody will come back for, so many at a time: however much has piled up, a statement ends in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import BindParameter, Column, ColumnElement, Delete, Table, any_, column, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection


def delete_some(
    table: Table, condition: ColumnElement[bool], oldest_first: Column[Any], limit: int | BindParameter[int]
) -> Delete:
    """The statement that deletes up to ``limit`` rows. Rows that others have locked are left, those of a second sweep too."""
    place: ColumnElement[Any] = column("ctid")  # where a row is; finding rows by it needs no index
    chosen = select(place).select_from(table).where(condition).order_by(oldest_first).limit(limit)
    places = func.array(chosen.with_for_update(skip_locked=True).scalar_subquery())
    return delete(table).where(place == any_(places))


async def forget_older_than(connection: AsyncConnection, moment: Column[Any], age_s: float, limit: int) -> int:
    """Delete up to ``limit`` rows whose ``moment`` lies longer ago than ``age_s``, the oldest first; returns how many."""
    is_old = moment < func.now() - timedelta(seconds=age_s)
    return (await connection.execute(delete_some(moment.table, is_old, moment, limit))).rowcount
