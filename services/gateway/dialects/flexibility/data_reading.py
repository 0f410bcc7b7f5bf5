"""Reading JSON that may be large: bodies full of measured values, and what goes with them. Large ones are parsed in a thread."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel
from pydantic_core import from_json

from services.gateway.dialects.flexibility.fields import LARGEST, is_storable
from services.gateway.dialects.flexibility.posted_values import DATA
from services.gateway.dialects.flexibility.reading import Given, NotJson, check_is_json
from services.gateway.dialects.flexibility.validation import JSON_BODY, WHOLE, Invalid, invalid_field, read_as
from services.gateway.dialects.flexibility.wire import CONTENT_TYPE
from services.gateway.http.binding import BodyTooLarge
from services.gateway.http.bodies import BodyDescription, IncomingBody, read_whole
from services.gateway.http.call import Call
from services.gateway.http.openapi import REF

M = TypeVar("M", bound=BaseModel)

# More than this takes longer to parse than the event loop may be held.
PARSED_AT_ONCE_BYTES = 128 << 10
# A credential, and none of the parameters.
CREDENTIAL = "auth_token"

_ADDRESS = re.compile(r"ea1\.\d{4}-\d{2}\.[^:\s]{1,255}:fm1\.(\d{1,19})", re.ASCII)


class JsonObject(Generic[M]):
    """A JSON object as it is, within the bound for measured values; ``model`` describes it, and whoever gets it checks it.

    ``parse`` reads it, and where it may be left out, that says as much as an object without fields.
    """

    def __init__(
        self, model: type[M], *, parse: Callable[[bytes], object] = orjson.loads, may_be_left_out: bool = False
    ) -> None:
        self._model = model
        self._parse = parse
        self._may_be_left_out = may_be_left_out

    async def read(self, incoming: IncomingBody) -> Given:
        """The object.

        Raises:
            NotJson, BodyTooLarge: as their names say. Invalid: it is JSON, but no object.
        """
        check_is_json(incoming, may_be_left_out=self._may_be_left_out)
        most = incoming.max_data_bytes
        try:
            body = await read_whole(incoming, most)
        except BodyTooLarge as error:
            raise BodyTooLarge(f"Request body exceeds the configured limit of {most} bytes.") from error
        body = body.removeprefix(b"\xef\xbb\xbf")
        if self._may_be_left_out and not body.strip():
            return {}
        try:
            if len(body) <= PARSED_AT_ONCE_BYTES:
                found = self._parse(body)
            else:
                found = await asyncio.to_thread(self._parse, body)
        except ValueError:
            raise NotJson("The body of the request is not valid JSON.") from None
        if not isinstance(found, dict):
            raise Invalid(JSON_BODY, {WHOLE: ["Invalid input type."]})
        # Only where there may be one: to look at every value of a large body would take longer than to read it.
        if rb"\u0000" in body and not is_storable(found):
            raise Invalid(JSON_BODY, {WHOLE: ["A text with a NUL cannot be stored."]})
        return found

    def describe(self) -> BodyDescription:
        """As the model's schema."""
        return BodyDescription(CONTENT_TYPE, {"$ref": REF.format(model=self._model.__name__)}, (self._model,))


def parse_measured(body: bytes) -> object:
    """What JSON says, or what clients in Python write instead: gaps between measured values as NaN.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return from_json(body)


def data_parameters_of(model: type[M], call: Call[Given, Given]) -> M:
    """The parameters with which data are asked for, from the query and, for older clients, the body.

    Raises:
        Invalid: one does not have its form, or is none.
    """
    return parameters_with_body(model, call, DATA)


def parameters_with_body(model: type[M], call: Call[Given, Given], location: str) -> M:
    """The same, with faults said to be at ``location``.

    Raises:
        Invalid: one does not have its form, or is none.
    """
    given: dict[str, object] = {**call.body, **call.query}
    given.pop(CREDENTIAL, None)
    return read_as(model, given, location)


def sensor_of_address(address: str) -> int:
    """The id of the sensor that an entity address names.

    Raises:
        Invalid: it names none, or in the form of older versions.
    """
    found = _ADDRESS.fullmatch(address.strip())
    if found is None or int(found[1]) > LARGEST:
        text = f"{address[:200]!r} is not the entity address of a sensor, as ea1.2021-01.io.example:fm1.77."
        raise invalid_field(DATA, "sensor", text)
    return int(found[1])


def as_json(arguments: Mapping[str, Any]) -> bytes:  # Any: JSON
    """Canonical JSON: the same for the same values."""
    return orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)
