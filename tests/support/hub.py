"""A client of the real-time hub as raw as the protocol; frames are kept as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, ClientTimeout, WSMsgType

from tests.support.eventually import eventually

TRANSPORTS = ["WebSockets", "ServerSentEvents", "LongPolling"]
END = "\x1e"
HELLO = '{"protocol":"json","version":1}'


class HubClient:
    """One connection over one transport, to the hub at an address."""

    def __init__(
        self, http: ClientSession, url: str, transport: str, headers: dict[str, str], token: str | None
    ) -> None:
        self.http, self.transport, self.headers = http, transport, headers
        self.where = url if token is None else f"{url}?id={token}"
        self.frames: list[Any] = []
        self.is_over = False
        self._socket: Any = None
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._calls = 0

    async def open(self) -> None:
        if self.transport == "WebSockets":
            self._socket = await self.http.ws_connect(self.where, headers=self.headers)
            self._ready.set()
        reader = {
            "WebSockets": self._read_socket,
            "ServerSentEvents": self._read_events,
            "LongPolling": self._read_polls,
        }
        self._task = asyncio.create_task(reader[self.transport]())
        await asyncio.wait_for(self._ready.wait(), 10)

    async def close(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        if self._socket is not None:
            await self._socket.close()

    async def send(self, *frames: str) -> None:
        text = "".join(frame + END for frame in frames)
        if self._socket is not None:
            await self._socket.send_str(text)
            return
        async with self.http.post(self.where, data=text.encode(), headers=self.headers) as answer:
            assert answer.status == 200

    async def greet(self) -> None:
        await self.send(HELLO)
        await eventually(lambda: {} in self.frames)

    async def call(self, target: str, *arguments: object) -> Any:
        self._calls += 1
        name = str(self._calls)
        await self.send(json.dumps({"type": 1, "target": target, "arguments": arguments, "invocationId": name}))
        return await eventually(
            lambda: next((frame for frame in self.frames if frame.get("invocationId") == name), None)
        )

    @property
    def statuses(self) -> list[Any]:
        told = [frame for frame in self.frames if frame.get("target") == "newSolutionStatus"]
        assert all(len(frame["arguments"]) == 1 and isinstance(frame["arguments"][0], str) for frame in told)
        return [json.loads(frame["arguments"][0]) for frame in told]

    def _take(self, text: str) -> None:
        self.frames += [json.loads(frame) for frame in text.split(END) if frame]

    async def _read_socket(self) -> None:
        async for message in self._socket:
            assert message.type is WSMsgType.TEXT
            self._take(message.data)
        self.is_over = True

    async def _read_events(self) -> None:
        headers = self.headers | {"Accept": "text/event-stream"}
        async with self.http.get(self.where, headers=headers, timeout=ClientTimeout()) as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
            self._ready.set()
            async for line in answer.content:
                if line.startswith(b"data: "):
                    self._take(line[6:].decode().strip("\r\n"))
        self.is_over = True

    async def _read_polls(self) -> None:
        while True:
            async with self.http.get(self.where, headers=self.headers) as answer:
                if answer.status != 200:
                    self.is_over = True
                    return
                self._take(await answer.text())
                self._ready.set()


async def negotiate(http: ClientSession, url: str, headers: dict[str, str] | None = None) -> Any:
    """What the hub at an address offers."""
    async with http.post(f"{url}/negotiate?negotiateVersion=1", headers=headers) as answer:
        assert answer.status == 200
        return await answer.json()


@asynccontextmanager
async def connected_to(
    url: str, transport: str = "WebSockets", *, headers: dict[str, str] | None = None, negotiated: bool = True
) -> AsyncIterator[HubClient]:
    """A client that has not yet greeted the hub."""
    async with ClientSession(timeout=ClientTimeout(60)) as http:
        given = headers or {}
        token = (await negotiate(http, url, given))["connectionToken"] if negotiated else None
        client = HubClient(http, url, transport, given, token)
        await client.open()
        try:
            yield client
        finally:
            await client.close()


@asynccontextmanager
async def joined_to(
    url: str, session_id: str, transport: str = "WebSockets", *, headers: dict[str, str] | None = None
) -> AsyncIterator[HubClient]:
    """A client in the group of a session."""
    async with connected_to(url, transport, headers=headers) as client:
        await client.greet()
        assert await client.call("AddToGroup", session_id) == {"type": 3, "invocationId": "1", "result": None}
        yield client
