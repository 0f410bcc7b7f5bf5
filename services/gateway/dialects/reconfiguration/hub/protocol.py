"""SignalR's JSON hub protocol, version 1: texts to messages and back. Knows nothing of connections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

END = "\x1e"
# Of one frame. ASP.NET's default is half of it, and ours are called with a session's id.
MAX_FRAME_CHARS = 65_536

INVOCATION, STREAM_INVOCATION, PING, CLOSE = 1, 4, 6, 7
PING_FRAME = f'{{"type":{PING}}}{END}'
HANDSHAKE_DONE = "{}" + END


class ProtocolViolated(Exception):
    """The peer sent what the protocol does not know; the connection cannot go on. The message is told to the peer."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call of a method; without an id nobody waits for a completion."""

    target: str
    arguments: Sequence[object]
    invocation_id: str | None
    is_stream: bool = False


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The peer closes."""


class FrameReader:
    """Cuts texts into frames; a frame may come in pieces."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """The frames that are complete now.

        Raises:
            ProtocolViolated: a frame is too long.
        """
        *frames, self._rest = (self._rest + text).split(END)
        if any(len(frame) > MAX_FRAME_CHARS for frame in (*frames, self._rest)):
            raise ProtocolViolated(f"A message is longer than {MAX_FRAME_CHARS} characters.")
        return frames


def check_handshake(frame: str) -> None:
    """Make sure that the peer speaks what we speak.

    Raises:
        ProtocolViolated: it does not.
    """
    wanted = _object(frame)
    protocol, version = wanted.get("protocol"), wanted.get("version")
    if protocol != "json":
        raise ProtocolViolated(f"The protocol '{str(protocol)[:40]}' is not supported.")
    if isinstance(version, bool) or version != 1:
        raise ProtocolViolated(f"The server does not support version {str(version)[:40]} of the 'json' protocol.")


def read_message(frame: str) -> Invocation | Goodbye | None:
    """A frame after the handshake; None for what asks nothing of us, such as pings and types of later versions.

    Raises:
        ProtocolViolated: it is not a message.
    """
    message = _object(frame)
    kind = message.get("type")
    if isinstance(kind, bool) or not isinstance(kind, int):
        raise ProtocolViolated("A message has no type.")
    if kind == CLOSE:
        return Goodbye()
    if kind not in {INVOCATION, STREAM_INVOCATION}:
        return None
    target, arguments, invocation_id = message.get("target"), message.get("arguments"), message.get("invocationId")
    if not isinstance(target, str) or not isinstance(arguments, list):
        raise ProtocolViolated("An invocation needs a target and arguments.")
    if invocation_id is not None and not isinstance(invocation_id, str):
        raise ProtocolViolated("An invocationId is a text.")
    return Invocation(target, arguments, invocation_id or None, is_stream=kind == STREAM_INVOCATION)


def invocation(target: str, *arguments: str) -> str:
    """A call of a method of the peer."""
    return _frame({"type": INVOCATION, "target": target, "arguments": arguments})


def completion(invocation_id: str, error: str | None = None) -> str:
    """The end of a call that returns nothing, or fails."""
    outcome: dict[str, object] = {"result": None} if error is None else {"error": error}
    return _frame({"type": 3, "invocationId": invocation_id, **outcome})


def handshake_failed(error: str) -> str:
    """The answer to a handshake that asks for something else than we have."""
    return _frame({"error": error})


def closing(error: str | None = None, *, allow_reconnect: bool = False) -> str:
    """The last frame."""
    given: dict[str, object] = {"type": CLOSE}
    if error is not None:
        given["error"] = error
    if allow_reconnect:
        given["allowReconnect"] = True
    return _frame(given)


def _object(frame: str) -> dict[str, Any]:  # Any: whatever the peer put into its JSON
    try:
        read = orjson.loads(frame)
    except orjson.JSONDecodeError:
        raise ProtocolViolated("A message is not JSON.") from None
    if not isinstance(read, dict):
        raise ProtocolViolated("A message is not a JSON object.")
    return read


def _frame(message: dict[str, object]) -> str:
    return orjson.dumps(message).decode() + END
