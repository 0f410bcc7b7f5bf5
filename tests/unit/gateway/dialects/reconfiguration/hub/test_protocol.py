from __future__ import annotations

import json

import pytest

from services.gateway.dialects.reconfiguration.hub.protocol import (
    END,
    MAX_FRAME_CHARS,
    PING_FRAME,
    FrameReader,
    Goodbye,
    Invocation,
    ProtocolViolated,
    check_handshake,
    closing,
    completion,
    handshake_failed,
    invocation,
    read_message,
)


def test_several_frames_come_in_one_text_and_one_in_several() -> None:
    reader = FrameReader()
    assert reader.feed('{"a":1}\x1e{"b"') == ['{"a":1}']
    assert reader.feed(":2}") == []
    assert reader.feed("\x1e\x1e") == ['{"b":2}', ""]


@pytest.mark.parametrize("end", ["", END])
def test_a_frame_that_is_too_long_is_refused_before_and_after_its_end(end: str) -> None:
    assert FrameReader().feed("x" * MAX_FRAME_CHARS + end) == (["x" * MAX_FRAME_CHARS] if end else [])
    with pytest.raises(ProtocolViolated, match="longer"):
        FrameReader().feed("x" * (MAX_FRAME_CHARS + 1) + end)


def test_the_handshake_of_both_clients_is_accepted() -> None:
    check_handshake('{"protocol":"json","version":1}')


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ('{"protocol":"messagepack","version":1}', "messagepack"),
        ('{"protocol":"json","version":2}', "version 2"),
        ('{"protocol":"json","version":true}', "version True"),
        ('{"protocol":"json"}', "version None"),
        ("{}", "None"),
        ("[]", "object"),
        ("nonsense", "JSON"),
        ("", "JSON"),
    ],
)
def test_another_handshake_is_refused_with_the_reason(frame: str, reason: str) -> None:
    with pytest.raises(ProtocolViolated, match=reason):
        check_handshake(frame)


def test_invocations_with_and_without_an_id_are_read() -> None:
    frame = '{"type":1,"target":"AddToGroup","arguments":["s 1"],"invocationId":"0","headers":{}}'
    assert read_message(frame) == Invocation("AddToGroup", ["s 1"], "0")
    frame = '{"type":1,"target":"AddToGroup","arguments":["s"]}'
    assert read_message(frame) == Invocation("AddToGroup", ["s"], None)
    frame = '{"type":4,"target":"Watch","arguments":[],"invocationId":"7"}'
    assert read_message(frame) == Invocation("Watch", [], "7", is_stream=True)


@pytest.mark.parametrize("kind", [2, 3, 5, 6, 8, 9, 99])
def test_what_asks_nothing_of_us_is_passed_over(kind: int) -> None:
    assert read_message(json.dumps({"type": kind})) is None


def test_a_goodbye_is_read() -> None:
    assert read_message('{"type":7}') == Goodbye()


@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        '{"type":"1"}',
        '{"type":true}',
        '{"type":1,"target":"x"}',
        '{"type":1,"arguments":[]}',
        '{"type":1,"target":1,"arguments":[]}',
        '{"type":1,"target":"x","arguments":{}}',
        '{"type":1,"target":"x","arguments":[],"invocationId":3}',
        "3",
        "{",
    ],
)
def test_what_is_no_message_is_refused(frame: str) -> None:
    with pytest.raises(ProtocolViolated):
        read_message(frame)


def test_frames_are_written_as_the_clients_read_them() -> None:
    assert completion("0") == '{"type":3,"invocationId":"0","result":null}\x1e'
    assert completion("0", "no") == '{"type":3,"invocationId":"0","error":"no"}\x1e'
    assert invocation("m", '{"a":1}') == '{"type":1,"target":"m","arguments":["{\\"a\\":1}"]}\x1e'
    assert closing() == '{"type":7}\x1e'
    assert closing("why", allow_reconnect=True) == '{"type":7,"error":"why","allowReconnect":true}\x1e'
    assert handshake_failed("why") == '{"error":"why"}\x1e'
    assert PING_FRAME == '{"type":6}\x1e'
