"""Requests in the wrong form: what pydantic found, said in the texts and nested as clients of FlexMeasures know it (422)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shared.errors import Conflict, InvalidInput

M = TypeVar("M", bound=BaseModel)

# Where a fault can be, as the first key of a validation answer.
JSON_BODY, QUERY, PATH = "json", "query", "path"
# The key for faults of no field, or of several together.
WHOLE = "_schema"

Messages = dict[str, Any]  # Any: texts by field, nested as the fields are

_TEXTS: Mapping[str, str] = {
    "missing": "Missing data for required field.",
    "extra_forbidden": "Unknown field.",
    "model_type": "Invalid input type.",
    "string_type": "Not a valid string.",
    "list_type": "Not a valid list.",
    "dict_type": "Not a valid mapping type.",
    "bool_type": "Not a valid boolean.",
    "bool_parsing": "Not a valid boolean.",
    "int_type": "Not a valid integer.",
    "int_parsing": "Not a valid integer.",
    "int_parsing_size": "Not a valid integer.",
    "int_from_float": "Not a valid integer.",
    "float_type": "Not a valid number.",
    "float_parsing": "Not a valid number.",
    "finite_number": "Not a valid number.",
}
_BOUNDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda at: f"Must be greater than or equal to {at['ge']}.",
    "less_than_equal": lambda at: f"Must be less than or equal to {at['le']}.",
    "string_too_short": lambda at: f"Shorter than minimum length {at['min_length']}.",
    "string_too_long": lambda at: f"Longer than maximum length {at['max_length']}.",
    "too_long": lambda at: f"Longer than maximum length {at['max_length']}.",
    "literal_error": lambda at: f"Must be one of: {at['expected'].replace(chr(39), '').replace(' or ', ', ')}.",
    "value_error": lambda at: str(at["error"]),
}


class Invalid(InvalidInput):
    """A request does not have its form. ``messages`` are texts by field under their location.

    Some routes tell their fields without a location; then these stand in its place, with their texts.
    """

    code = "validation_failed"

    def __init__(self, location: str, messages: Messages | list[str]) -> None:
        super().__init__("The request does not have the form that is expected.")
        self.messages: Messages = {location: messages}


def invalid_field(location: str, field: str, text: str) -> Invalid:
    """One field is at fault."""
    return Invalid(location, {field: [text]})


@contextmanager
def refused_values(location: str = JSON_BODY) -> Iterator[None]:
    """Values that were refused further inside, said of the field that they came in."""
    try:
        yield
    except (InvalidInput, Conflict) as error:
        raise invalid_field(location, error.field or WHOLE, error.message) from error


def read_as(model: type[M], values: Mapping[str, object], location: str) -> M:
    """The values as the model.

    Raises:
        Invalid: they do not have its form.
    """
    try:
        return model.model_validate(values)
    except ValidationError as failure:
        raise Invalid(location, messages_of(failure)) from None


def messages_of(failure: ValidationError) -> Messages:
    """The texts of what pydantic found, nested as the fields are; positions in lists are keys."""
    messages: Messages = {}
    for error in failure.errors(include_url=False):
        *outer, last = [str(key) for key in error["loc"]] or [WHOLE]
        inner = messages
        for key in outer:
            inner = inner.setdefault(key, {})
        inner.setdefault(last, []).append(_text_of(error))
    return messages


def _text_of(error: ErrorDetails) -> str:
    kind = error["type"]
    if error["input"] is None and kind.endswith("_type") and kind != "model_type":
        return "Field may not be null."
    if text := _TEXTS.get(kind):
        return text
    if bound := _BOUNDS.get(kind):
        return bound(error["ctx"])
    return f"{error['msg']}."
