"""Multipart forms: text fields as texts, files into spools. Read as a stream; nothing is ever held whole in memory.

As with the server that PGO's clients were written for, a part is a file if and only if it has a non-empty filename, names of
fields match in any case, the first of several parts of one name counts, and unknown parts are passed over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType

from aiohttp import BodyPartReader, MultipartReader
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError
from pydantic import BaseModel

from services.gateway.http.binding import BindingFailed, BodyTooLarge, UnsupportedMediaType
from services.gateway.http.bodies import BodyDescription, IncomingBody, Pace, too_slow
from services.gateway.http.spool import Spool

MOST_PARTS = 100
MOST_TEXT_BYTES = 16 * 1024

# More than the connection ever buffers, so that a piece is what has arrived and the reader puts nothing back.
READ_BYTES = 1024 * 1024

# What aiohttp's reader raises for a form that does not keep to RFC 7578, or ends before it is whole.
MALFORMED: tuple[type[Exception], ...] = (
    ValueError,
    RuntimeError,
    AssertionError,
    LookupError,
    HttpProcessingError,
    RequestPayloadError,
    EOFError,
)


@dataclass(frozen=True, slots=True)
class FileField:
    """A part with a filename. ``describes`` is the model of the JSON document in it."""

    name: str
    describes: type[BaseModel]
    description: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class TextField:
    """A part without a filename."""

    name: str
    description: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class FlagField:
    """A text ``true`` or ``false`` in any case; false when absent."""

    name: str
    description: str
    required: bool = False


Field = FileField | TextField | FlagField


@dataclass
class Form:
    """A form that was read and has what its route requires. Whoever has it closes it."""

    texts: dict[str, str] = field(default_factory=dict)
    flags: dict[str, bool] = field(default_factory=dict)
    files: dict[str, Spool] = field(default_factory=dict)

    async def __aenter__(self) -> Form:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for spool in self.files.values():
            spool.close()


class FormBody:
    """A multipart form of declared fields."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields: Mapping[str, Field] = {declared.name.lower(): declared for declared in fields}

    async def read(self, incoming: IncomingBody) -> Form:
        """The form; every required field is there and every flag a truth value."""
        if incoming.media_type != "multipart/form-data":
            raise UnsupportedMediaType("The body must be a form (Content-Type: multipart/form-data).")
        form = Form()
        async with AsyncExitStack() as unless_returned:
            await unless_returned.enter_async_context(form)
            try:
                wrong_flags = await self._read_parts(incoming, form)
            except MALFORMED:
                raise BindingFailed({"$": ["The multipart form is malformed or incomplete."]}) from None
            self._check(form, wrong_flags)
            unless_returned.pop_all()
        return form

    async def _read_parts(self, incoming: IncomingBody, form: Form) -> dict[str, str]:
        reader = MultipartReader(incoming.headers, incoming.stream)
        pieces = Pieces(incoming)
        wrong_flags: dict[str, str] = {}
        for _ in range(MOST_PARTS):
            part = await pieces.next_part(reader)
            if part is None:
                return wrong_flags
            declared = self._fields.get((part.name or "").lower())
            if isinstance(declared, FileField) and part.filename and declared.name not in form.files:
                form.files[declared.name] = spool = Spool(incoming.budget)
                while piece := await pieces.next_of(part):
                    await spool.write(piece)
            elif isinstance(declared, TextField) and not part.filename and declared.name not in form.texts:
                form.texts[declared.name] = await pieces.text_of(part)
            elif isinstance(declared, FlagField) and not part.filename and declared.name not in form.flags:
                text = await pieces.text_of(part)
                form.flags[declared.name] = text.strip().lower() == "true"
                if text.strip().lower() not in {"true", "false"}:
                    wrong_flags[declared.name] = text
            else:
                while await pieces.next_of(part):
                    pass
        raise BindingFailed({"$": [f"The form has more than {MOST_PARTS} parts."]})

    def _check(self, form: Form, wrong_flags: Mapping[str, str]) -> None:
        errors = {name: [f"The value '{text}' is not valid: true or false."] for name, text in wrong_flags.items()}
        for declared in self._fields.values():
            if declared.required and declared.name not in form.files and not form.texts.get(declared.name):
                errors[declared.name] = [f"The {declared.name} field is required."]
        if errors:
            raise BindingFailed(errors)

    def describe(self) -> BodyDescription:
        """An object with one property for each field; files are binary strings that hold a document."""
        properties: dict[str, object] = {}
        encoding: dict[str, object] = {}
        models = []
        for declared in self._fields.values():
            if isinstance(declared, FileField):
                models.append(declared.describes)
                properties[declared.name] = {
                    "type": "string",
                    "format": "binary",
                    "contentMediaType": "application/json",
                    "contentSchema": {"$ref": f"#/components/schemas/{declared.describes.__name__}"},
                    "description": declared.description,
                }
                encoding[declared.name] = {"contentType": "application/json"}
            elif isinstance(declared, TextField):
                properties[declared.name] = {"type": "string", "minLength": 1, "description": declared.description}
            else:
                default = {"type": "boolean", "default": False, "description": declared.description}
                properties[declared.name] = default
        required = [declared.name for declared in self._fields.values() if declared.required]
        schema = {"type": "object", "properties": properties, "required": required}
        return BodyDescription("multipart/form-data", schema, tuple(models), encoding)


class Pieces:
    """Reads parts at a decent pace and within the bounds: of documents, unless ``limit_bytes`` says less."""

    def __init__(self, incoming: IncomingBody, limit_bytes: int | None = None) -> None:
        self._pace = Pace(incoming.stream)
        self._limit_bytes = incoming.max_document_bytes if limit_bytes is None else limit_bytes
        self._left_bytes = self._limit_bytes

    async def next_part(self, reader: MultipartReader) -> BodyPartReader | None:
        """The next part; None after the last."""
        try:
            async with asyncio.timeout_at(self._pace.next_deadline()):
                part = await reader.next()
        except TimeoutError:
            raise too_slow() from None
        if isinstance(part, MultipartReader):
            raise BindingFailed({"$": ["The form has a part that is itself multipart."]})
        return part

    async def next_of(self, part: BodyPartReader) -> bytes:
        """The next piece of a part; empty at its end."""
        while not part.at_eof():
            try:
                async with asyncio.timeout_at(self._pace.next_deadline()):
                    piece = await part.read_chunk(READ_BYTES)
            except TimeoutError:
                raise too_slow() from None
            self._pace.next_deadline(len(piece))
            self._left_bytes -= len(piece)
            if self._left_bytes < 0:
                raise BodyTooLarge(f"The documents are larger than {self._limit_bytes} bytes.")
            if piece:
                return piece
        return b""

    async def text_of(self, part: BodyPartReader) -> str:
        """A part that is a short text."""
        text = bytearray()
        while piece := await self.next_of(part):
            text += piece
            if len(text) > MOST_TEXT_BYTES:
                raise BodyTooLarge(f"The field {part.name} is longer than {MOST_TEXT_BYTES} bytes.")
        return text.decode("utf-8", "replace").replace("\x00", "�")
