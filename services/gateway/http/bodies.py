"""How a route reads its body: not at all, or as JSON. (``forms`` reads multipart forms.) Each describes itself for the OpenAPI document."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from aiohttp import StreamReader
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError
from pydantic import BaseModel, TypeAdapter, ValidationError

from services.gateway.http.binding import BindingFailed, BodyTooLarge, UnsupportedMediaType, errors_of, values_of
from services.gateway.http.spool import Spool, SpoolBudget

B_co = TypeVar("B_co", covariant=True)
B = TypeVar("B")

# A client that pauses for longer, or is slower than this on the whole after a grace, gives its place to others.
LONGEST_PAUSE_S = 10.0
GRACE_S = 20.0
SLOWEST_BYTES_PER_S = 8 * 1024

# Where an OpenAPI document has its schemas.
COMPONENT = "#/components/schemas/{model}"

UTF8_NAMES = frozenset({"utf-8", "utf8", "us-ascii"})


@dataclass(frozen=True, slots=True)
class IncomingBody:
    """The body of a request, not yet read, and the bounds within which it may be: JSON, documents, and JSON full of measured values."""

    headers: Mapping[str, str]
    stream: StreamReader
    budget: SpoolBudget
    max_json_bytes: int
    max_document_bytes: int
    max_data_bytes: int = 1 << 20

    @property
    def media_type(self) -> str:
        """Type and subtype in lower case, without parameters; empty if none was sent."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The charset that the content type names, else UTF-8."""
        for parameter in self.headers.get("Content-Type", "").split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                return value.strip().strip('"').lower()
        return "utf-8"


@dataclass(frozen=True, slots=True)
class BodyDescription:
    """A body as the OpenAPI document describes it. ``models`` are the types whose schemas it refers to."""

    media_type: str
    schema: Mapping[str, object]
    models: tuple[type[BaseModel], ...] = ()
    encoding: Mapping[str, object] | None = None


class Body(Protocol[B_co]):
    """Reads the body of a request into a value."""

    async def read(self, incoming: IncomingBody) -> B_co:
        """The value.

        Raises:
            UnsupportedMediaType, BodyTooLarge, BindingFailed: as their names say.
        """
        ...

    def describe(self) -> BodyDescription | None:
        """What the OpenAPI document says of it; None where the body is ignored."""
        ...


class Pace:
    """Reads a body and gives up on a client that would hold its request open by sending next to nothing."""

    def __init__(self, stream: StreamReader) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._received_bytes = 0

    def next_deadline(self, received_bytes: int = 0) -> float:
        """Count what has arrived; returns by when more must, by the loop's clock."""
        self._received_bytes += received_bytes
        on_the_whole = self._began + GRACE_S + self._received_bytes / SLOWEST_BYTES_PER_S
        return min(self._loop.time() + LONGEST_PAUSE_S, on_the_whole)

    async def read(self) -> bytes:
        """What arrives next; empty at the end.

        Raises:
            BindingFailed: the client is too slow, or does not keep to the transfer encoding that it named.
        """
        try:
            async with asyncio.timeout_at(self.next_deadline()):
                piece = await self._stream.readany()
        except TimeoutError:
            raise too_slow() from None
        except (HttpProcessingError, RequestPayloadError):
            raise BindingFailed({"$": ["The body of the request is malformed or incomplete."]}) from None
        except RuntimeError as error:  # what aiohttp says of a connection that was lost before this call
            raise ConnectionResetError("the client went away") from error
        self.next_deadline(len(piece))
        return piece


def too_slow() -> BindingFailed:
    """What a client hears that is too slow."""
    return BindingFailed({"$": ["The body of the request arrived too slowly."]})


async def read_whole(incoming: IncomingBody, most_bytes: int) -> bytes:
    """A small body at once.

    Raises:
        BodyTooLarge: there are more bytes.
    """
    pace = Pace(incoming.stream)
    body = bytearray()
    while piece := await pace.read():
        body += piece
        if len(body) > most_bytes:
            raise BodyTooLarge(f"The body is larger than {most_bytes} bytes.")
    return bytes(body)


class NoBody:
    """Whatever the client sends as body is not looked at."""

    async def read(self, incoming: IncomingBody) -> None:
        """Nothing."""

    def describe(self) -> None:
        """Nothing."""


class JsonBody(Generic[B]):
    """A small JSON document, checked against a type without conversions (a text is no number)."""

    def __init__(self, declared: type[B], *, models: tuple[type[BaseModel], ...] = ()) -> None:
        """``models`` are those that the declared type is made of, where it is none itself."""
        self._adapter: TypeAdapter[B] = TypeAdapter(declared)
        self._models = models

    async def read(self, incoming: IncomingBody) -> B:
        """The value of the declared type."""
        _check_is_json(incoming)
        body = await read_whole(incoming, incoming.max_json_bytes)
        if not body.strip():
            raise BindingFailed({"$": ["A non-empty request body is required."]})
        try:
            return self._adapter.validate_json(body.removeprefix(b"\xef\xbb\xbf"), strict=True)
        except ValidationError as failure:
            raise BindingFailed(errors_of(failure), values=values_of(failure)) from None

    def describe(self) -> BodyDescription:
        """As the declared type's schema."""
        if not self._models:
            return BodyDescription("application/json", self._adapter.json_schema())
        schema = self._adapter.json_schema(ref_template=COMPONENT)
        schema.pop("$defs", None)
        return BodyDescription("application/json", schema, self._models)


class DocumentBody:
    """A JSON document of any size for somebody else to read, in a spool that the handler closes."""

    def __init__(self, describes: type[BaseModel]) -> None:
        self._describes = describes

    async def read(self, incoming: IncomingBody) -> Spool:
        """The document as it was sent."""
        _check_is_json(incoming)
        async with AsyncExitStack() as unless_returned:
            spool = await unless_returned.enter_async_context(Spool(incoming.budget))
            pace = Pace(incoming.stream)
            is_blank = True
            while piece := await pace.read():
                if spool.size + len(piece) > incoming.max_document_bytes:
                    raise BodyTooLarge(f"The body is larger than {incoming.max_document_bytes} bytes.")
                is_blank = is_blank and not piece.strip()
                await spool.write(piece)
            if is_blank:
                raise BindingFailed({"$": ["A non-empty request body is required."]})
            unless_returned.pop_all()
        return spool

    def describe(self) -> BodyDescription:
        """As the schema of what it should be."""
        schema = {"$ref": COMPONENT.format(model=self._describes.__name__)}
        return BodyDescription("application/json", schema, (self._describes,))


class TextBody:
    """A small text in UTF-8, whatever the client calls it."""

    async def read(self, incoming: IncomingBody) -> str:
        """The text."""
        try:
            return (await read_whole(incoming, incoming.max_json_bytes)).decode("utf-8")
        except UnicodeDecodeError:
            raise BindingFailed({"$": ["The body is not UTF-8."]}) from None

    def describe(self) -> BodyDescription:
        """As text."""
        return BodyDescription("text/plain", {"type": "string"})


def _check_is_json(incoming: IncomingBody) -> None:
    kind = incoming.media_type
    is_json = kind in {"application/json", "text/json"} or (kind.startswith("application/") and kind.endswith("+json"))
    if not is_json or incoming.charset not in UTF8_NAMES or "Content-Encoding" in incoming.headers:
        raise UnsupportedMediaType("The body must be JSON in UTF-8 (Content-Type: application/json).")
