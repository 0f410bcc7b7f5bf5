"""Clients that use sessions in all ways at once while things die, and write down in a ledger what they were told."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aiohttp
import asyncpg

from tests.support.eventually import eventually
from tests.support.feeders import Feeder
from tests.support.ledger import Comparison, Entry, Kind, Ledger
from tests.support.pgo import Answer, PgoClient

NETWORK = "network"
PAUSE_S = 0.02
# After a refusal a client waits, as it is told to, but not as long as a person would.
PAUSE_AFTER_REFUSAL_S = 0.2

Call = Callable[[PgoClient], Awaitable[Answer]]


@dataclass
class Load:
    """``clients`` clients, each with sessions of its own on one shared network, on all gateways in turn."""

    urls: Sequence[str]
    feeder: Feeder
    seed: int
    clients: int = 20
    timeout_s: float = 20.0
    retries: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, during: Awaitable[None]) -> None:
        """Load the network, then let the clients work until ``during`` is over."""
        async with AsyncExitStack() as stack:
            gateways = [await stack.enter_async_context(PgoClient(url, timeout_s=self.timeout_s)) for url in self.urls]
            await eventually(lambda: self._network_is_loaded(gateways[0]), within=20, every=0.2)
            async with asyncio.TaskGroup() as group:
                for number in range(self.clients):
                    group.create_task(self._work(number, gateways))
                try:
                    await during
                finally:
                    self._stopped.set()

    async def compare(self, url: str, database_url: str) -> Comparison:
        """Hold what the server says now, and the runs in its database, against the ledger."""
        async with PgoClient(url) as client:
            server = (await client.server()).expect(200).json()
        return self.ledger.compare(server, await runs_of_session(database_url))

    async def unfinished(self, url: str) -> list[str]:
        """Sessions that certainly run and whose result is not proven yet."""
        async with PgoClient(url) as client:
            infos = [(name, await client.best_info(name)) for name in self.ledger.surely("running")]
        return [name for name, info in infos if info.status != 200 or not info.json()["is_optimal"]]

    def never_acknowledged(self) -> list[Entry]:
        """The last try of each request that no try got through with."""
        last = {(entry.session_id, entry.kind): entry for entry in self.ledger.entries}
        return [entry for entry in last.values() if entry.outcome != "acknowledged"]

    async def _network_is_loaded(self, client: PgoClient) -> bool:
        answer = await client.load_network(NETWORK, self.feeder.network)
        return answer.status == 201 or "already loaded" in answer.text

    async def _work(self, number: int, gateways: list[PgoClient]) -> None:
        chance = random.Random(self.seed * 1000 + number)
        turns = itertools.cycle(gateways[number % len(gateways) :] + gateways[: number % len(gateways)])
        for count in itertools.count():
            if self._stopped.is_set():
                return
            await self._use_a_session(f"s{number}-{count}", chance, turns)

    async def _use_a_session(self, name: str, chance: random.Random, turns: itertools.cycle[PgoClient]) -> None:
        start = self.feeder.start if chance.random() < 0.5 else None
        if not await self._send(
            "create", name, turns, lambda client: client.create_session(name, NETWORK, self.feeder.demands, start)
        ):
            return
        steps: list[tuple[Kind, Call]] = [("start", lambda client: client.start(name))]
        if chance.random() < 0.6:
            steps.append(("stop", lambda client: client.stop(name)))
        if chance.random() < 0.3:
            steps.append(("delete", lambda client: client.delete_session(name)))
        for kind, call in steps:
            if self._stopped.is_set():
                return
            await self._look(name, turns)
            await self._send(kind, name, turns, call)

    async def _send(self, kind: Kind, name: str, turns: itertools.cycle[PgoClient], call: Call) -> bool:
        """Send, once more per retry to the next gateway; whether it was acknowledged."""
        for _ in range(1 + self.retries):
            answer = await self.ledger.send(kind, name, call(next(turns)))
            if answer is not None and answer.status < 300:
                await asyncio.sleep(PAUSE_S)
                return True
            await asyncio.sleep(PAUSE_AFTER_REFUSAL_S)
        return False

    async def _look(self, name: str, turns: itertools.cycle[PgoClient]) -> None:
        """Read, as clients do all the time; what comes of it is judged at the end."""
        try:
            await next(turns).best_info(name)
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(PAUSE_AFTER_REFUSAL_S)


async def runs_of_session(database_url: str) -> dict[str, int]:
    """How many runs the database has of each session."""
    connection = await asyncpg.connect(database_url, timeout=5)
    try:
        rows = await connection.fetch(
            "SELECT session_id, count(run_id) AS runs FROM reconfiguration_sessions"
            " LEFT JOIN reconfiguration_runs USING (session_key) GROUP BY session_id"
        )
    finally:
        await connection.close()
    return {row["session_id"]: row["runs"] for row in rows}


async def everything_left_behind(database_url: str) -> dict[str, int]:
    """Rows that are there only while something is under way: all zero once the dust has settled."""
    counts = {
        "pending networks": "FROM reconfiguration_networks WHERE state = 'pending'",
        "pending sessions": "FROM reconfiguration_sessions WHERE state = 'pending'",
        "jobs not ended": "FROM flexibility_jobs LEFT JOIN flexibility_job_states USING (job_id) WHERE ended_at IS NULL",
        "messages not published": "FROM outbox WHERE state = 'pending'",
        "dead messages": "FROM outbox WHERE state = 'dead'",
    }
    connection = await asyncpg.connect(database_url, timeout=5)
    try:
        return {name: await connection.fetchval(f"SELECT count(*) {rest}") for name, rest in counts.items()}
    finally:
        await connection.close()
