"""Types of fields that requests of this API share: texts that the database can hold, free attributes, colours."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import pydantic_core
from pydantic import AfterValidator, BeforeValidator, Field

from shared.identity.rules import MAX_EMAIL_LENGTH, MAX_NAME_LENGTH

# The largest number that the database holds; no id is above it.
LARGEST = 2**63 - 1
LARGEST_PLAN = 2**31 - 1
# More than this nobody reads on one page.
LARGEST_PAGE = 1000

# Of latitudes and longitudes: a hundredth of a metre.
COORDINATE_DECIMALS = 7

T = TypeVar("T")

_COLOUR = re.compile(r"#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)


def without_nul(text: str) -> str:
    """The text itself.

    Raises:
        ValueError: it has a character that the database does not hold.
    """
    if "\x00" in text:
        raise ValueError("Not a valid string.")
    return text


def _colour(text: str) -> str:
    if _COLOUR.fullmatch(text) is None:
        raise ValueError(f"{text} is not a valid hex color code.")
    return text


def _email(text: str) -> str:
    if _EMAIL.fullmatch(text) is None:
        raise ValueError("Not a valid email address.")
    return text


def _url(text: str) -> str:
    # Pages show it as a picture: nothing but the web may be behind it.
    if _URL.fullmatch(text) is None:
        raise ValueError("Not a valid URL.")
    return text


def parsed_json(value: object) -> object:
    """FlexMeasures' clients send free attributes as JSON inside a text; others send the object itself."""
    if not isinstance(value, str):
        return value
    try:
        return pydantic_core.from_json(value)
    except ValueError:
        raise ValueError("Not a valid JSON string.") from None


def _storable(value: T) -> T:
    if not is_storable(value):
        raise ValueError("Not valid JSON: a number that is not finite, or a text with a NUL.")
    return value


def _coordinate(degrees: float) -> float:
    if round(degrees, COORDINATE_DECIMALS) != degrees:
        raise ValueError(f"Latitudes and longitudes are limited to {COORDINATE_DECIMALS} decimal places.")
    return degrees


def is_storable(value: object) -> bool:
    """Whether the database can hold a value of JSON: no NUL in a text, no number that is not finite."""
    # The parser bounds the depth.
    if isinstance(value, Mapping):
        return all(is_storable(key) and is_storable(item) for key, item in value.items())
    if isinstance(value, list):
        return all(is_storable(item) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, str) or "\x00" not in value


Text = Annotated[str, AfterValidator(without_nul)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH), AfterValidator(without_nul)]
Email = Annotated[str, Field(max_length=MAX_EMAIL_LENGTH), AfterValidator(without_nul), AfterValidator(_email)]
Colour = Annotated[str, AfterValidator(_colour)]
Url = Annotated[str, Field(max_length=255), AfterValidator(without_nul), AfterValidator(_url)]
Number = Annotated[int, Field(ge=1, le=LARGEST)]
# Any: whatever JSON holds.
Attributes = Annotated[dict[str, Any], AfterValidator(_storable), BeforeValidator(parsed_json)]
JsonList = Annotated[list[Any], AfterValidator(_storable), BeforeValidator(parsed_json)]
# In degrees.
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False), AfterValidator(_coordinate)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False), AfterValidator(_coordinate)]
