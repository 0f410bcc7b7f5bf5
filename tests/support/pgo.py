"""A client of the reconfiguration API for tests, written from its documentation; gives back whatever the server answered."""

from __future__ import annotations

import io
import json
import time
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from tests.support.eventually import eventually

Document = Any  # a JSON document as the server sent it; tests look into it


@dataclass(frozen=True)
class Answer:
    """What the server said, and after how long."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    seconds: float

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Document:
        """The body as JSON."""
        return orjson.loads(self.body)

    def expect(self, *statuses: int) -> Answer:
        """This answer, if its status is one of these.

        Raises:
            AssertionError: it is not; shows the body.
        """
        assert self.status in statuses, f"status {self.status}, not {statuses}: {self.text[:2000]}"
        return self


class PgoClient:
    """One client of one server; use as an async context manager. Network failures come out as ``aiohttp.ClientError``."""

    def __init__(self, url: str, *, timeout_s: float = 60.0, user: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._cookies = {"X-PgoUserId": user} if user else None
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> PgoClient:
        # A jar that takes cookies from hosts that are addresses, as a browser on 127.0.0.1 does.
        jar = aiohttp.CookieJar(unsafe=True)
        self._http = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=jar, cookies=self._cookies)
        # The library would send a PUT or DELETE again by itself when a connection breaks, and report only what became of the
        # second one. What a test was told must be about what it sent; the library's own test client does the same.
        self._http._retry_connection = False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._http is not None
        await self._http.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        data: Any = None,  # Any: whatever aiohttp takes as a body
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Any request; ``path`` is already percent-encoded."""
        assert self._http is not None
        began = time.monotonic()
        async with self._http.request(
            method, URL(self.url + path, encoded=True), data=data, headers=headers, allow_redirects=False
        ) as response:
            body = await response.read()
        return Answer(response.status, body, dict(response.headers), time.monotonic() - began)

    # ------------------------------------------------------------------ server

    async def ready(self) -> bool:
        """Whether the server says that it can accept work."""
        try:
            return (await self.request("GET", "/health/ready")).status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def server(self) -> Answer:
        """Ids of networks and the state of all sessions."""
        return await self.request("GET", "/api/server")

    # ------------------------------------------------------------------ networks

    async def load_network(
        self, network_id: str, document: Document | bytes | AsyncIterable[bytes], **part: str
    ) -> Answer:
        """Upload a network; ``part`` overrides the form part's ``name``, ``filename`` or ``content_type``."""
        form = aiohttp.FormData()
        form.add_field(
            part.get("name", "networkDescription"), as_body(document), filename=part.get("filename", "n.json")
        )
        return await self.request("POST", f"/api/networks/{quote(network_id, safe='')}", data=form)

    async def network(self, network_id: str) -> Answer:
        """The network as the server keeps it."""
        return await self._network("GET", network_id)

    async def analysis(self, network_id: str, *, verbose: bool = False) -> Answer:
        """The text report."""
        return await self._network("GET", network_id, "/analysis" + ("?verbose=true" if verbose else ""))

    async def connectivity(self, network_id: str) -> Answer:
        """Whether a radial configuration exists."""
        return await self._network("GET", network_id, "/connectivityStatus")

    async def delete_network(self, network_id: str) -> Answer:
        """Delete a network and its sessions."""
        return await self._network("DELETE", network_id)

    # ------------------------------------------------------------------ sessions

    async def create_session(
        self,
        session_id: str,
        network_id: str,
        demands: Document | bytes,
        start: Document | bytes | None = None,
        *,
        allow_unspecified: str | None = None,
    ) -> Answer:
        """Create a session."""
        form = aiohttp.FormData()
        form.add_field("networkId", network_id)
        form.add_field("demands", as_body(demands), filename="demands.json")
        if start is not None:
            form.add_field("startConfiguration", as_body(start), filename="start.json")
        if allow_unspecified is not None:
            form.add_field("allowUnspecifiedConsumerDemands", allow_unspecified)
        return await self._session("POST", session_id, data=form)

    async def session(self, session_id: str) -> Answer:
        """The session's state."""
        return await self._session("GET", session_id)

    async def start(self, session_id: str) -> Answer:
        """Start an optimisation."""
        return await self._put(session_id, "/runOptimization", True)

    async def stop(self, session_id: str) -> Answer:
        """Stop it; answered once it has stopped."""
        return await self._put(session_id, "/runOptimization", False)

    async def demands(self, session_id: str) -> Answer:
        """The demands in effect."""
        return await self._session("GET", session_id, "/demands")

    async def best(self, session_id: str) -> Answer:
        """The best solution with its flows."""
        return await self._session("GET", session_id, "/bestSolution")

    async def best_info(self, session_id: str) -> Answer:
        """Objective, verdict and proof of the best solution."""
        return await self._session("GET", session_id, "/bestSolutionInfo")

    async def weights(self, session_id: str) -> Answer:
        """The objective's weights."""
        return await self._session("GET", session_id, "/objectiveWeights")

    async def delete_session(self, session_id: str) -> Answer:
        """Delete a session; a run ends soon after."""
        return await self._session("DELETE", session_id)

    # ------------------------------------------------------------------ what journeys wait for

    async def is_running(self, session_id: str) -> bool:
        """Whether an optimisation runs."""
        return bool((await self.session(session_id)).expect(200).json()["optimizationIsRunning"])

    async def proven(self, session_id: str, *, within: float) -> Document:
        """The best solution's information, once it is proven optimal."""

        async def info() -> Document | None:
            found = (await self.best_info(session_id)).expect(200).json()
            return found if found["is_optimal"] else None

        return await eventually(info, within=within, every=0.1, message=f"proof in session {session_id}")

    async def _network(self, method: str, network_id: str, rest: str = "") -> Answer:
        return await self.request(method, f"/api/networks/{quote(network_id, safe='')}{rest}")

    async def _session(self, method: str, session_id: str, rest: str = "", *, data: Any = None) -> Answer:
        return await self.request(method, f"/api/sessions/{quote(session_id, safe='')}{rest}", data=data)

    async def _put(self, session_id: str, rest: str, body: Document) -> Answer:
        path = f"/api/sessions/{quote(session_id, safe='')}{rest}"
        return await self.request("PUT", path, data=json.dumps(body), headers={"Content-Type": "application/json"})


def as_body(document: Document | bytes | AsyncIterable[bytes]) -> io.BytesIO | AsyncIterable[bytes]:
    """A document as it goes over the wire; bytes and streams go as they are."""
    if isinstance(document, AsyncIterable):
        return document
    return io.BytesIO(document if isinstance(document, bytes) else orjson.dumps(document))


def open_lines(solution: Document) -> list[str]:
    """Ids of the lines that a solution opens in its first period, sorted as numbers where they are."""
    settings = solution["period_solutions"][0]["switch_settings"]
    opened = [setting["line_id"] for setting in settings if setting["open"]]
    return sorted(opened, key=lambda name: (len(name), name))
