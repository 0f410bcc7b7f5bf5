"""Which rows are within reach of a question: one account's, or everybody's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, true

from shared.db.unit_of_work import EVERY_ACCOUNT, Reach
from shared.ids import AccountId


def within(reach: Reach, account_id: Column[Any]) -> ColumnElement[bool]:
    """The condition that a row with this column for its account is within reach."""
    return true() if reach is EVERY_ACCOUNT else account_id == reach


def account_id_of(read: UUID) -> AccountId:
    """An account's id as it was read. The driver has a class of its own, which a transaction does not take for its reach."""
    return AccountId(UUID(int=read.int))
