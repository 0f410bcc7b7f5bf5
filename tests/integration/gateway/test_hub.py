from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from sqlalchemy import select, update

from services.gateway.main import Gateway
from shared.contracts.message import Envelope
from shared.contracts.reconfiguration import RunProgressed
from shared.db.models import reconfiguration as tables
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import OPEN_ACCOUNT_ID, RunId, SessionKey
from shared.process import open_process
from shared.settings import Settings
from tests.integration.gateway.conftest import Served, serving
from tests.support.databases import TestDatabases
from tests.support.eventually import eventually
from tests.support.hub import END, HELLO, TRANSPORTS, HubClient, connected_to, joined_to, negotiate
from tests.support.principals import SECRET, make_account, make_key, make_user

pytestmark = pytest.mark.asyncio(loop_scope="module")


def hub_url(gateway: Gateway, path: str = "") -> str:
    return f"http://127.0.0.1:{gateway.port}/solutionStatusHub{path}"


def connected(
    served: Served, transport: str = "WebSockets", *, gateway: Gateway | None = None, **how: Any
) -> AbstractAsyncContextManager[HubClient]:
    return connected_to(hub_url(gateway or served.gateway), transport, **how)


def joined(
    served: Served, session_id: str, transport: str = "WebSockets", *, gateway: Gateway | None = None, **how: Any
) -> AbstractAsyncContextManager[HubClient]:
    return joined_to(hub_url(gateway or served.gateway), session_id, transport, **how)


async def started(served: Served, session_id: str = "s", *, headers: dict[str, str] | None = None) -> UUID:
    """A session with a run that a worker has taken; its start is not found yet."""
    await served.load("n", headers=headers)
    await served.create(session_id, "n", headers=headers)
    before = len(served.worker.script.runs)
    await served.call("PUT", f"/api/sessions/{session_id}/runOptimization", json=True, headers=headers)
    await eventually(lambda: len(served.worker.script.runs) > before)
    run = served.worker.script.runs[-1]
    await served.worker.take_run(run)
    return run


async def checkpoint(served: Served, run: UUID, value: float | None = None, *, is_told: bool = True) -> None:
    """What an optimizer writes when it has evaluated the start, or found something better; ``is_told``: the event is not lost."""
    async with served.process.database.unit_of_work(EVERY_ACCOUNT) as uow:
        statement = select(tables.runs.c.session_key).where(tables.runs.c.run_id == run)
        session = (await uow.connection.execute(statement)).scalar_one()
        state = tables.run_states
        await uow.connection.execute(update(state).where(state.c.run_id == run).values(trials=state.c.trials + 1))
        if value is not None:
            best = tables.solutions
            values = {"objective_values": [value, 0.0, 0.0, 0.0, 0.0], "revision": best.c.revision + 1}
            await uow.connection.execute(update(best).where(best.c.session_key == session).values(**values))
        if is_told:
            progress = RunProgressed(run_id=RunId(run), session_key=SessionKey(session))
            await uow.outbox.add(OPEN_ACCOUNT_ID, progress)


def first_values(client: HubClient) -> list[float]:
    return [info["objective_components"][0]["value"] for info in client.statuses]


# ------------------------------------------------------------------ negotiation


async def test_negotiation_offers_all_transports_and_a_token(served: Served) -> None:
    got = await served.call("POST", "/solutionStatusHub/negotiate?negotiateVersion=1")
    assert (got.status, got.kind) == (200, "application/json; charset=utf-8")
    assert got.headers["Set-Cookie"].startswith("X-PgoUserId=commonUser")
    found = got.json
    assert list(found) == ["negotiateVersion", "connectionId", "connectionToken", "availableTransports"]
    assert found["negotiateVersion"] == 1
    assert found["connectionToken"] != found["connectionId"]
    assert found["availableTransports"] == [
        {"transport": "WebSockets", "transferFormats": ["Text", "Binary"]},
        {"transport": "ServerSentEvents", "transferFormats": ["Text"]},
        {"transport": "LongPolling", "transferFormats": ["Text", "Binary"]},
    ]


@pytest.mark.parametrize("query", ["", "?negotiateVersion=0"])
async def test_negotiation_of_version_0_has_no_token_and_its_id_serves_as_one(served: Served, query: str) -> None:
    found = (await served.call("POST", f"/solutionStatusHub/negotiate{query}")).json
    assert found["negotiateVersion"] == 0
    assert "connectionToken" not in found
    assert (await served.call("GET", f"/solutionStatusHub?id={found['connectionId']}")).status == 200


