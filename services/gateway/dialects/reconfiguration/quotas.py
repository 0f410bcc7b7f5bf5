"""How much each user may have and for how long: three named sets of quotas, and a file that says otherwise for single users."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from services.gateway.dialects.reconfiguration.time_spans import parse_time_span
from shared.errors import BusbarError

log = structlog.get_logger()

# The largest number that PGO's clients can hold stands for "as many as you like".
UNLIMITED = 2**31 - 1
# Tens of thousands of users. The file is read again with each request that quotas bear on.
LARGEST_FILE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class UserQuotas:
    """How much one user may have. Counts are for each of the two APIs by itself."""

    network_limit: int
    session_limit: int
    optimization_timeout: timedelta
    session_timeout: timedelta
    network_max_size: int  # nodes, plus one for each transformer


QuotasName = Literal["NoLimits", "ForDemo", "Restrictive"]
NAMED_QUOTAS: Mapping[QuotasName, UserQuotas] = {
    "NoLimits": UserQuotas(UNLIMITED, UNLIMITED, timedelta(days=365), timedelta(days=365), UNLIMITED),
    "ForDemo": UserQuotas(2, 2, timedelta(hours=12), timedelta(days=1), 100),
    "Restrictive": UserQuotas(1, 1, timedelta(minutes=1), timedelta(minutes=30), 10),
}


@dataclass(frozen=True, slots=True)
class QuotaTable:
    """The quotas of all users at one moment."""

    default: UserQuotas
    overrides: Mapping[str, UserQuotas] = field(default_factory=dict)  # by user id

    def of(self, user: str) -> UserQuotas:
        """The quotas of a user."""
        return self.overrides.get(user, self.default)


class QuotasFileRefused(BusbarError):
    """The file of quotas cannot be read, or says something that is none."""

    code = "quotas_file_refused"
    exit_status = 2


class Quotas:
    """The quotas in force: a change of the file counts from the next request on.

    A file that has gone bad changes nothing: the last good one stays in force, and the log says what is wrong.
    """

    def __init__(self, default: UserQuotas, file: Path | None) -> None:
        """Read the file for the first time.

        Raises:
            QuotasFileRefused: it is no good.
        """
        self._file = file
        self._lock = asyncio.Lock()
        self._table = QuotaTable(default)
        self._seen: bytes | None = None
        self._fault = ""
        if file is not None:
            self._seen = _content(file)
            self._table = read_quotas(self._seen, default, str(file))

    async def current(self) -> QuotaTable:
        """The quotas of all users now. As long as nothing changes it is the same object."""
        if self._file is None:
            return self._table
        async with self._lock:
            fault = await asyncio.to_thread(self._look_again, self._file)
            if fault and fault != self._fault:  # once, not with each request
                log.error("quotas_file_refused", file=str(self._file), reason=fault)
            self._fault = fault
            return self._table

    async def of(self, user: str) -> UserQuotas:
        """The quotas of a user now."""
        return (await self.current()).of(user)

    def _look_again(self, file: Path) -> str:
        """Take over what the file says, if that has changed; what is wrong with it, or nothing."""
        try:
            # By content, as the time of a change does not tell two changes apart that come close together.
            content = _content(file)
        except QuotasFileRefused as refused:
            self._seen = None
            return refused.message
        if content == self._seen:
            return self._fault
        self._seen = content
        try:
            self._table = read_quotas(content, self._table.default, str(file))
        except QuotasFileRefused as refused:
            return refused.message
        return ""


def read_quotas(content: bytes, default: UserQuotas, name: str) -> QuotaTable:
    """The quotas that a file says: a JSON object with, by user id, an object of whichever quotas differ from the default.

    Raises:
        QuotasFileRefused: it is something else; all faults are named at once, after the ``name`` of the file.
    """
    try:
        document = json.loads(content, object_pairs_hook=_without_repetition, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise QuotasFileRefused(f"{name}: not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise QuotasFileRefused(f"{name}: not a JSON object with one entry for each user")
    faults: list[str] = []
    overrides: dict[str, UserQuotas] = {}
    for user, given in document.items():
        try:
            said = _Override.model_validate(given).model_dump(exclude_unset=True)
        except ValidationError as error:
            faults += [f"user '{user}', {_fault_of(fault)}" for fault in error.errors(include_url=False)]
        else:
            overrides[user] = replace(default, **said)
    if faults:
        raise QuotasFileRefused(f"{name}: {'; '.join(faults)}")
    return QuotaTable(default, overrides)


def _time_span(value: object) -> timedelta:
    if not isinstance(value, str):
        raise ValueError("a time span is a text such as '12:00:00'")  # noqa: TRY004  # pydantic takes ValueError alone
    span = parse_time_span(value)
    if not span:
        raise ValueError("a time-out must be longer than nothing")
    return span


_Limit = Annotated[int, Field(ge=0, le=UNLIMITED, strict=True)]
_TimeOut = Annotated[timedelta, BeforeValidator(_time_span)]


class _Override(BaseModel):
    """What the file says of one user; names as on the wire. What is not given stays as it is by default."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)

    network_limit: _Limit = 0
    session_limit: _Limit = 0
    optimization_timeout: _TimeOut = timedelta(0)
    session_timeout: _TimeOut = timedelta(0)
    network_max_size: _Limit = 0


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise QuotasFileRefused(f"{file}: cannot be read: {error.strerror or error}") from error
    if len(content) > LARGEST_FILE_BYTES:
        raise QuotasFileRefused(f"{file}: larger than {LARGEST_FILE_BYTES} bytes")
    return content


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(name for name in names if names.count(name) > 1)}' is there twice")
    return found


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


def _fault_of(fault: ErrorDetails) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    text = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {text}" if where else text
