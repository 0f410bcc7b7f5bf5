"""One row of an account in every table that has accounts, made from the tables' own columns, so that a new table has one too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    insert,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models import flexibility, identity, infrastructure, reconfiguration  # noqa: F401  # they register their tables
from shared.db.models.base import metadata
from shared.ids import AccountId, uuid7

Row = dict[str, Any]  # Any: a column's value

WITH_ACCOUNT = [table for table in metadata.sorted_tables if "account_id" in table.c]
WITHOUT_ACCOUNT = [table for table in metadata.sorted_tables if "account_id" not in table.c]
SOME_TIME = datetime(2020, 1, 1, tzinfo=UTC)


async def fill(connection: AsyncConnection, account_id: AccountId) -> dict[str, Row]:
    """Add an account with a row in each table; returns the rows, by table."""
    rows: dict[str, Row] = {}
    for table in WITH_ACCOUNT:
        statement = insert(table).values(**row_of(table, account_id, rows)).returning(table)
        rows[table.name] = dict((await connection.execute(statement)).one()._mapping)
    return rows


def row_of(table: Table, account_id: AccountId, parents: Mapping[str, Row]) -> Row:
    """A row of an account that hangs on rows of the same account. Two accounts' rows differ only where they must."""
    return {
        column.name: _value(column, account_id, parents)
        for column in table.columns
        if column.identity is None and column.computed is None and _is_given(column)
    }


def _is_given(column: Column[Any]) -> bool:
    return not column.nullable or bool(column.foreign_keys) or column.name == "account_id"


def _value(column: Column[Any], account_id: AccountId, parents: Mapping[str, Row]) -> Any:
    if column.name == "account_id":
        return account_id
    for key in column.foreign_keys:
        if key.column.table is column.table:
            return None
        return parents[key.column.table.name][key.column.name]
    if isinstance(column.type, Uuid):
        return uuid7()
    if isinstance(column.type, BigInteger) and column.primary_key:
        return account_id.int % 2**31
    if isinstance(column.type, Text):
        return f"{column.name} of {account_id}"
    if isinstance(column.type, LargeBinary):
        return account_id.bytes
    if isinstance(column.type, DateTime):
        return SOME_TIME
    if isinstance(column.type, ARRAY):
        return []
    plain: dict[type, Any] = {Boolean: True, Float: 1.0, Integer: 1, JSON: {}}
    return next(value for kind, value in plain.items() if isinstance(column.type, kind))