async def test_negotiation_of_later_versions_answers_version_1(served: Served) -> None:
    assert (await served.call("POST", "/SOLUTIONSTATUSHUB/Negotiate?negotiateVersion=7")).json["negotiateVersion"] == 1


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_missing_id_is_400_and_an_unknown_one_404(served: Served, method: str) -> None:
    assert (await served.call(method, "/solutionStatusHub", data=b"x")).status == 400
    assert (await served.call(method, "/solutionStatusHub?id=none", data=b"x")).status == 404


async def test_a_socket_with_an_unknown_id_is_404_and_a_second_one_409(served: Served) -> None:
    async with connected(served) as client:
        for where, status in ((hub_url(served.gateway, "?id=none"), 404), (client.where, 409)):
            with pytest.raises(WSServerHandshakeError) as refused:
                await client.http.ws_connect(where)
            assert refused.value.status == status
        async with client.http.get(client.where, headers={"Accept": "text/event-stream"}) as answer:
            assert answer.status == 409
        async with client.http.post(client.where, data=b"x") as answer:
            assert answer.status == 405
        await client.greet()


async def test_a_page_of_another_origin_may_negotiate(served: Served) -> None:
    headers = {"Origin": "http://grid.example"}
    got = await served.call("POST", "/solutionStatusHub/negotiate?negotiateVersion=1", headers=headers)
    assert got.headers["Access-Control-Allow-Origin"] == "http://grid.example"
    assert got.headers["Access-Control-Allow-Credentials"] == "true"


# ------------------------------------------------------------------ each transport


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_each_transport_carries_handshake_calls_errors_and_statuses(served: Served, transport: str) -> None:
    run = await started(served)
    async with joined(served, "s", transport) as client:
        assert "error" in await client.call("NoSuchTarget", 1)
        assert "error" in await client.call("AddToGroup")
        assert (await client.call("addtogroup", "not there yet"))["result"] is None
        await checkpoint(served, run)
        await eventually(lambda: client.statuses)
        await checkpoint(served, run, 1.5)
        await eventually(lambda: len(client.statuses) == 2)
        assert client.statuses[-1] == (await served.call("GET", "/api/sessions/s/bestSolutionInfo")).json
        assert (await client.call("RemoveFromGroup", "s"))["result"] is None
        await checkpoint(served, run, 1.25)
        await client.call("AddToGroup", "s")
        await checkpoint(served, run, 1.0)
        await eventually(lambda: len(client.statuses) == 3)
        assert first_values(client) == [2.0, 1.5, 1.0]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_refused_handshake_is_told_and_ends_the_connection(served: Served, transport: str) -> None:
    async with connected(served, transport) as client:
        await client.send('{"protocol":"messagepack","version":1}')
        await eventually(lambda: client.is_over)
        assert client.frames == [{"error": "The protocol 'messagepack' is not supported."}]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_delete_ends_the_connection(served: Served, transport: str) -> None:
    async with connected(served, transport) as client:
        await client.greet()
        async with client.http.delete(client.where) as answer:
            assert answer.status == 202
        await eventually(lambda: client.is_over)
        async with client.http.delete(client.where) as answer:
            assert answer.status == 404


async def test_a_socket_needs_no_negotiation_and_takes_binary_and_split_frames(served: Served) -> None:
    async with connected(served, negotiated=False) as client:
        await client._socket.send_bytes(HELLO.encode() + b'\x1e{"type":6}\x1e{"type":1,"target":"Add')
        await client._socket.send_str('ToGroup","arguments":["s"],"invocationId":"x"}\x1e')
        await eventually(lambda: len(client.frames) == 2)
        assert client.frames == [{}, {"type": 3, "invocationId": "x", "result": None}]


async def test_what_is_not_the_protocol_closes_the_connection(served: Served) -> None:
    async with connected(served) as client:
        await client.greet()
        await client.send("nonsense")
        await eventually(lambda: client.is_over)
        assert client.frames[-1] == {"type": 7, "error": "A message is not JSON."}


