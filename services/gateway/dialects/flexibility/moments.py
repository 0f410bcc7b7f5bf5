"""Moments as clients of this API write them: ISO 8601 with an offset from UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator

NOT_A_MOMENT, NOT_AWARE = "Not a valid datetime.", "Not a valid aware datetime."

# A plus that was not percent-encoded in a query arrives as a space.
_PLUS_AS_SPACE = re.compile(r"(\d) (\d{2}:?\d{2})$", re.ASCII)


def read_moment(given: object) -> datetime:
    """The moment that a text names, with the offset that it was given with.

    Raises:
        ValueError: it names none, or one without an offset; the text says which, as FlexMeasures does.
    """
    if isinstance(given, datetime):
        return given
    try:
        moment = datetime.fromisoformat(_PLUS_AS_SPACE.sub(r"\1+\2", str(given).strip()))
        if moment.tzinfo is None:
            raise ValueError(NOT_AWARE)
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(NOT_A_MOMENT) from None
    except ValueError as error:
        raise ValueError(NOT_AWARE if str(error) == NOT_AWARE else NOT_A_MOMENT) from None
    return moment


def floored(moment: datetime, step: timedelta) -> datetime:
    """The last step at or before a moment, counted from midnight of the day by the clock that the moment was given with.

    Steps of more than a day are counted from the first of January of 1970.
    """
    offset = moment.utcoffset() or timedelta(0)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC) + offset
    return moment - since % step


Moment = Annotated[datetime, BeforeValidator(read_moment)]
