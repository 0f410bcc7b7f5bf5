"""What the service asks of a child and what comes back, and the child's loop that does it."""

from __future__ import annotations

import os
import resource
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.workers.channel import Channel, ChannelClosed

# Exit status of a child that could not get the memory it asked for.
OUT_OF_MEMORY = 71


@dataclass(frozen=True, slots=True)
class Call:
    """Run a top-level function; a long-running one also gets the channel, as its first argument."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    with_channel: bool = False


@dataclass(frozen=True, slots=True)
class Returned:
    """The function's result, and the most memory the child has ever held, in bytes."""

    value: Any
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True)
class Raised:
    """The function's exception in parts, so that one whose ``__init__`` wants more than ``args`` also arrives."""

    kind: type[Exception]
    args: tuple[Any, ...]
    state: Mapping[str, Any]
    traceback: str

    def rebuilt(self) -> Exception:
        """The exception with its fields; where it happened is in a note."""
        error = self.kind.__new__(self.kind, *self.args)
        error.args = self.args
        error.__dict__.update(self.state)
        error.add_note(f"In a child process:\n{self.traceback}")
        return error


def serve_calls(channel: Channel) -> None:
    """Do what the service asks, one call after the other, until it closes the channel."""
    try:
        while True:
            answer = _perform(channel)
            try:
                channel.send(answer)
            except ChannelClosed:
                raise
            except Exception as err:  # a result that cannot be pickled, in any of pickle's ways
                channel.send(_raised(TypeError(f"the result cannot be sent: {type(err).__name__}: {err}")))
    except ChannelClosed:
        return
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _perform(channel: Channel) -> Returned | Raised:
    try:
        call: Call = channel.receive()
        value = call.function(*([channel] if call.with_channel else []), *call.args)
        return Returned(value, _peak_memory_bytes())
    except (ChannelClosed, MemoryError):
        raise
    except Exception as err:  # every exception is for the caller to judge
        return _raised(err)


def _raised(error: Exception) -> Raised:
    text = "".join(traceback.format_exception(error))[-8000:]
    return Raised(type(error), error.args, dict(error.__dict__), text)


def _peak_memory_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
