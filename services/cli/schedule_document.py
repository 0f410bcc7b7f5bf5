"""The file that ``busbar schedule`` is given, read into values: assets, sensors, series, and the body of a trigger."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from services.cli.usage import WrongUsage
from shared.durations import Duration, DurationUnreadable, parse_duration
from shared.errors import BusbarError
from shared.flexibility.asset_types import ASSET_TYPES, PROCESS_TYPES
from shared.units import UnknownUnit, parse_unit

Place = tuple[str | int, ...]
TYPES = sorted({one.name for one in ASSET_TYPES} | PROCESS_TYPES)
_LONGEST_VALUE = 80


class FileWrong(BusbarError):
    """What the file says is wrong, or makes no schedule; exit status 1. A line for each finding."""

    code = "schedule_file_wrong"


@dataclass(frozen=True)
class Finding:
    """What is wrong at a place of the file."""

    place: Place
    text: str


def _unit(text: str) -> str:
    try:
        parse_unit(text)
    except UnknownUnit as err:
        raise ValueError(err.message) from err
    return text


def _type(text: str) -> str:
    if text not in TYPES:
        raise ValueError(f"expected one of {', '.join(TYPES)}")
    return text


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise ValueError("expected an IANA time zone such as Europe/Amsterdam") from err
    return text


def _duration(text: str) -> str:
    try:
        parse_duration(text)
    except DurationUnreadable as err:
        raise ValueError("expected a duration such as PT15M or P1D") from err
    return text


Name = Annotated[str, Field(min_length=1, max_length=200)]
UnitText = Annotated[str, AfterValidator(_unit)]
DurationText = Annotated[str, AfterValidator(_duration)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class GivenAsset(_Part):
    """An asset. Its parent stands above it in the list."""

    name: Name
    type: Annotated[str, AfterValidator(_type)]
    parent: Name | None = None
    attributes: dict[str, Any] = {}  # Any: JSON, as that of the two below
    flex_model: dict[str, Any] = Field(default={}, alias="flex-model")
    flex_context: dict[str, Any] = Field(default={}, alias="flex-context")


class GivenSensor(_Part):
    """A sensor; without ``asset`` it is of the asset that is scheduled."""

    name: Name
    asset: Name | None = None
    unit: UnitText
    resolution: DurationText
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    attributes: dict[str, Any] = {}  # Any: JSON


class GivenSeries(_Part):
    """Values of a sensor: from ``start`` on, ``resolution`` apart (that of the sensor if not given), or at ``times``."""

    start: AwareDatetime | None = None
    resolution: DurationText | None = None
    times: list[AwareDatetime] | None = None
    values: list[FiniteFloat | None]
    unit: UnitText | None = None


class Document(_Part):
    """The whole file."""

    assets: list[GivenAsset] = []
    sensors: list[GivenSensor] = []
    series: dict[str, GivenSeries] = {}
    asset: Name | None = None
    start: AwareDatetime | None = None
    duration: DurationText | None = None
    resolution: DurationText | None = None
    flex_model: list[dict[str, Any]] = Field(default=[], alias="flex-model")  # Any: JSON
    flex_context: Any = Field(default={}, alias="flex-context")  # Any: JSON, looked at where contexts are read


@dataclass(frozen=True)
class GivenFile:
    """A file as it was read: its bytes, the JSON of them, and what they say."""

    path: Path
    content: bytes
    raw: Any  # Any: JSON
    document: Document

    def wrong(self, findings: Iterable[Finding]) -> FileWrong:
        """The error that tells of findings: the file, the place, what is wrong there, and the value that is."""
        return FileWrong("\n".join(f"{self.path}: {_told(one, self.raw)}" for one in findings))


def read_file(path: Path) -> GivenFile:
    """The file.

    Raises:
        WrongUsage: it cannot be read.
        FileWrong: it is no such document.
    """
    try:
        content = path.read_bytes()
    except OSError as err:
        raise WrongUsage(f"{path}: cannot be read: {err.strerror}") from err
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as err:
        raise FileWrong(f"{path}: no JSON: {err}") from err
    try:
        return GivenFile(path, content, raw, Document.model_validate_json(content))
    except ValidationError as err:
        found = [Finding(_place(one["loc"], raw), _text(one["msg"])) for one in err.errors()]
        raise FileWrong("\n".join(f"{path}: {_told(one, raw)}" for one in found)) from err


def fixed_seconds(duration: Duration) -> int | None:
    """Its length where it is one of whole seconds; None otherwise."""
    seconds = duration.seconds
    return int(seconds) if seconds is not None and seconds == int(seconds) else None


def _place(location: Place, raw: object) -> Place:
    """Where in the document it is: pydantic's location less what tells which of several types was tried."""
    place: list[str | int] = []
    for part in location:
        if isinstance(raw, dict) and isinstance(part, str) and (part in raw or part == location[-1]):
            place.append(part)
            raw = raw.get(part)
        elif isinstance(raw, list) and isinstance(part, int) and part < len(raw):
            place.append(part)
            raw = raw[part]
    return tuple(place)


def _text(message: str) -> str:
    return message.removeprefix("Value error, ")


def _told(finding: Finding, raw: object) -> str:
    text = finding.text.rstrip(".")
    for part in finding.place:
        try:
            raw = raw[part]  # type: ignore[index]  # what it cannot be looked up in says so
        except (LookupError, TypeError):
            return f"{_written(finding.place)}: {text}, and found nothing there"
    written = json.dumps(raw, ensure_ascii=False)
    shown = written if len(written) <= _LONGEST_VALUE else f"{written[:_LONGEST_VALUE]}…"
    return f"{_written(finding.place)}: {text}, and found {shown}"


def _written(place: Place) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.lstrip(".") or "document"
