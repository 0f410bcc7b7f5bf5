from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from services.gateway.auth.identity import Identity
from services.gateway.dialects.reconfiguration.hub import connections as connections_module
from services.gateway.dialects.reconfiguration.hub.connection import MOST_FRAMES, MOST_GROUPS, HubConnection
from services.gateway.dialects.reconfiguration.hub.connections import (
    AlreadyAttached,
    ConnectionIdMissing,
    Connections,
    Timing,
    UnknownConnection,
)
from shared.errors import DependencyUnavailable
from shared.ids import AccountId

ANN = Identity(AccountId(UUID(int=1)), "user:1", "user", frozenset({"read"}))
BOB = replace(ANN, subject="user:2")
ELSEWHERE = replace(ANN, account_id=AccountId(UUID(int=2)))
OPEN = replace(ANN, subject="commonUser", kind="open")
HELLO = '{"protocol":"json","version":1}\x1e'


class Groups:
    def __init__(self) -> None:
        self.members: list[tuple[str, str]] = []

    async def join(self, member: HubConnection, session_id: str) -> None:
        self.members.append((member.identity.subject, session_id))

    def leave(self, member: HubConnection, session_id: str) -> None:
        self.members.remove((member.identity.subject, session_id))


class Credential:
    """Is whose the test says, and counts how often it was asked for."""

    def __init__(self, owner: Identity | None = ANN) -> None:
        self.owner = owner
        self.is_over = False
        self.is_away = False
        self.never_tells = False
        self.asked = 0

    def has_expired(self) -> bool:
        return self.is_over

    async def identity(self) -> Identity | None:
        self.asked += 1
        if self.is_away:
            raise DependencyUnavailable("the database is away")
        if self.never_tells:
            await asyncio.Event().wait()
        return self.owner


class World:
    def __init__(self, most: int = 10) -> None:
        self.seconds = 1000.0
        self.groups = Groups()
        self.table = Connections(self.groups, most=most, timing=Timing(), now=lambda: self.seconds)

    async def attached(
        self, identity: Identity = ANN, credential: Credential | None = None, *, greets: bool = True
    ) -> HubConnection:
        made = self.table.make(identity, credential, has_token=True)
        self.table.attach(made, identity, credential, "LongPolling")
        if greets:
            await made.receive(HELLO)
            assert made.take_waiting() == "{}\x1e"
        return made

    async def after(self, seconds: float) -> None:
        self.seconds += seconds
        await self.table.look()


@pytest.fixture
def world() -> World:
    return World()


def call(target: str, *arguments: object, invocation_id: str | None = "0") -> str:
    given: dict[str, object] = {"type": 1, "target": target, "arguments": arguments}
    if invocation_id is not None:
        given["invocationId"] = invocation_id
    return json.dumps(given) + "\x1e"


def frames(text: str) -> list[Any]:
    return [json.loads(frame) for frame in text.split("\x1e") if frame]


# ------------------------------------------------------------------ calls


@pytest.mark.parametrize("target", ["AddToGroup", "addtogroup", "ADDTOGROUP"])
async def test_a_call_joins_whatever_the_case_of_its_name(world: World, target: str) -> None:
    connection = await world.attached()
    await connection.receive(call(target, "s"))
    assert frames(connection.take_waiting()) == [{"type": 3, "invocationId": "0", "result": None}]
    assert world.groups.members == [("user:1", "s")]
    await connection.receive(call("removeFromGroup", "s", invocation_id=None))
    assert connection.take_waiting() == ""
    assert world.groups.members == []


@pytest.mark.parametrize(
    ("target", "arguments", "error"),
    [
        ("NoSuch", ["s"], "Unknown hub method 'NoSuch'"),
        ("AddToGroup", [], "Invocation provides 0 argument(s) but target expects 1."),
        ("AddToGroup", ["s", "t"], "Invocation provides 2 argument(s) but target expects 1."),
        ("AddToGroup", [7], "The argument is the id of a session, a text."),
        ("AddToGroup", [None], "The argument is the id of a session, a text."),
        ("AddToGroup", ["x" * 1025], "The argument is the id of a session, a text."),
    ],
)
async def test_a_wrong_call_is_completed_with_an_error_and_the_connection_goes_on(
    world: World, target: str, arguments: list[object], error: str
) -> None:
    connection = await world.attached()
    await connection.receive(call(target, *arguments))
    assert frames(connection.take_waiting()) == [{"type": 3, "invocationId": "0", "error": error}]
    await connection.receive(call(target, *arguments, invocation_id=None))
    assert connection.take_waiting() == ""
    assert not connection.is_closed
    assert world.groups.members == []


async def test_the_groups_of_a_connection_are_bounded(world: World) -> None:
    connection = await world.attached()
    for number in range(MOST_GROUPS):
        await connection.receive(call("AddToGroup", f"s{number}", invocation_id=None))
    await connection.receive(call("AddToGroup", "one more") + call("AddToGroup", "s0"))
    first, second = frames(connection.take_waiting())
    assert "groups at a time" in first["error"]
    assert second["result"] is None


