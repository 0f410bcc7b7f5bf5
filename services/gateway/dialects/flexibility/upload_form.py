"""Reading the form with which files of measured values are uploaded."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import PurePath
from types import TracebackType

from aiohttp import BodyPartReader, MultipartReader

from services.gateway.dialects.flexibility.validation import Invalid, invalid_field
from services.gateway.http.binding import BodyTooLarge
from services.gateway.http.bodies import BodyDescription, IncomingBody
from services.gateway.http.forms import MALFORMED, MOST_PARTS, Pieces
from services.gateway.http.spool import Spool

UPLOAD = "combined_sensor_data_upload"
FILES, UNIT, MEASURED_INSTANTLY = "uploaded-files", "unit", "belief-time-measured-instantly"

SUFFIXES = frozenset({".csv", ".xls", ".xlsx", ".xlsm"})
CONTENT_TYPES = frozenset(
    {
        "text/csv",
        "text/plain",
        "text/x-csv",
        "application/vnd.ms-excel",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    }
)
MOST_FILES = 20
LONGEST_NAME = 200
_TRUE, _FALSE = frozenset({"true", "on", "1", "yes"}), frozenset({"false", "off", "0", "no", ""})


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file on its way, and what its sender calls it."""

    name: str
    content: Spool

    async def read(self) -> bytes:
        """All of it."""
        return b"".join([piece async for piece in self.content.pieces()])


@dataclass
class Upload:
    """A form that was read. Whoever has it closes it."""

    files: list[UploadedFile] = field(default_factory=list)
    unit: str | None = None
    is_measured_instantly: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.content.size for file in self.files)

    async def __aenter__(self) -> Upload:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self.files:
            file.content.close()


class UploadForm:
    """A multipart form with one file or more, and what they are about."""

    async def read(self, incoming: IncomingBody) -> Upload:
        """The form.

        Raises:
            Invalid: it has no file, or one of a kind that is not read. BodyTooLarge: the files are too large.
        """
        upload = Upload()
        if incoming.media_type != "multipart/form-data":
            raise _missing()
        async with AsyncExitStack() as unless_returned:
            await unless_returned.enter_async_context(upload)
            try:
                await self._read_parts(incoming, upload)
            except BodyTooLarge as error:
                most = incoming.max_data_bytes
                raise BodyTooLarge(f"Request body exceeds the configured limit of {most} bytes.") from error
            except Invalid:
                raise
            except MALFORMED:
                raise invalid_field(UPLOAD, FILES, "The multipart form is malformed or incomplete.") from None
            if not upload.files:
                raise _missing()
            unless_returned.pop_all()
        return upload

    async def _read_parts(self, incoming: IncomingBody, upload: Upload) -> None:
        reader, pieces = MultipartReader(incoming.headers, incoming.stream), Pieces(incoming, incoming.max_data_bytes)
        for _ in range(MOST_PARTS):
            part = await pieces.next_part(reader)
            if part is None:
                return
            if part.name == FILES and part.filename is not None:
                await self._read_file(incoming, upload, part, pieces)
            elif part.name == UNIT:
                upload.unit = (await pieces.text_of(part)).strip() or None
            elif part.name == MEASURED_INSTANTLY:
                upload.is_measured_instantly = _flag(await pieces.text_of(part))
            else:
                while await pieces.next_of(part):
                    pass
        raise invalid_field(UPLOAD, FILES, f"The form has more than {MOST_PARTS} parts.")

    async def _read_file(self, incoming: IncomingBody, upload: Upload, part: BodyPartReader, pieces: Pieces) -> None:
        # Without what no text could hold that is written later.
        name = (part.filename or "").replace("\x00", "").encode("utf-8", "replace").decode()[-LONGEST_NAME:]
        if PurePath(name).suffix.lower() not in SUFFIXES:
            raise invalid_field(UPLOAD, FILES, f"Invalid filename: {name}. Only CSV or Excel files are accepted.")
        kind = part.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in CONTENT_TYPES:
            raise invalid_field(UPLOAD, FILES, f"Invalid content type: {kind}. Only CSV or Excel files are accepted.")
        if len(upload.files) == MOST_FILES:
            raise invalid_field(UPLOAD, FILES, f"More than {MOST_FILES} files.")
        content = Spool(incoming.budget)
        upload.files.append(UploadedFile(name, content))
        while piece := await pieces.next_of(part):
            await content.write(piece)

    def describe(self) -> BodyDescription:
        """An object of files and texts."""
        files = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
        properties = {
            FILES: {**files, "description": "CSV or Excel: a header, then the start of each event and its value."},
            UNIT: {"type": "string", "description": "Of the values; by default the sensor's."},
            MEASURED_INSTANTLY: {
                "type": "boolean",
                "default": False,
                "description": "Whether each value was known at the end of its event, and not only now.",
            },
        }
        schema = {"type": "object", "properties": properties, "required": [FILES]}
        return BodyDescription("multipart/form-data", schema)


def _missing() -> Invalid:
    return invalid_field(UPLOAD, FILES, "Missing data for required field.")


def _flag(text: str) -> bool:
    given = text.strip().lower()
    if given not in _TRUE | _FALSE:
        raise invalid_field(UPLOAD, MEASURED_INSTANTLY, "Not a valid boolean.")
    return given in _TRUE
