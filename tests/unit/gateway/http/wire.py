"""A server of the HTTP layer with a small API of its own, and a client that sends bytes as they are given."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from pydantic import BaseModel

from services.gateway.auth.open_mode import OpenModeGate
from services.gateway.dialects.reconfiguration.errors import reply_to_error
from services.gateway.http.bodies import JsonBody, NoBody
from services.gateway.http.call import Call, Reply, document_reply, empty_reply, text_reply
from services.gateway.http.dispatch import Dispatcher
from services.gateway.http.forms import FileField, Form, FormBody
from services.gateway.http.routes import Dialect, NoQuery, QueryModel, Route, plain_route
from services.gateway.http.server import Bounds, HttpServer
from services.gateway.http.spool import Spool, SpoolBudget


class Document(BaseModel):
    """Any document."""


class Search(BaseModel):
    """A query."""

    depth: int = 1


class Things:
    """What the handlers of the small API work with."""

    def __init__(self) -> None:
        self.budget = SpoolBudget(1 << 30)
        self.go_on = asyncio.Event()
        self.entered = asyncio.Event()
        self.uploaded_bytes = 0


async def show(_: Things, call: Call[Search, None]) -> Reply:
    return text_reply(f"{call.ids['thing']} {call.query.depth} {call.identity.subject}")


async def switch(_: Things, call: Call[None, bool]) -> Reply:
    return empty_reply()


async def upload(things: Things, call: Call[None, Form]) -> Reply:
    async with call.body as form:
        things.uploaded_bytes = sum([len(piece) async for piece in form.files["document"].pieces()])
    return text_reply(call.head.path, status=201)


async def download(things: Things, call: Call[None, None]) -> Reply:
    spool = Spool(things.budget)
    for _ in range(int(call.ids["thing"])):
        await spool.write(b"x" * 100_000)
    return document_reply(spool)


async def fail(_: Things, __: Call[None, None]) -> Reply:
    raise RuntimeError("the secret reason")


async def wait(things: Things, _: Call[None, None]) -> Reply:
    things.entered.set()
    await things.go_on.wait()
    return text_reply("at last")


# Any: routes differ in their queries and bodies.
ROUTES: Sequence[Route[Things, Any, Any]] = (
    Route("GET", "/api/things/{thing}", show, QueryModel(Search), NoBody(), "", "", ()),
    Route("PUT", "/api/things/{thing}", switch, NoQuery(), JsonBody(bool), "", "", ()),
    Route(
        "POST", "/api/things/{thing}", upload, NoQuery(), FormBody([FileField("document", Document, "")]), "", "", ()
    ),
    plain_route("GET", "/api/documents/{thing}", download, "", "", ()),
    plain_route("GET", "/api/failure", fail, "", "", ()),
    plain_route("GET", "/api/slow", wait, "", "", ()),
    plain_route("GET", "/page", wait, "", "", ()),
)


@dataclass
class Wire:
    """The running server and what its handlers work with."""

    server: HttpServer
    things: Things
    port: int

    async def send(self, raw: bytes, *, within_s: float = 5.0) -> bytes:
        """Send bytes on a connection of their own, close our side's writing never, and read until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(raw)
            async with asyncio.timeout(within_s):
                return await reader.read()
        finally:
            writer.close()

    async def request(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        given = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", "Content-Length": str(len(body))}
        lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in (given | dict(headers or {})).items())]
        return parsed(await self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body))


@dataclass(frozen=True)
class Answer:
    """A response taken apart; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def parsed(raw: bytes) -> Answer:
    """One response from its bytes."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split(" ")[1]), headers, body)


@asynccontextmanager
async def wire(
    *,
    multi_user: bool = False,
    max_in_flight: int = 100,
    path_base: str = "",
    handling_deadline_s: float = 5.0,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Wire]:
    """A server for the time of the block."""
    things = Things()
    gate = OpenModeGate(multi_user=multi_user)
    dialect = Dialect("things", things, ROUTES, reply_to_error, gate, roots=("/api",), cors_roots=frozenset({"api"}))
    server = HttpServer(
        Dispatcher([dialect], path_base=path_base, handling_deadline_s=handling_deadline_s, courtesy=gate.courtesy),
        things.budget,
        Bounds(max_json_bytes=1000, max_document_bytes=400_000_000, max_in_flight=max_in_flight),
        trusted_proxies=[IPv4Network("127.0.0.0/8")],
    )
    chosen = await server.start("127.0.0.1", port, tls=tls)
    try:
        yield Wire(server, things, chosen)
    finally:
        await server.stop(within_s=1.0)