async def test_another_protocol_is_refused_in_the_handshake(world: World) -> None:
    connection = await world.attached(greets=False)
    await connection.receive('{"protocol":"messagepack","version":1}\x1e')
    assert frames(connection.take_waiting()) == [{"error": "The protocol 'messagepack' is not supported."}]
    assert connection.is_closed


async def test_nonsense_after_the_handshake_closes_with_an_error(world: World) -> None:
    connection = await world.attached()
    await connection.receive(call("AddToGroup", "s") + "nonsense\x1e" + call("AddToGroup", "t"))
    told = frames(connection.take_waiting())
    assert told[-1] == {"type": 7, "error": "A message is not JSON."}
    assert len(told) == 2
    assert world.groups.members == []


async def test_a_goodbye_ends_without_a_word(world: World) -> None:
    connection = await world.attached()
    await connection.receive(call("AddToGroup", "s", invocation_id=None) + '{"type":7}\x1e')
    assert (connection.is_closed, connection.take_waiting(), world.groups.members) == (True, "", [])


# ------------------------------------------------------------------ slow readers


async def test_of_what_a_slow_reader_leaves_waiting_the_last_of_each_session_arrives(world: World) -> None:
    connection = await world.attached()
    for number in range(5000):
        connection.tell("a", f"a{number}\x1e")
        if number % 2:
            connection.tell("b", f"b{number}\x1e")
    kept = connection.take_waiting().split("\x1e")[:-1]
    assert len(kept) <= 17
    assert [frame for frame in kept if frame[0] == "a"][-1] == "a4999"
    assert [frame for frame in kept if frame[0] == "b"][-1] == "b4999"


async def test_a_reader_that_keeps_up_gets_every_status_in_order(world: World) -> None:
    connection = await world.attached()
    for number in range(16):
        connection.tell("a", f"{number}\x1e")
    assert connection.take_waiting() == "".join(f"{number}\x1e" for number in range(16))


async def test_who_calls_and_never_reads_is_ended(world: World) -> None:
    connection = await world.attached()
    for _ in range(MOST_FRAMES + 1):
        await connection.receive(call("NoSuch"))
    assert connection.is_closed


async def test_a_later_taker_ends_the_wait_of_an_earlier_one(world: World) -> None:
    connection = await world.attached()
    earlier = asyncio.create_task(connection.take(connection.begin_taking()))
    await asyncio.sleep(0)
    later = asyncio.create_task(connection.take(connection.begin_taking()))
    assert await asyncio.wait_for(earlier, 5) is None
    connection.tell("s", "x\x1e")
    assert await asyncio.wait_for(later, 5) == "x\x1e"


# ------------------------------------------------------------------ time


async def test_a_quiet_connection_is_pinged_within_15_seconds_and_dropped_after_30_of_silence(world: World) -> None:
    connection = await world.attached()
    await world.after(14.5)
    assert connection.take_waiting() == '{"type":6}\x1e'
    await world.after(14.5)
    assert connection.take_waiting() == '{"type":6}\x1e'
    await world.after(1.5)
    assert connection.is_closed
    assert frames(connection.take_waiting())[-1]["type"] == 7


async def test_a_ping_of_the_client_keeps_it(world: World) -> None:
    connection = await world.attached()
    for _ in range(10):
        await connection.receive('{"type":6}\x1e')
        await world.after(20)
    assert not connection.is_closed


async def test_what_is_never_attached_or_never_greets_makes_room(world: World) -> None:
    idle = world.table.make(ANN, None, has_token=True)
    silent = await world.attached(greets=False)
    await world.after(15.5)
    with pytest.raises(UnknownConnection):
        world.table.find(idle.token, ANN)
    await world.after(15)
    assert silent.is_closed


# ------------------------------------------------------------------ credentials


async def test_a_connection_ends_with_its_credential(world: World) -> None:
    credentials = {ANN: Credential(ANN), BOB: Credential(BOB)}
    ended, kept = [await world.attached(owner, credential) for owner, credential in credentials.items()]
    for connection in (ended, kept):
        await connection.receive(call("AddToGroup", "s", invocation_id=None))
    await world.table.admit_again()
    assert not ended.is_closed
    credentials[ANN].owner = None
    await world.table.admit_again()
    assert frames(ended.take_waiting()) == [
        {"type": 7, "error": "The credential is not valid any longer.", "allowReconnect": True}
    ]
    assert (ended.is_closed, kept.is_closed) == (True, False)
    assert world.groups.members == [("user:2", "s")]


@pytest.mark.parametrize("owner", [BOB, replace(ANN, scopes=frozenset({"jobs"}))])
async def test_a_credential_that_is_somebody_elses_or_reaches_less_far_now_ends_the_connection(
    world: World, owner: Identity
) -> None:
    connection = await world.attached(ANN, Credential(owner))
    await world.table.admit_again()
    assert connection.is_closed


