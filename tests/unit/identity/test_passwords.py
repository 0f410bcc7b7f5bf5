"""Rules of passwords, and hashing that keeps its bounds."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from shared.identity import passwords
from shared.identity.passwords import COMMON, HasherSaturated, PasswordHasher, WeakPassword, check_rules, hash_now
from shared.identity.principals import own_names

NAMES = own_names("Planner@depot.example", "al")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery 7",
        "twelve chars",
        "ünïcödé is fine too",
        " leading and trailing blanks ",
        "al is too short a name",
    ],
)
def test_a_long_password_that_nobody_guesses_is_good(password: str) -> None:
    check_rules(password, names=NAMES)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("eleven char", "short"),
        ("", "short"),
        ("x" * 1025, "long"),
        ("planner@depot.example", "name"),
        ("my PLANNER forever", "name"),
        ("passwordpassword", "common"),
        ("PassWordPassWord", "common"),
        (" qwertyuiop12 ", "common"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason_and_never_repeated(password: str, reason: str) -> None:
    with pytest.raises(WeakPassword) as refused:
        check_rules(password, names=NAMES)
    assert reason in refused.value.message
    assert refused.value.field == "password"
    assert not password or password not in refused.value.message


def test_every_common_password_would_pass_the_other_rules() -> None:
    for password in COMMON:
        assert password == password.casefold()
        assert len(password) >= passwords.MIN_LENGTH


def test_a_hash_is_argon2id_of_the_agreed_cost_with_a_salt_of_its_own() -> None:
    first, second = hash_now("correct horse battery 7"), hash_now("correct horse battery 7")
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second


async def test_a_secret_matches_its_own_hash_and_nothing_matches_none() -> None:
    hasher = PasswordHasher()
    try:
        known = await hasher.hash("correct horse battery 7")
        assert await hasher.verify(known, "correct horse battery 7")
        assert not await hasher.verify(known, "correct horse battery 8")
        assert not await hasher.verify(None, "correct horse battery 7")
        assert not await hasher.verify("no hash at all", "correct horse battery 7")
        assert not await hasher.verify(known, "\ud800")
    finally:
        hasher.close()


async def test_a_subject_without_a_hash_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    matches = passwords._matches

    def note(known_hash: str, secret: str) -> bool:
        compared.append(known_hash.rpartition("$")[0].rpartition("$")[0])
        return matches(known_hash, secret)

    monkeypatch.setattr(passwords, "_matches", note)
    hasher = PasswordHasher()
    try:
        known = await hasher.hash("correct horse battery 7")
        await hasher.verify(known, "x")
        await hasher.verify(None, "x")
    finally:
        hasher.close()
    assert compared == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2


async def test_a_full_queue_is_refused_at_once_and_empties_again(monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on = threading.Event()

    def wait(known_hash: str, secret: str) -> bool:
        return may_go_on.wait(30)

    monkeypatch.setattr(passwords, "_matches", wait)
    hasher = PasswordHasher(threads=1, max_waiting=2)
    try:
        waiting = [asyncio.create_task(hasher.verify("h", "x")) for _ in range(3)]
        await asyncio.sleep(0)
        began = time.monotonic()
        with pytest.raises(HasherSaturated):
            await hasher.verify("h", "x")
        assert time.monotonic() - began < 5
        may_go_on.set()
        assert await asyncio.gather(*waiting) == [True, True, True]
        assert await hasher.verify("h", "x")
    finally:
        may_go_on.set()
        hasher.close()


async def test_the_event_loop_turns_while_passwords_are_checked() -> None:
    hasher = PasswordHasher()
    turns = 0
    try:
        checking = asyncio.gather(*(hasher.verify(None, "x") for _ in range(8)))
        while not checking.done():
            turns += 1
            await asyncio.sleep(0)
        assert await checking == [False] * 8
    finally:
        hasher.close()
    # Were the work done on the loop, each check would be one turn.
    assert turns > 50
