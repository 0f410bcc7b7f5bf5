"""The table of who may do what to accounts, users, assets and sensors, row by row."""

from __future__ import annotations

import itertools
from uuid import UUID

import pytest

from services.gateway.auth.identity import Identity
from services.gateway.dialects.flexibility.permissions import (
    Caller,
    Owner,
    caller_of,
    may_change_account,
    may_change_roles,
    may_change_user,
    may_create_account,
    may_create_in,
    may_manage,
    may_read,
    may_read_audit_log,
    may_read_audit_log_of_user,
    may_read_thing,
    may_work_on,
)
from shared.identity.principals import CONSULTANCY_ROLE, USER_ROLES
from shared.ids import AccountId

HOME, CLIENT, ELSEWHERE = (AccountId(UUID(int=number)) for number in (1, 2, 3))
OWNERS = {"home": Owner(HOME, None), "client": Owner(CLIENT, HOME), "elsewhere": Owner(ELSEWHERE, CLIENT)}
SELF, PEER = 7, 8

NONE: frozenset[str] = frozenset()
ACCESS = {
    # role: (read, change the account, create in it, read its audit log), each where
    "": ({"home"}, {"home"}, set(), set()),
    "account-admin": ({"home"}, {"home"}, {"home"}, {"home"}),
    "consultant": ({"home", "client"}, {"home", "client"}, {"client"}, {"client"}),
    "admin-reader": (set(OWNERS), {"home"}, set(), set(OWNERS)),
    "admin": (set(OWNERS), set(OWNERS), set(OWNERS), set(OWNERS)),
}


def caller(*roles: str, is_of_consultancy: bool = False) -> Caller:
    return Caller(HOME, SELF, frozenset(roles), is_of_consultancy)


@pytest.mark.parametrize("role", ACCESS)
def test_each_role_reaches_what_the_table_says(role: str) -> None:
    somebody = caller(*([role] if role else []))
    checks = (may_read, may_change_account, may_create_in, may_read_audit_log)
    for check, where in zip(checks, ACCESS[role], strict=True):
        assert {name for name, owner in OWNERS.items() if check(somebody, owner)} == where, check.__name__


THINGS: dict[str, Owner | None] = {**OWNERS, "public": None}
REACHED = {
    # role: (read, work on, manage), each where
    "": ({"home", "public"}, {"home"}, set()),
    "account-admin": ({"home", "public"}, {"home"}, {"home"}),
    "consultant": ({"home", "client", "public"}, {"home", "client"}, {"client"}),
    "admin-reader": (set(THINGS), {"home"}, set()),
    "admin": (set(THINGS), set(THINGS), set(THINGS)),
}


@pytest.mark.parametrize("role", REACHED)
def test_each_role_reaches_of_assets_and_sensors_what_the_table_says(role: str) -> None:
    somebody = caller(*([role] if role else []))
    for check, where in zip((may_read_thing, may_work_on, may_manage), REACHED[role], strict=True):
        assert {name for name, owner in THINGS.items() if check(somebody, owner)} == where, check.__name__


def test_several_roles_reach_what_each_does() -> None:
    for first, second in itertools.combinations(USER_ROLES, 2):
        both = caller(first, second)
        for check in (may_read, may_change_account, may_create_in, may_read_audit_log):
            for owner in OWNERS.values():
                assert check(both, owner) == (check(caller(first), owner) or check(caller(second), owner))


@pytest.mark.parametrize("role", ["", *USER_ROLES])
def test_everybody_changes_themselves_and_whoever_they_may_make(role: str) -> None:
    somebody = caller(*([role] if role else []))
    assert may_change_user(somebody, OWNERS["home"], SELF, USER_ROLES)
    assert may_read_audit_log_of_user(somebody, OWNERS["home"], SELF)
    for owner in OWNERS.values():
        for roles in ([], ["account-admin", "consultant"]):
            assert may_change_user(somebody, owner, PEER, roles) == may_create_in(somebody, owner)
        for role in ("admin", "admin-reader"):
            assert may_change_user(somebody, owner, PEER, ["account-admin", role]) == somebody.is_admin
        assert may_read_audit_log_of_user(somebody, owner, PEER) == may_read_audit_log(somebody, owner)


@pytest.mark.parametrize(
    ("roles", "is_of_consultancy", "may"),
    [
        (["admin"], False, True),
        (["consultant"], True, True),
        (["consultant"], False, False),
        (["account-admin", "admin-reader"], True, False),
        ([], True, False),
    ],
)
def test_who_makes_accounts(roles: list[str], is_of_consultancy: bool, may: bool) -> None:
    assert may_create_account(caller(*roles, is_of_consultancy=is_of_consultancy)) is may


@pytest.mark.parametrize(
    ("role", "by"),
    [
        ("admin", set()),
        ("admin-reader", {"admin"}),
        ("account-admin", {"admin", "consultant"}),
        ("consultant", {"admin", "account-admin"}),
    ],
)
def test_who_gives_which_role(role: str, by: set[str]) -> None:
    assert {giver for giver in USER_ROLES if may_change_roles(caller(giver), {role})} == by
    assert not may_change_roles(caller(), {role})
    assert not may_change_roles(caller(*USER_ROLES), {role, "admin"}), "an admin of the site is never made here"


def test_no_roles_change_is_no_matter() -> None:
    assert may_change_roles(caller(), set())


def test_only_users_have_the_roles_of_users() -> None:
    roles = frozenset({"admin", "consultant", "asset_admin"})
    client = Identity(HOME, "client:x", "client", frozenset({"flexibility"}), roles)
    assert caller_of(client).roles == NONE
    user = Identity(HOME, "user:7", "key", roles=roles, user_number=7, account_roles=frozenset({CONSULTANCY_ROLE}))
    assert caller_of(user) == Caller(HOME, 7, roles, is_of_consultancy=True)
