"""The path of the request that this task answers, for error documents that have to name it."""

from __future__ import annotations

from contextvars import ContextVar

_path: ContextVar[str] = ContextVar("busbar_request_path", default="")


def current_path() -> str:
    """The path as the client wrote it, percent-encoded and without query; empty outside of any request."""
    return _path.get()


def answer_for(path: str) -> None:
    """From here on this task answers a request with this path."""
    _path.set(path)
