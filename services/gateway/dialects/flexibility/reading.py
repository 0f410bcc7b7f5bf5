"""What this API reads: JSON bodies of declared models, and parameters that stand in the query or, for older clients, in a body."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, TypeAdapter, ValidationError

from services.gateway.dialects.flexibility.fields import LARGEST
from services.gateway.dialects.flexibility.validation import (
    JSON_BODY,
    PATH,
    QUERY,
    WHOLE,
    Invalid,
    invalid_field,
    messages_of,
    read_as,
)
from services.gateway.dialects.flexibility.wire import CONTENT_TYPE
from services.gateway.http.binding import BodyTooLarge
from services.gateway.http.bodies import BodyDescription, IncomingBody, read_whole
from services.gateway.http.call import Call
from services.gateway.http.openapi import REF
from shared.errors import BusbarError, InvalidInput

M = TypeVar("M", bound=BaseModel)

# The parameters of a call as they were given, by their present names.
Given = Mapping[str, object]

MOST_PARAMETERS = 100
LONGEST_NUMBER = 20

# Names that parameters had in earlier versions; FlexMeasures' client still sends some of them.
PRESENT_NAMES: Mapping[str, str] = {
    "account_id": "account",
    "asset_id": "asset",
    "per_page": "per-page",
    "sort_by": "sort-by",
    "sort_dir": "sort-dir",
    "event_starts_after": "start",
    "event_ends_before": "end",
    "beliefs_before": "prior",
    "include_data": "include-data",
    "dataset_name": "dataset-name",
    "compress_json": "compress-json",
    "force_new_job_creation": "force-new-job-creation",
    "source_type": "source-type",
    "source_account": "source-account",
}

_OBJECT: TypeAdapter[dict[str, object] | None] = TypeAdapter(dict[str, object] | None)


class NotJson(InvalidInput):
    """The body of the request is no JSON, or is not labelled as such."""

    code = "not_json"


class ModelBody(Generic[M]):
    """A JSON object of a declared model. Where it may be left out, that says as much as one without fields."""

    def __init__(self, model: type[M], *, may_be_left_out: bool = False) -> None:
        self._model = model
        self._may_be_left_out = may_be_left_out

    async def read(self, incoming: IncomingBody) -> M:
        """The object.

        Raises:
            NotJson, BodyTooLarge: as their names say. Invalid: it is JSON, but not of the model.
        """
        check_is_json(incoming, may_be_left_out=self._may_be_left_out)
        body = await _read_json(incoming)
        if self._may_be_left_out and not body.strip():
            body = b"{}"
        try:
            return self._model.model_validate_json(body)
        except ValidationError as failure:
            raise _refusal(failure, JSON_BODY) from None

    def describe(self) -> BodyDescription:
        """As the model's schema."""
        return BodyDescription(CONTENT_TYPE, {"$ref": REF.format(model=self._model.__name__)}, (self._model,))


class ParametersInQuery:
    """Query parameters under their present names, not yet checked: ``parameters_of`` does, together with those of the body."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._declared = model

    @property
    def model(self) -> type[BaseModel] | None:
        """The model whose fields are the parameters."""
        return self._declared

    def read(self, raw: str) -> Given:
        """Texts by name; the first of several counts."""
        # Lone surrogates are replaced, as no later text could be encoded with them.
        clean = raw.encode("utf-8", "replace").decode()
        try:
            pairs = parse_qsl(clean, keep_blank_values=True, errors="replace", max_num_fields=MOST_PARAMETERS)
        except ValueError:
            raise Invalid(QUERY, {WHOLE: ["Too many parameters."]}) from None
        return by_present_name(dict(reversed(pairs)))


class ParametersInBody:
    """Parameters in the JSON body of a GET, as clients of the first versions send them; any other body is not looked at."""

    async def read(self, incoming: IncomingBody) -> Given:
        """Values by name; nothing if there is no body.

        Raises:
            NotJson, BodyTooLarge: as their names say. Invalid: it is JSON, but no object.
        """
        if not is_labelled_as_json(incoming):
            return {}
        body = await _read_json(incoming)
        if not body.strip():
            return {}
        try:
            return by_present_name(_OBJECT.validate_json(body) or {})
        except ValidationError as failure:
            raise _refusal(failure, JSON_BODY) from None

    def describe(self) -> None:
        """Nothing: whoever reads the documentation uses the query."""


def parameters_of(model: type[M], call: Call[Given, Given]) -> M:
    """The parameters of a call, those of the query before those of the body.

    Raises:
        Invalid: one does not have its declared form.
    """
    return read_as(model, {**call.body, **call.query}, QUERY)


def number_in_path(
    call: Call[Any, Any], unknown: Callable[[object], BusbarError], *, name: str | None = None
) -> int:  # Any: whatever else the call brings
    """The number of the account, user, asset or sensor that the path names; ``name`` says which id of several it is.

    Raises:
        Invalid: it is no number. What ``unknown`` gives: no number in the database is as large.
    """
    text = call.ids[name] if name is not None else next(iter(call.ids.values()))
    if re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII) is None:
        raise invalid_field(PATH, "id", "Not a valid integer.")
    if len(text) > LONGEST_NUMBER or int(text) > LARGEST:
        raise unknown(text[:LONGEST_NUMBER])
    return int(text)


def by_present_name(given: Mapping[str, object]) -> Given:
    """Parameters under the names that they have now; where both are given, under the present name."""
    renamed = {PRESENT_NAMES.get(name, name): value for name, value in given.items()}
    return {**renamed, **{name: value for name, value in given.items() if name not in PRESENT_NAMES}}


def is_labelled_as_json(incoming: IncomingBody) -> bool:
    """Whether the body says of itself that it is JSON."""
    kind = incoming.media_type
    return kind == CONTENT_TYPE or (kind.startswith("application/") and kind.endswith("+json"))


def check_is_json(incoming: IncomingBody, *, may_be_left_out: bool = False) -> None:
    """A body that says of itself that it is JSON, or none where it may be left out.

    Raises:
        NotJson: it is something else.
    """
    is_left_out = may_be_left_out and incoming.stream.at_eof()
    if not is_left_out and not is_labelled_as_json(incoming):
        raise NotJson("The body of the request must be JSON (Content-Type: application/json).")


async def _read_json(incoming: IncomingBody) -> bytes:
    most = incoming.max_json_bytes
    try:
        body = await read_whole(incoming, most)
    except BodyTooLarge as error:
        raise BodyTooLarge(f"Request body exceeds the configured limit of {most} bytes.") from error
    return body.removeprefix(b"\xef\xbb\xbf")


def _refusal(failure: ValidationError, location: str) -> Invalid | NotJson:
    if any(error["type"] == "json_invalid" for error in failure.errors(include_url=False)):
        return NotJson("The body of the request is not valid JSON.")
    return Invalid(location, messages_of(failure))
