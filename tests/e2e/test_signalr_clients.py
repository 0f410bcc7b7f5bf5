"""The hub with clients that we have not written: those of npm (the one of PGO's front-end, and the newest) and one of PyPI."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pysignalr.client import SignalRClient
from pysignalr.messages import CompletionMessage, Message

from tests.e2e.conftest import empty
from tests.support.databases import TestDatabases
from tests.support.eventually import eventually
from tests.support.feeders import baran_wu_33
from tests.support.pgo import PgoClient
from tests.support.signalr import install_clients, missing_node, node_client
from tests.support.stack import ServiceProcess, Stack, client_of

PACKAGES = ["signalr-5", "signalr-newest"]
TRANSPORTS = ["WebSockets", "ServerSentEvents", "LongPolling"]


@pytest.fixture(scope="module")
def node() -> None:
    """The clients of npm, where there is Node."""
    if reason := missing_node():
        pytest.skip(reason)
    install_clients()


@pytest.fixture
async def server_client(on_servers: ServiceProcess) -> AsyncIterator[PgoClient]:
    async with client_of(on_servers) as made:
        yield made
        await empty(made)


async def made_session(client: PgoClient, session_id: str) -> None:
    """A session whose optimisation finds something better at once."""
    feeder = baran_wu_33()
    (await client.load_network(session_id, feeder.network)).expect(201)
    (await client.create_session(session_id, session_id, feeder.demands, feeder.start)).expect(201)


def objective(info: dict[str, Any]) -> float:
    value: float = info["objective_value"]
    return value


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_browser_client_follows_a_run_to_its_end(
    node: None, on_servers: ServiceProcess, server_client: PgoClient, package: str, transport: str
) -> None:
    await made_session(server_client, "today")
    async with node_client(package, on_servers.url, transport, "today") as client:
        assert (await client.heard("joined"))["result"] is None
        await client.do("call", "NoSuchTarget", 1)
        assert "NoSuchTarget" in (await client.heard("failed"))["error"]
        (await server_client.start("today")).expect(200)
        await client.heard("status", 2)
        (await server_client.stop("today")).expect(200)
        best = (await server_client.best_info("today")).json()
        await eventually(lambda: client.infos[-1]["objective_value"] == best["objective_value"])
        values = [objective(info) for info in client.infos]
        assert values == sorted(values, reverse=True)
        assert list(client.infos[-1]) == list(best)
        await client.do("stop")
        assert (await client.heard("closed"))["error"] is None


@pytest.mark.parametrize("package", PACKAGES)
async def test_a_browser_client_comes_back_after_a_restart_of_the_gateway(
    node: None, tmp_path: Path, databases: TestDatabases, broker_url: str, package: str
) -> None:
    stack = Stack(tmp_path, databases.create(), broker_url)
    try:
        stack.optimizer()
        gateway = stack.gateway()
        async with client_of(gateway) as pgo:
            await made_session(pgo, "today")
        async with (
            node_client(package, gateway.url, "WebSockets", "today") as socket,
            node_client(package, gateway.url, "ServerSentEvents", "today") as events,
            node_client(package, gateway.url, "LongPolling", "today") as polls,
        ):
            clients = (socket, events, polls)
            for client in clients:
                await client.heard("joined")
            await asyncio.to_thread(gateway.process.terminate, 15)
            for client in clients:
                await client.heard("reconnecting")
            await asyncio.to_thread(gateway.start)
            for client in clients:
                await client.heard("rejoined", within=60)
            async with client_of(gateway) as pgo:
                (await pgo.start("today")).expect(200)
                for client in clients:
                    await client.heard("status")
                (await pgo.stop("today")).expect(200)
    finally:
        stack.close()


async def test_a_browser_client_signs_in_with_an_access_token(
    node: None, tmp_path: Path, databases: TestDatabases, broker_url: str
) -> None:
    stack = Stack(tmp_path, databases.create(), broker_url)
    try:
        gateway = stack.gateway(RECONFIGURATION_OPEN="false")
        key = made_key(gateway)
        for transport in TRANSPORTS:
            async with node_client("signalr-newest", gateway.url, transport, "s", key) as client:
                await client.heard("joined")
        async with node_client("signalr-newest", gateway.url, "WebSockets", "s") as client:
            assert "401" in (await client.heard("failed"))["error"]
    finally:
        stack.close()


def made_key(gateway: ServiceProcess) -> str:
    """An API key of a new user."""
    gateway.printed("account", "create", "North Grid")
    gateway.printed("user", "create", "ann@north.example", "--account", "North Grid")
    made = gateway.printed("key", "create", "ann@north.example", "--name", "hub", "--scope", "reconfiguration")
    key: str = made["api_key"]
    return key


async def test_a_python_client_follows_a_run(on_servers: ServiceProcess, server_client: PgoClient) -> None:
    await made_session(server_client, "today")
    heard: list[dict[str, Any]] = []
    joined = asyncio.Event()
    client = SignalRClient(f"{on_servers.url}/solutionStatusHub")

    async def keep(arguments: list[str]) -> None:
        heard.append(json.loads(arguments[0]))

    async def note(message: Message) -> None:
        assert isinstance(message, CompletionMessage) and message.error is None
        joined.set()

    async def join() -> None:
        arguments: list[Any] = ["today"]  # Any: the client's signature asks for objects and takes whatever JSON has
        await client.send("AddToGroup", arguments, note)

    client.on("newSolutionStatus", keep)
    client.on_open(join)
    logging.getLogger("pysignalr").setLevel(logging.ERROR)
    running = asyncio.create_task(client.run())
    try:
        await asyncio.wait_for(joined.wait(), 30)
        (await server_client.start("today")).expect(200)
        await eventually(lambda: len(heard) >= 2, within=30)
        (await server_client.stop("today")).expect(200)
        best = (await server_client.best_info("today")).json()
        await eventually(lambda: heard[-1]["objective_value"] == best["objective_value"])
    finally:
        running.cancel()
        await asyncio.wait([running], timeout=10)
