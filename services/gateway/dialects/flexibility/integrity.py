"""What the database found wrong with a row that was written, told apart."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

FOREIGN_KEY_VIOLATION = "23503"


def is_of_what_is_gone(error: IntegrityError) -> bool:
    """Whether the row refers to another one that is not there any more."""
    return getattr(error.orig, "sqlstate", None) == FOREIGN_KEY_VIOLATION
