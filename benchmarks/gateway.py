"""What the gateway adds to a bare aiohttp handler, and how fast it reads and accepts; ten clients, embedded Postgres, no optimizer.

Gateway and bare handler live in one process of their own, started by ``run``, and are measured one after the other by the same
clients, which keep their connections. Latencies contain the client's own share, about that of the bare handler.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import uvloop
from aiohttp import web
from pydantic import SecretStr
from sqlalchemy import insert

from benchmarks.http_client import Client, request_bytes
from benchmarks.report import Row
from services.gateway.main import Gateway
from shared.db.embedded import EmbeddedPostgres
from shared.db.migrate import upgrade
from shared.db.models import reconfiguration as tables
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import OPEN_ACCOUNT_ID, uuid7
from shared.objective import DEFAULT_WEIGHTS
from shared.observability.logging import configure
from shared.process import Process, open_process
from shared.settings import Settings

CLIENTS = 10
REQUESTS = 200  # of each client
UPLOAD_BYTES = 100_000_000
ROOT = Path(__file__).parents[1]

# ------------------------------------------------------------------ the clients


def run() -> Sequence[Row]:
    with tempfile.TemporaryDirectory(prefix="busbar-bench-") as folder:
        command = [sys.executable, "-m", "benchmarks.gateway", folder]
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            ports = orjson.loads(server.stdout.readline())
            return uvloop.run(_measure(ports["gateway"], ports["bare"]))
        finally:
            server.communicate(timeout=30)  # closes its input, at which it ends


@dataclass(frozen=True)
class Times:
    """Seconds of each request, sorted, and how many were answered a second."""

    seconds: list[float]
    rate: float

    def at(self, share: float) -> float:
        """The time within which this share of the requests was answered."""
        return self.seconds[min(len(self.seconds) - 1, int(share * len(self.seconds)))]

    @property
    def text(self) -> str:
        """Rate and latencies for the table."""
        return f"{self.rate:.0f}/s, p50 {self.at(0.5) * 1e3:.2g} ms, p99 {self.at(0.99) * 1e3:.2g} ms"


async def _measure(gateway: int, bare: int) -> list[Row]:
    await _load(bare, _get("/"))  # both warm
    await _load(gateway, _get("/health/live"))
    peer = await _load(bare, _get("/"))
    rows = []
    for name, request, target in (
        ("answer without the database", _get("/health/live"), ""),
        ("read a session's status", _get("/api/sessions/0-0"), "p99 < 30 ms"),
        ("read what the best solution is worth", _get("/api/sessions/0-0/bestSolutionInfo"), "p99 < 30 ms"),
        ("read the best solution", _get("/api/sessions/0-0/bestSolution"), "p99 < 30 ms"),
        ("accept a start", _start, "p50 < 15 ms, p99 < 60 ms"),
    ):
        ours = await _load(gateway, request)
        ratio = peer.rate / ours.rate
        rows.append(Row(name, ours.text, peer.text, ratio, "time per request, times the bare handler's", target))
    ours_s, peer_s = await _upload(gateway), await _upload(bare)
    megabytes = UPLOAD_BYTES / 1e6
    shown = f"{megabytes / ours_s:.0f} MB/s", f"{megabytes / peer_s:.0f} MB/s"
    rows.append(Row("take in a document of 100 MB", *shown, ours_s / peer_s, "time, times that of reading it only"))
    return rows


async def _load(port: int, request: Callable[[int, int], bytes]) -> Times:
    seconds: list[float] = []

    async def client(number: int) -> None:
        connection = Client(port)
        for turn in range(REQUESTS):
            raw = request(number, turn)
            began = time.perf_counter()
            status, answer = await connection.send(raw)
            seconds.append(time.perf_counter() - began)
            assert status == 200, answer
        connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return Times(sorted(seconds), len(seconds) / (time.perf_counter() - began))


def _get(path: str) -> Callable[[int, int], bytes]:
    raw = request_bytes("GET", path, headers={"Cookie": "X-PgoUserId=commonUser"})
    return lambda _client, _turn: raw


def _start(client: int, turn: int) -> bytes:
    return request_bytes("PUT", f"/api/sessions/{client}-{turn}/runOptimization", b"true")


async def _upload(port: int) -> float:
    """Seconds until a document has been read. As no optimizer runs, the gateway then says 503."""
    part = b'--edge\r\nContent-Disposition: form-data; name="networkDescription"; filename="n"\r\n\r\n'
    end = b"\r\n--edge--\r\n"
    length = len(part) + UPLOAD_BYTES + len(end)
    kind = "Content-Type: multipart/form-data; boundary=edge"
    head = f"POST /api/networks/new HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}\r\nContent-Length: {length}\r\n\r\n"
    piece = os.urandom(1_000_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.perf_counter()
    writer.write(head.encode() + part)
    for _ in range(UPLOAD_BYTES // len(piece)):
        writer.write(piece)
        await writer.drain()
    writer.write(end)
    await reader.readuntil(b"\r\n\r\n")
    took_s = time.perf_counter() - began
    writer.close()
    return took_s


# ------------------------------------------------------------------ the process that is measured


async def _serve(folder: Path) -> None:
    configure("json", "info", service="gateway")
    sys.stderr = Path(folder / "log").open("w")  # noqa: ASYNC230, SIM115 - the log lines are part of the cost, a terminal is not
    configure("json", "info", service="gateway")
    postgres = EmbeddedPostgres(folder / "data")
    url = await postgres.start()
    try:
        await upgrade(url)
        settings = Settings(port=0, secret_key=SecretStr("benchmark" * 4))
        async with open_process(settings, database_url=url, services=["gateway"], ops_port=0) as process:
            await _add_sessions(process)
            gateway = Gateway(process)
            await gateway.start()
            runner = web.ServerRunner(web.Server(_bare, access_log=None))
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            print(orjson.dumps({"gateway": gateway.port, "bare": runner.addresses[0][1]}).decode(), flush=True)
            await asyncio.to_thread(sys.stdin.read)
            await runner.cleanup()
            await gateway.stop(within_s=2.0)
    finally:
        await postgres.stop(within_s=5.0)


async def _bare(request: web.BaseRequest) -> web.Response:
    async for _ in request.content.iter_any():
        pass
    return web.Response(text="here")


async def _add_sessions(process: Process) -> None:
    """A network, and a session for each start that is accepted, as client and optimizer would have left them."""
    network = uuid7()
    scope = {"account_id": OPEN_ACCOUNT_ID, "owner": "commonUser", "kind": "json", "state": "loaded"}
    keys = {f"{client}-{turn}": uuid7() for client in range(CLIENTS) for turn in range(REQUESTS)}
    session = {**scope, "network_key": network, "allow_unspecified_demands": False, "weights": list(DEFAULT_WEIGHTS)}
    period = {"id": "1", "start_time": "2020-01-01T00:00:00Z", "end_time": "2020-01-02T00:00:00Z"}
    best = {
        "account_id": OPEN_ACCOUNT_ID,
        "solution_id": "best",
        "configuration": b"\x00",
        "is_feasible": True,
        "violation_amount": 0.0,
        "objective_values": [0.2, 0.0, 0.0, 0.0, 0.0],
        "verdict": {"violations": [], "period_information": [{"period": period, "changed_switches": 4}]},
    }
    chunk = {"account_id": OPEN_ACCOUNT_ID, "solution_id": "best", "position": 0, "chunk": b"x" * 20_000}
    async with process.database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(insert(tables.networks), {**scope, "network_key": network, "network_id": "n"})
        rows = [{**session, "session_key": key, "session_id": name} for name, key in keys.items()]
        await work.connection.execute(insert(tables.sessions), rows)
        await work.connection.execute(insert(tables.solutions), [{**best, "session_key": key} for key in keys.values()])
        await work.connection.execute(insert(tables.solution_chunks), {**chunk, "session_key": keys["0-0"]})


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1])))
