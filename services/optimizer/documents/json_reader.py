"""JSON into typed values: bytes to a ``JsonObject`` whose accessors give what was asked for or say where it is wrong.

Names match in any case, unknown ones are ignored, ``null`` means "not given". The text is looked through for line and
position only when there is an error to report.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar, cast

import orjson

from services.optimizer.documents.errors import NullFoundError, UnreadableDocumentError
from services.optimizer.documents.json_position import JsonPath, line_and_position, offset_of, path_at, path_text
from services.optimizer.documents.times import read_duration_s, read_moment
from services.optimizer.reconfiguration.wording import quoted
from shared.number_text import number_in

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_INFINITIES = {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}

_Choice = TypeVar("_Choice", bound=StrEnum)
_Value = TypeVar("_Value")


def read_json_object(document: bytes) -> JsonObject:
    """The object that a document consists of."""
    source = _Source(document)
    return source.object(source.decoded(), ())


def read_camel_case_object(document: bytes) -> JsonObject:
    """The object that a document consists of, for one whose properties have names as in ``networkId``."""
    source = _Source(document, is_camel_case=True)
    return source.object(source.decoded(), ())


def is_blank(document: bytes) -> bool:
    """Whether a document says nothing: it is empty, or just ``null``."""
    return document.removeprefix(_BYTE_ORDER_MARK).strip() in (b"", b"null")


class _Source:
    """The bytes of a document, kept to find the line and position of what is wrong with it."""

    __slots__ = ("_content", "is_camel_case")

    def __init__(self, document: bytes, *, is_camel_case: bool = False) -> None:
        self._content = document.removeprefix(_BYTE_ORDER_MARK)
        self.is_camel_case = is_camel_case

    def decoded(self) -> object:
        """The document as orjson reads it, which refuses NaN, lone surrogates, huge numbers and deep nesting."""
        try:
            decoded: object = orjson.loads(self._content)
        except orjson.JSONDecodeError as error:
            if error.msg.startswith("Not enough memory"):  # that is our limit and not the document's fault
                raise MemoryError from error
            raise self._not_json(error) from None
        return decoded

    def _not_json(self, error: orjson.JSONDecodeError) -> UnreadableDocumentError:
        try:
            text, offset, reason = self._content.decode(), error.pos, error.msg
        except UnicodeDecodeError as bad:
            text = self._content[: bad.start].decode()
            offset, reason = len(text), "the text is not valid UTF-8"
        return _unreadable(f"The document is not JSON: {reason}", path_at(text, offset), text, offset)

    def error(self, reason: str, path: JsonPath) -> UnreadableDocumentError:
        """An error about the value at a path of a document that is JSON."""
        text = self._content.decode()
        return _unreadable(reason, path, text, offset_of(text, path))

    def object(self, value: object, path: JsonPath) -> JsonObject:
        """The value as an object."""
        if not isinstance(value, dict):
            raise self.error(f"Expected an object and found {_shown(value)}", path)
        return JsonObject(self, value, path)


class _AnyCase(dict[str, object]):
    """Properties by their names in small letters, to be asked for by names in any case."""

    def get(self, key: str, default: object = None) -> object:
        return super().get(key.lower(), default)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and super().__contains__(key.lower())


class JsonObject:
    """One object of a document; each accessor takes the name of a property."""

    __slots__ = ("_source", "_values", "path")

    def __init__(self, source: _Source, values: Mapping[str, object], path: JsonPath) -> None:
        self._source = source
        # Most documents use the listed spelling. Where names differ only in case, the one that appeared last counts.
        self._values = values if all(map(str.islower, values)) else {key.lower(): values[key] for key in values}
        if source.is_camel_case:
            self._values = _AnyCase(self._values)
        self.path: Final = path

    def has(self, name: str) -> bool:
        """Whether the property is present and not null."""
        return self._values.get(name) is not None

    def error(self, reason: str, *names: str | int) -> UnreadableDocumentError:
        """An error with this reason about a property, or about the object itself."""
        path = self.path + names
        return self._source.error(reason, path if not names or names[0] in self._values else self.path)

    def required_text(self, name: str) -> str:
        """A string that must be there; it may be empty."""
        text = self.text(name)
        if text is None:
            raise self._missing(name)
        return text

    def text(self, name: str) -> str | None:
        """A string."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.error(f"Expected a string and found {_shown(value)}", name)
        # Neither the database nor a log holds this character, and no name has it on purpose.
        if "\0" in value:
            raise self.error(f"The string {quoted(value)} contains the character NUL", name)
        return value

    def number(self, name: str, default: float) -> float:
        """A number, possibly infinite, never NaN."""
        value = self._values.get(name)
        if type(value) is float:
            return value
        if value is None:
            return default
        return float(value) if type(value) is int else self._as_number(value, name)

    def optional_number(self, name: str) -> float | None:
        """A number, possibly infinite, never NaN."""
        return self.number(name, 0.0) if self.has(name) else None

    def required_number(self, name: str) -> float:
        """A number that must be there, possibly infinite, never NaN."""
        if not self.has(name):
            raise self._missing(name)
        return self.number(name, 0.0)

    def numbers(self, name: str) -> list[float] | None:
        """A list of numbers."""
        values = self._list(name)
        if values is None:
            return None
        if set(map(type, values)) <= {float, int}:
            return list(map(float, cast("list[float]", values)))  # the types were just looked at
        return [self._as_number(value, name, index) for index, value in enumerate(values)]

    def required_numbers(self, name: str) -> list[float]:
        """A list of numbers that must be there."""
        numbers = self.numbers(name)
        if numbers is None:
            raise self._missing(name)
        return numbers

    def flag(self, name: str, *, default: bool) -> bool:
        """A boolean."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.error(f"Expected true or false and found {_shown(value)}", name)
        return value

    def required_flag(self, name: str) -> bool:
        """A boolean that must be there."""
        if not self.has(name):
            raise self._missing(name)
        return self.flag(name, default=False)

    def choice(self, name: str, kind: type[_Choice]) -> _Choice | None:
        """A member of an enumeration, in any case."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return kind(text.lower())
        except ValueError:
            known = ", ".join(member.value for member in kind)
            raise self.error(f"The value {quoted(text)} of '{name}' is none of: {known}", name) from None

    def choices(self, name: str, kind: type[_Choice]) -> list[_Choice] | None:
        """A list of members of an enumeration, in any case."""
        values = self._list(name)
        if values is None:
            return None
        return [self._choice_among(value, kind, name, index) for index, value in enumerate(values)]

    def _choice_among(self, value: object, kind: type[_Choice], name: str, index: int) -> _Choice:
        if not isinstance(value, str):
            raise self.error(f"Expected a string and found {_shown(value)}", name, index)
        try:
            return kind(value.lower())
        except ValueError:
            known = ", ".join(member.value for member in kind)
            raise self.error(f"The value {quoted(value)} in '{name}' is none of: {known}", name, index) from None

    def required_choice(self, name: str, kind: type[_Choice]) -> _Choice:
        """A member of an enumeration that must be there, in any case."""
        member = self.choice(name, kind)
        if member is None:
            raise self._missing(name)
        return member

    def duration_s(self, name: str) -> float | None:
        """An ISO 8601 duration, in seconds."""
        text = self.text(name)
        return None if text is None else self._converted(text, read_duration_s, name)

    def required_moment(self, name: str) -> datetime:
        """An ISO 8601 date-time that must be there: naive if it has no zone, in UTC if it has one."""
        return self._converted(self.required_text(name), read_moment, name)

    def json(self, name: str) -> object | None:
        """Whatever is there, as JSON has it."""
        return self._values.get(name)

    def required_json(self, name: str) -> object:
        """Whatever is there, as JSON has it; it must be there."""
        if not self.has(name):
            raise self._missing(name)
        return self._values.get(name)

    def required_json_list(self, name: str) -> list[object]:
        """A list that must be there, of whatever is in it."""
        values = self._list(name)
        if values is None:
            raise self._missing(name)
        return values

    def required_object(self, name: str) -> JsonObject:
        """An object that must be there."""
        if not self.has(name):
            raise self._missing(name)
        return self._source.object(self._values.get(name), (*self.path, name))

    def objects(self, name: str) -> list[JsonObject] | None:
        """A list of objects."""
        values = self._list(name)
        if values is None:
            return None
        if None in values:
            raise _null_found(self.error(f"The list '{name}' has an entry that is null", name, values.index(None)))
        source, path = self._source, (*self.path, name)
        return [source.object(value, (*path, index)) for index, value in enumerate(values)]

    def required_objects(self, name: str) -> list[JsonObject]:
        """A list of objects that must be there."""
        objects = self.objects(name)
        if objects is None:
            raise self._missing(name)
        return objects

    def _list(self, name: str) -> list[object] | None:
        value = self._values.get(name)
        if value is not None and not isinstance(value, list):
            raise self.error(f"Expected a list and found {_shown(value)}", name)
        return value

    def _missing(self, name: str) -> UnreadableDocumentError:
        if name in self._values:
            return _null_found(self.error(f"The required property '{name}' is null", name))
        return self.error(f"The required property '{name}' is missing", name)

    def _as_number(self, value: object, *names: str | int) -> float:
        if isinstance(value, str):
            number = _INFINITIES.get(value, number_in(value))
            if number is not None:
                return number
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        raise self.error(f"Expected a number and found {_shown(value)}", *names)

    def _converted(self, text: str, convert: Callable[[str], _Value], name: str) -> _Value:
        try:
            return convert(text)
        except ValueError as error:
            raise self.error(f"The value {quoted(text)} of '{name}' is {error}", name) from None


def _unreadable(reason: str, path: JsonPath, text: str, offset: int) -> UnreadableDocumentError:
    line, position = line_and_position(text, offset)
    place = path_text(path)
    return UnreadableDocumentError(f"{reason}. Path '{place}', line {line}, position {position}.", place)


def _null_found(error: UnreadableDocumentError) -> NullFoundError:
    return NullFoundError(error.message, error.path)


def _shown(value: object) -> str:
    """A value as a message shows it."""
    if isinstance(value, str):
        return f"the string {quoted(value)}"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return orjson.dumps(value).decode()