async def test_a_later_poll_takes_over_from_an_earlier_one(served: Served) -> None:
    async with connected(served, "LongPolling") as client:
        await client.greet()

        async def later() -> str:
            async with client.http.get(client.where) as answer:
                return await answer.text()

        polling = asyncio.create_task(later())
        await eventually(lambda: client.is_over, message="the end of the client's own poll")
        await client.send('{"type":1,"target":"AddToGroup","arguments":["s"],"invocationId":"9"}')
        assert await polling == '{"type":3,"invocationId":"9","result":null}\x1e'


async def test_connections_are_counted(served: Served) -> None:
    async with connected(served) as client:
        await client.greet()
        page = (await served.call("GET", "/metrics")).text
        assert 'busbar_gateway_hub_connections{transport="WebSockets"} 1.0' in page
        assert "busbar_gateway_in_flight_requests 1.0" in page, "a connection takes no request's place"


# ------------------------------------------------------------------ what is told, and to whom


async def test_the_start_of_every_run_is_told_once_though_nothing_is_better(served: Served) -> None:
    first = await started(served)
    async with joined(served, "s") as client:
        await checkpoint(served, first)
        await checkpoint(served, first)
        await eventually(lambda: client.statuses)
        await served.worker.finish_run(first)
        assert (await served.run("s", False)).status == 200
        second = await started(served)
        await checkpoint(served, second)
        await eventually(lambda: len(client.statuses) == 2)
        await checkpoint(served, second, 1.0)
        await eventually(lambda: len(client.statuses) == 3)
        assert first_values(client) == [2.0, 2.0, 1.0]


async def test_who_joins_later_hears_only_what_comes(served: Served) -> None:
    run = await started(served)
    async with joined(served, "s") as earlier:
        await checkpoint(served, run, 1.5)
        # What the earlier one has heard, the hub has told: who joins now comes after it.
        await eventually(lambda: first_values(earlier) == [1.5])
        async with joined(served, "s") as later:
            await checkpoint(served, run, 1.0)
            await eventually(lambda: later.statuses)
            assert first_values(later) == [1.0]
        assert first_values(earlier)[0] == 1.5


async def test_a_group_may_be_joined_before_its_session_is_there(served: Served) -> None:
    async with joined(served, "s") as client:
        run = await started(served)
        await checkpoint(served, run, is_told=False)
        await eventually(lambda: client.statuses)


async def test_a_lost_event_costs_a_second_and_no_message(served: Served) -> None:
    run = await started(served)
    async with joined(served, "s") as client:
        await checkpoint(served, run, 1.0, is_told=False)
        await eventually(lambda: first_values(client) == [1.0], within=10)


async def test_the_last_message_is_sent_before_the_stop_is_answered(served: Served) -> None:
    run = await started(served)
    async with joined(served, "s") as client:
        stopping = asyncio.create_task(served.run("s", False))
        await eventually(lambda: served.worker.stop_is_wanted(run))
        await checkpoint(served, run, 0.5, is_told=False)
        await served.worker.finish_run(run)
        assert (await stopping).status == 200
        await eventually(lambda: first_values(client) == [0.5], within=0.8, every=0.005)


async def test_sessions_of_both_apis_with_one_id_share_a_group(served: Served) -> None:
    run = await started(served)
    async with served.process.database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(update(tables.sessions).values(kind="cim"))
    await served.create("s", "n")
    async with joined(served, "s") as client:
        await checkpoint(served, run, 1.5)
        await eventually(lambda: client.statuses)
        again = await started(served)
        await checkpoint(served, again, 1.25)
        await eventually(lambda: len(client.statuses) == 2)
        assert first_values(client) == [1.5, 1.25]


async def test_a_session_made_again_under_its_id_is_followed(served: Served) -> None:
    run = await started(served)
    async with joined(served, "s") as client:
        await checkpoint(served, run, 1.5)
        await eventually(lambda: client.statuses)
        assert (await served.call("DELETE", "/api/sessions/s")).status == 200
        again = await started(served)
        await checkpoint(served, again, 1.75)
        await eventually(lambda: first_values(client) == [1.5, 1.75])


async def test_an_event_that_cannot_be_read_changes_nothing(served: Served) -> None:
    run = await started(served)
    async with joined(served, "s") as client:
        name = RunProgressed.name
        broken = Envelope(UUID(int=7), OPEN_ACCOUNT_ID, name, 1, b"{}", name)  # type: ignore[arg-type]
        await served.gateway._solution_watch._hear(broken)
        await checkpoint(served, run)
        await eventually(lambda: client.statuses)


