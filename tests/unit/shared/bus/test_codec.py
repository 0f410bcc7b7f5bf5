"""Parsing bodies, ids of replays, patterns of routing keys."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from shared.bus.codec import matches, parse, replay_id
from shared.errors import PoisonMessage
from shared.ids import MessageId
from tests.support.toys import ToyRequested, toy_command


def test_a_body_becomes_its_contracts_model() -> None:
    assert parse(ToyRequested, toy_command("x")).label == "x"


def test_fields_of_tomorrow_are_ignored() -> None:
    assert parse(ToyRequested, toy_command(body=b'{"label":"x","tomorrow":[1,2]}')).label == "x"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b'{"label":1e400}',
        b'{"label":NaN}',
        b'{"label":"a","label":',
        b'"' * 1000,
        b"{" * 200_000,
    ],
)
def test_whatever_is_no_such_message_is_poison(body: bytes) -> None:
    with pytest.raises(PoisonMessage):
        parse(ToyRequested, toy_command(body=body))


def test_a_body_too_large_for_a_message_is_not_even_read() -> None:
    huge = replace(toy_command(), body=b'{"label":"' + b"x" * (256 * 1024) + b'"}')
    with pytest.raises(PoisonMessage, match="262144"):
        parse(ToyRequested, huge)


def test_a_replays_id_depends_on_the_old_one_alone() -> None:
    # The UUID of version 5 of 'replay' in the old id's namespace, worked out with SHA-1 by hand.
    old = MessageId(UUID("018f0000-0000-7000-8000-000000000001"))
    assert replay_id(old) == UUID("b4cc2e16-ffa5-548d-9d49-0d06c19b3a92")
    assert replay_id(replay_id(old)) != replay_id(old)


@pytest.mark.parametrize(
    ("pattern", "key", "fits"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.b", "a", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("*.b", "a.b", True),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("#", "", True),
        ("#", "a.b.c", True),
        ("#.c", "a.b.c", True),
        ("#.c", "c", True),
        ("#.c", "a.b", False),
        ("a.#.c", "a.c", True),
        ("a.#.c", "a.b.b.c", True),
        ("a.#.c", "a.b.b", False),
        ("#.b.#", "a.b.c", True),
        ("#.b.#", "a.c", False),
        ("#.*", "a", True),
        ("a", "ab", False),
        ("reply.x-1", "reply.x-1", True),
    ],
)
def test_patterns_of_routing_keys_are_those_of_topic_exchanges(pattern: str, key: str, *, fits: bool) -> None:
    assert matches(pattern, key) is fits
