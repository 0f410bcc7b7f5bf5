"""Reads the fields of one JSON object: each with its type, all problems noted at their place, fields that nobody asked for refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import TypeVar

from shared.durations import Duration, DurationUnreadable, parse_duration
from shared.flexibility.errors import Problems

MISSING = "Missing data for required field."
UNKNOWN = "Unknown field."
NO_NULL = "Field may not be null."
NO_LIST = "Not a valid list."
NO_OBJECT = "Not a valid mapping type."
NO_INTEGER = "Not a valid integer."
_LARGEST_ID = 2**63 - 1

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=Enum)


class Fields:
    """The fields of one object. A method asks for a field and answers None where it is absent or wrong; wrong ones are noted."""

    def __init__(self, raw: Mapping[str, object], problems: Problems) -> None:
        self._raw = raw
        self._asked: set[str] = set()
        self.problems = problems

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    @property
    def names(self) -> tuple[str, ...]:
        """All that the object has."""
        return tuple(self._raw)

    def given(self, names: Iterator[str] | tuple[str, ...]) -> list[str]:
        """Those of the names that the object has."""
        return [name for name in names if name in self._raw]

    def read(self, name: str, reader: Callable[[object, Problems], Value]) -> Value | None:
        """The field as a reader of values sees it; None where it is absent. A null is refused."""
        self._asked.add(name)
        if name not in self._raw:
            return None
        value = self._raw[name]
        if value is None:
            self.problems.at(name).add(NO_NULL)
            return None
        return reader(value, self.problems.at(name))

    def require(self, name: str) -> None:
        """Notes that the field is missing, if it is."""
        if name not in self._raw:
            self.problems.at(name).add(MISSING)

    def integer(self, name: str) -> int | None:
        """An id or another whole number ≥ 0."""
        return self.read(name, read_id)

    def boolean(self, name: str) -> bool | None:
        """True or false."""
        return self.read(name, _read_boolean)

    def optional_boolean(self, name: str) -> bool | None:
        """True, false, or null for neither."""
        self._asked.add(name)
        return None if self._raw.get(name) is None else self.boolean(name)

    def flag(self, name: str, default: bool) -> bool:
        """True or false, with a default."""
        value = self.boolean(name)
        return default if value is None else value

    def text(self, name: str) -> str | None:
        """A text that is not blank."""
        return self.read(name, read_text)

    def choice(self, name: str, choices: type[Choice]) -> Choice | None:
        """One of the values of an enumeration."""
        return self.read(name, lambda value, problems: _read_choice(value, problems, choices))

    def number(self, name: str) -> float | None:
        """A finite number."""
        return self.read(name, _read_number)

    def items(self, name: str, reader: Callable[[object, Problems], Value | None]) -> tuple[Value, ...]:
        """A list, each item as a reader of values sees it."""
        return self.read(name, lambda value, problems: read_list(value, problems, reader)) or ()

    def moment(self, name: str) -> datetime | None:
        """A moment with its offset, in UTC."""
        return self.read(name, read_moment)

    def duration(self, name: str) -> Duration | None:
        """A duration in ISO 8601."""
        return self.read(name, read_duration)

    def finish(self) -> None:
        """Refuses the fields that were not asked for."""
        for name in self._raw:
            if name not in self._asked:
                self.problems.at(name).add(UNKNOWN)


def as_object(value: object, problems: Problems) -> Mapping[str, object] | None:
    """The value if it is a JSON object."""
    if isinstance(value, Mapping):
        return value
    problems.add(NO_OBJECT)
    return None


def read_list(
    value: object, problems: Problems, reader: Callable[[object, Problems], Value | None]
) -> tuple[Value, ...]:
    """The items of a JSON list that could be read; the others are noted with their positions."""
    if not isinstance(value, list):
        problems.add(NO_LIST)
        return ()
    read = (_read_item(item, problems.at(position), reader) for position, item in enumerate(value))
    return tuple(item for item in read if item is not None)


def id_of(value: object) -> int | None:
    """The id that a JSON value says: a whole number, or its digits as a text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_ID else None


def sensor_at(document: Mapping[str, object], name: str) -> int | None:
    """The sensor that a field names, by its id or as ``{"sensor": id}``, before anything is checked."""
    value = document.get(name)
    return id_of(value.get("sensor") if isinstance(value, Mapping) else value)


def read_id(value: object, problems: Problems) -> int | None:
    """An id."""
    found = id_of(value)
    if found is None:
        problems.add(NO_INTEGER)
    return found


def read_text(value: object, problems: Problems) -> str | None:
    """A text that is not blank."""
    if not isinstance(value, str):
        problems.add("Not a valid string.")
    elif not value.strip():
        problems.add("Field may not be blank.")
    else:
        return value
    return None


def read_moment(value: object, problems: Problems) -> datetime | None:
    """A moment with its offset, in UTC."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and len(value) < 64 else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        moment = None
    problems.add("Not a valid datetime." if moment is None else "Not a valid aware datetime.")
    return None


def read_duration(value: object, problems: Problems) -> Duration | None:
    """A duration in ISO 8601."""
    try:
        return parse_duration(value if isinstance(value, str) else str(value)[:64])
    except DurationUnreadable as unreadable:
        problems.add(unreadable.message)
        return None


def _read_item(value: object, problems: Problems, reader: Callable[[object, Problems], Value]) -> Value | None:
    if value is None:
        problems.add(NO_NULL)
        return None
    return reader(value, problems)


def _read_boolean(value: object, problems: Problems) -> bool | None:
    if isinstance(value, bool):
        return value
    problems.add("Not a valid boolean.")
    return None


def _read_choice(value: object, problems: Problems, choices: type[Choice]) -> Choice | None:
    for choice in choices:
        if choice.value == value:
            return choice
    problems.add(f"Must be one of: {', '.join(str(choice.value) for choice in choices)}.")
    return None


def _read_number(value: object, problems: Problems) -> float | None:
    # JSON as Python reads it has infinities and whole numbers beyond those of doubles.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
        return float(value)
    problems.add("Not a valid number.")
    return None