async def test_every_gateway_tells_its_own_members(database_url: str) -> None:
    settings = Settings.model_validate({"port": 0, "secret_key": SECRET})
    async with (
        serving(database_url) as served,
        open_process(settings, database_url=database_url, services=["gateway"], ops_port=0) as process,
    ):
        other = Gateway(process)
        await other.start()
        try:
            run = await started(served)
            async with joined(served, "s") as here, joined(served, "s", gateway=other) as there:
                for number, value in enumerate((None, 1.5, 1.0), 1):
                    await checkpoint(served, run, value)
                    await eventually(lambda: len(here.statuses) == len(there.statuses) == number)  # noqa: B023
                assert here.statuses == there.statuses
                # A token is known to the gateway alone that gave it out.
                async with there.http.get(hub_url(served.gateway, there.where[there.where.index("?") :])) as answer:
                    assert answer.status == 404
        finally:
            await other.stop(within_s=3.0)


async def test_a_stop_of_the_gateway_sends_clients_away_to_come_back(database_url: str) -> None:
    async with (
        serving(database_url) as served,
        connected(served, "WebSockets") as socket,
        connected(served, "ServerSentEvents") as events,
        connected(served, "LongPolling") as polls,
    ):
        clients = (socket, events, polls)
        for client in clients:
            await client.greet()
        await served.gateway.stop(within_s=5.0)
        for client in clients:
            await eventually(lambda: client.frames[-1] == {"type": 7, "allowReconnect": True})  # noqa: B023


async def test_more_connections_than_there_is_room_for_are_503(database_url: str) -> None:
    async with serving(database_url, hub_max_connections=1) as served, connected(served):
        got = await served.call("POST", "/solutionStatusHub/negotiate?negotiateVersion=1")
        assert got.status == 503
        assert int(got.headers["Retry-After"]) > 0


# ------------------------------------------------------------------ users, accounts, prefixes


async def test_nothing_goes_to_other_users(databases: TestDatabases) -> None:
    url = databases.create()
    async with serving(url, pgo_multi_user="True", path_base="/opfsolver") as served:
        ann, bob = ({"Cookie": f"X-PgoUserId={name}"} for name in ("ann", "bob"))
        mine, theirs = await started(served, headers=ann), None
        async with joined(served, "s", headers=ann) as first, joined(served, "s", headers=bob) as second:
            await checkpoint(served, mine, 1.0)
            await eventually(lambda: first.statuses)
            theirs = await started(served, headers=bob)
            await checkpoint(served, theirs, 1.75)
            await eventually(lambda: second.statuses)
            assert (first_values(first), first_values(second)) == ([1.0], [1.75])
        prefixed = await served.call("POST", "/opfsolver/solutionStatusHub/negotiate?negotiateVersion=1")
        assert prefixed.status == 200
        assert prefixed.headers["Set-Cookie"].startswith("X-PgoUserId=")
    databases.drop(url)


async def test_in_authenticated_mode_a_credential_in_header_or_query_is_needed(databases: TestDatabases) -> None:
    url = databases.create()
    async with serving(url, reconfiguration_open=False) as served:
        database = served.process.database
        keys = []
        for name in ("North", "South"):
            account = await make_account(database, name)
            keys.append(await make_key(database, await make_user(database, account), scopes=("read",)))
        right, other = ({"Authorization": f"Bearer {key}"} for key in keys)
        for headers in ({}, {"Authorization": "Bearer nonsense"}):
            got = await served.call("POST", "/solutionStatusHub/negotiate?negotiateVersion=1", headers=headers)
            assert got.status == 401
        async with ClientSession() as http:
            token = (await negotiate(http, hub_url(served.gateway), right))["connectionToken"]
            where = hub_url(served.gateway, f"?id={token}")
            for query, status in (("", 401), ("&access_token=x", 401), (f"&access_token={keys[1]}", 404)):
                with pytest.raises(WSServerHandshakeError) as refused:
                    await http.ws_connect(where + query)
                assert refused.value.status == status
            async with http.ws_connect(f"{where}&access_token={keys[0]}") as socket:
                await socket.send_str(HELLO + END)
                assert (await socket.receive(timeout=10)).data == "{}" + END
            async with http.get(where, headers=other) as answer:
                assert answer.status == 404
        assert (await served.call("GET", f"/api/server?access_token={keys[0]}")).status == 401
    databases.drop(url)
