"""A client that costs next to nothing: requests are bytes, of an answer only the status is looked at. Its processor time is not the gateway's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Client:
    """One connection, kept. ``headers`` go with every request."""

    port: int
    headers: Mapping[str, str] = field(default_factory=dict)
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes | None = None, *, expected: int = 200) -> bytes:
        """The body of the answer.

        Raises:
            UnexpectedAnswer: its status is another one.
        """
        status, answer = await self.answer(method, path, body)
        if status != expected:
            raise UnexpectedAnswer(f"{method} {path}: {status}, not {expected}: {answer[:500]!r}")
        return answer

    async def answer(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of the answer."""
        return await self.send(request_bytes(method, path, body, self.headers))

    async def send(self, raw: bytes) -> tuple[int, bytes]:
        """The same for a request that is ready to be sent."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        reader, writer = self._streams
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return int(head[9:12]), await reader.readexactly(length)

    def close(self) -> None:
        """End the connection."""
        if self._streams is not None:
            self._streams[1].close()


class UnexpectedAnswer(Exception):
    """What was measured did not work."""


def request_bytes(method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{k}: {v}" for k, v in (headers or {}).items())]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")