async def test_what_no_transport_carries_goes_at_once_with_its_credential(world: World) -> None:
    made = world.table.make(ANN, Credential(None), has_token=True)
    await world.table.admit_again()
    assert made.is_closed
    with pytest.raises(UnknownConnection):
        world.table.find(made.token, ANN)


async def test_what_is_known_to_be_over_ends_without_a_question(world: World) -> None:
    credential = Credential()
    connection = await world.attached(ANN, credential)
    credential.is_over = credential.is_away = True
    await world.table.admit_again()
    assert (connection.is_closed, credential.asked) == (True, 0)


async def test_the_credential_of_the_newest_request_that_was_taken_counts(world: World) -> None:
    first, second, third = Credential(None), Credential(), Credential(None)
    made = world.table.make(ANN, first, has_token=True)
    world.table.attach(world.table.find(made.token, ANN), ANN, second, "WebSockets")
    with pytest.raises(AlreadyAttached):
        world.table.attach(world.table.find(made.token, ANN), ANN, third, "WebSockets")
    await world.table.admit_again()
    assert not made.is_closed
    assert (first.asked, second.asked, third.asked) == (0, 1, 0)


async def test_a_credential_that_cannot_be_told_ends_nothing_and_keeps_no_other_from_being_asked_for() -> None:
    world = World(most=12)
    credentials = [Credential() for _ in range(12)]
    held = [await world.attached(ANN, credential) for credential in credentials]
    for credential in credentials[:4]:
        credential.is_away = True
    credentials[-1].owner = None
    for _ in range(2):
        world.seconds += 1
        with pytest.raises(DependencyUnavailable):
            await world.table.admit_again()
    assert [connection.is_closed for connection in held] == [False] * 11 + [True]
    assert all(credential.asked for credential in credentials)


async def test_a_question_without_an_answer_has_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections_module, "ADMISSION_DEADLINE_S", 0.01)
    slow, gone = Credential(), Credential(None)
    slow.never_tells = True
    waiting, ended = [await world.attached(ANN, credential) for credential in (slow, gone)]
    with pytest.raises(DependencyUnavailable, match="in time"):
        await asyncio.wait_for(world.table.admit_again(), 5)
    assert (waiting.is_closed, ended.is_closed) == (False, True)


async def test_in_open_mode_there_is_no_credential_to_end(world: World) -> None:
    made = world.table.make(OPEN, None, has_token=True)
    await world.table.admit_again()
    assert not made.is_closed


# ------------------------------------------------------------------ whose they are


async def test_connections_are_found_by_their_token_and_only_by_whose_they_are(world: World) -> None:
    made = world.table.make(ANN, None, has_token=True)
    assert made.token != made.connection_id
    assert world.table.find(made.token, ANN) is made
    for token, identity in ((made.connection_id, ANN), ("", ELSEWHERE), (made.token, BOB), (made.token, ELSEWHERE)):
        with pytest.raises((UnknownConnection, ConnectionIdMissing)):
            world.table.find(token, identity)
    plain = world.table.make(ANN, None, has_token=False)
    assert world.table.find(plain.connection_id, ANN) is plain


async def test_in_open_mode_the_cookie_of_the_attaching_request_counts(world: World) -> None:
    made = world.table.make(OPEN, None, has_token=True)
    other = replace(OPEN, subject="another")
    world.table.attach(world.table.find(made.token, other), other, None, "WebSockets")
    await made.receive(HELLO + call("AddToGroup", "s"))
    assert world.groups.members == [("another", "s")]


async def test_a_second_transport_is_refused(world: World) -> None:
    made = await world.attached()
    with pytest.raises(AlreadyAttached, match="LongPolling"):
        world.table.attach(made, ANN, None, "WebSockets")


async def test_the_number_of_connections_is_bounded() -> None:
    world = World(most=2)
    first, _ = world.table.make(ANN, None, has_token=True), world.table.make(ANN, None, has_token=True)
    with pytest.raises(DependencyUnavailable):
        world.table.make(ANN, None, has_token=True)
    world.table.remove(first)
    world.table.make(ANN, None, has_token=True)


async def test_at_the_end_everybody_is_sent_away_to_come_back_and_nobody_is_let_in(world: World) -> None:
    world.table.start()
    connection = await world.attached()
    stopping = asyncio.create_task(world.table.stop(within_s=5))
    turn = connection.begin_taking()
    told = await asyncio.wait_for(connection.take(turn), 5)
    assert told is not None
    assert frames(told) == [{"type": 7, "allowReconnect": True}]
    with pytest.raises(DependencyUnavailable):
        world.table.make(ANN, None, has_token=True)
    world.table.remove(connection)
    await asyncio.wait_for(stopping, 5)
