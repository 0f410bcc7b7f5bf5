"""What aiohttp's protocol reports, in our form of log: bytes that are no HTTP are everyday, anything else is a bug."""

from __future__ import annotations

import logging
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError

from services.gateway import metrics

log = structlog.get_logger()


class ProtocolLog(logging.Logger):
    """The logger that the server's connections are given."""

    def __init__(self) -> None:
        super().__init__("busbar.http", logging.WARNING)

    def exception(self, msg: object, *_args: object, exc_info: Any = True, **_: Any) -> None:
        """Record an error of a connection. (Any: the signature of the standard library.)"""
        if isinstance(exc_info, HttpProcessingError):
            metrics.REQUESTS.labels("none", "malformed", "4xx").inc()
            log.info("request_malformed", reason=type(exc_info).__name__)
        else:
            log.error("connection_failed", reason=str(msg), exc_info=exc_info)
