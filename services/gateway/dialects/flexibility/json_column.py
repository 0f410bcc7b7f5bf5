"""Columns of JSON, read and written as the text that they are: what clients wrote comes back to them as they wrote it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ColumnElement, Text, cast, literal


def as_json(text: str) -> ColumnElement[Any]:  # Any: whatever JSON holds
    """A text of JSON, for a column."""
    return cast(literal(text, Text), JSON)


def as_text(column: ColumnElement[Any]) -> ColumnElement[str]:
    """What a column holds, as text."""
    return cast(column, Text)
