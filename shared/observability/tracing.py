"""Trace context as W3C writes it (``traceparent``), and the correlation id: one thread through request, message and solve.

Both are bound to the task that works and travel with every message. Nothing is exported from here; an exporter reads the logs.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import structlog

_traceparent: ContextVar[str] = ContextVar("busbar_traceparent", default="")
_correlation_id: ContextVar[str] = ContextVar("busbar_correlation_id", default="")

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_SAMPLED = 0x01
# What a client may choose as its correlation id; anything else could break a log line or a header.
CORRELATION_ID = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace: which trace, which span in it, and its flags."""

    trace_id: str
    span_id: str
    flags: int = _SAMPLED

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def parse(traceparent: str) -> TraceContext | None:
    """Read a ``traceparent``; None for one that the standard tells us to ignore.

    Source:
        W3C Trace Context (Recommendation of 23 November 2021), sections 3.2 and 4.
    """
    found = _TRACEPARENT.fullmatch(traceparent.strip())
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    is_of_today_with_more = version == "00" and rest is not None
    if version == "ff" or is_of_today_with_more or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id, span_id, int(flags, 16) & _SAMPLED)


def new_traceparent() -> str:
    """The beginning of a trace."""
    return str(TraceContext(_random_hex(16), _random_hex(8)))


def child_of(traceparent: str) -> str:
    """A new span within the trace of another, or the beginning of a trace where that one cannot be read."""
    parent = parse(traceparent)
    if parent is None:
        return new_traceparent()
    return str(TraceContext(parent.trace_id, _random_hex(8), parent.flags))


def usable_correlation_id(proposed: str | None, form: re.Pattern[str] = CORRELATION_ID) -> str:
    """A correlation id from outside if it has the form, else a new one."""
    if proposed is not None and form.fullmatch(proposed):
        return proposed
    return _random_hex(16)


def current_traceparent() -> str:
    """The place in the trace where this task works; the beginning of a new trace where it has none."""
    return _traceparent.get() or new_traceparent()


def current_correlation_id() -> str:
    """What this task's request or message is known by; empty outside of any."""
    return _correlation_id.get()


@contextmanager
def working_on(*, correlation_id: str, traceparent: str = "", **facts: str) -> Iterator[str]:
    """For the time of the block, work in a new span of a trace, with its ids and further ``facts`` in every log line.

    Yields:
        The new ``traceparent``.
    """
    span = child_of(traceparent)
    tokens = (_traceparent.set(span), _correlation_id.set(correlation_id))
    ids = {"correlation_id": correlation_id, "trace_id": span[3:35]}
    try:
        with structlog.contextvars.bound_contextvars(**ids, **facts):
            yield span
    finally:
        _traceparent.reset(tokens[0])
        _correlation_id.reset(tokens[1])


def _random_hex(size: int) -> str:
    while not int(value := secrets.token_hex(size), 16):
        continue  # all zeros is the one value that the standard forbids
    return value
