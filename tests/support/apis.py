"""Dialects served over HTTP by themselves, without the rest of a gateway, and a client that sends paths as they are given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import orjson
from aiohttp import ClientSession, DummyCookieJar
from yarl import URL

from services.gateway.http.dispatch import Dispatcher
from services.gateway.http.routes import Dialect
from services.gateway.http.server import Bounds, HttpServer
from services.gateway.http.spool import SpoolBudget

MAX_JSON_BYTES = 1 << 20


@dataclass(frozen=True)
class Got:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def kind(self) -> str:
        return self.headers.get("Content-Type", "")


@dataclass
class ApiClient:
    """Calls a server on this machine over connections that it keeps."""

    port: int
    session: ClientSession

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: object = ...,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        """One request; redirects are not followed."""
        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        given = dict(headers or {})
        if json is not ...:
            data, given["Content-Type"] = orjson.dumps(json), "application/json"
        body = None if data is None else BytesIO(data)
        async with self.session.request(method, url, data=body, headers=given, allow_redirects=False) as response:
            return Got(response.status, response.headers.copy(), await response.read())


@asynccontextmanager
async def api_client(port: int) -> AsyncIterator[ApiClient]:
    """A client without cookies of its own."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield ApiClient(port, session)


@asynccontextmanager
async def serving_dialects(
    dialects: Sequence[Dialect],
    *,
    max_in_flight: int = 512,
    max_json_bytes: int = MAX_JSON_BYTES,
    max_data_bytes: int = MAX_JSON_BYTES,
) -> AsyncIterator[ApiClient]:
    """A server of these dialects for the time of the block."""
    budget = SpoolBudget(1 << 30)
    server = HttpServer(
        Dispatcher(dialects, path_base="", handling_deadline_s=10.0),
        budget,
        Bounds(max_json_bytes, max_json_bytes, max_data_bytes, max_in_flight=max_in_flight),
    )
    port = await server.start("127.0.0.1", 0)
    try:
        async with api_client(port) as client:
            yield client
    finally:
        await server.stop(within_s=1.0)
