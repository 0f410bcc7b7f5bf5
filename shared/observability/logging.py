"""Log lines on standard error: one JSON object each for machines, or colours for people. Libraries' lines come out the same way."""

from __future__ import annotations

import json
import logging
import sys
from typing import Literal

import orjson
import structlog
from structlog.types import EventDict, Processor

# What libraries tell about each connection and frame is for those who debug the library.
_LIBRARIES = ("aio_pika", "aiormq", "aiohttp", "asyncio", "sqlalchemy", "alembic", "asyncpg")


def configure(log_format: Literal["json", "console"], log_level: str, service: str) -> None:
    """Set up logging for the process; ``service`` is in every line."""
    level = logging.getLevelNamesMapping()[log_level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    ending = _json_ending() if log_format == "json" else _console_ending()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, _name_library_event],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(max(level, logging.WARNING))
    structlog.contextvars.bind_contextvars(service=service)


def _json_ending() -> list[Processor]:
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
    return [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer(serializer=_dumps)]


def _console_ending() -> list[Processor]:
    # The renderer's own choice of traceback would print local variables, among them passwords and customers' data.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False, exception_formatter=plain)]


def _dumps(event: EventDict, **_: object) -> str:
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except (
        orjson.JSONEncodeError
    ):  # what clients send may hold half a character, which is no UTF-8 but no reason to be silent
        return json.dumps(event, default=str)


def _name_library_event(_: object, __: str, event: EventDict) -> EventDict:
    """Give a library's free text a constant event name of its own."""
    event["message"] = event.pop("event")
    event["event"] = "library_logged"
    return event
