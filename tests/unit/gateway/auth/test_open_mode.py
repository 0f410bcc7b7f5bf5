from __future__ import annotations

from uuid import UUID

import pytest

from services.gateway.auth.gate import Admission
from services.gateway.auth.identity import RequestHead
from services.gateway.auth.open_mode import OpenModeGate, OpenModeRefused, is_loopback, is_open_to_all
from shared.ids import OPEN_ACCOUNT_ID

SINGLE = OpenModeGate(multi_user=False)
MULTI = OpenModeGate(multi_user=True)


def head(cookie: str | None = None, host: str = "127.0.0.1:8000", *, is_secure: bool = False) -> RequestHead:
    headers = {} if cookie is None else {"Cookie": cookie}
    return RequestHead("GET", "/api/server", "", headers, host, "127.0.0.1", is_secure)


def attributes(admission: Admission) -> tuple[str, set[str]]:
    first, *rest = admission.headers["Set-Cookie"].split("; ")
    return first, set(rest)


@pytest.mark.parametrize("cookie", [None, "", "other=1", "X-PgoUserId=someone", "x-pgouserid=commonUser"])
def test_everybody_is_the_common_user_and_is_told_so(cookie: str | None) -> None:
    admission = SINGLE.admission(head(cookie))
    assert admission.identity.subject == "commonUser"
    assert admission.identity.account_id == OPEN_ACCOUNT_ID
    assert attributes(admission) == (
        "X-PgoUserId=commonUser",
        {"Domain=127.0.0.1", "Path=/", "HttpOnly", "SameSite=Strict"},
    )


@pytest.mark.parametrize(
    "cookie", ["X-PgoUserId=commonUser", "a=b; X-PgoUserId=commonUser; c=d", 'X-PgoUserId="commonUser"']
)
def test_no_cookie_is_set_where_it_is_right(cookie: str) -> None:
    assert SINGLE.admission(head(cookie)).headers == {}


def test_with_several_users_a_presented_value_is_believed_as_it_stands() -> None:
    admission = MULTI.admission(head("X-PgoUserId=u1"))
    assert admission.identity.subject == "u1"
    assert admission.headers == {}


def test_with_several_users_a_newcomer_gets_a_guid_of_their_own() -> None:
    first, second = MULTI.admission(head()), MULTI.admission(head())
    assert first.identity.subject != second.identity.subject
    assert attributes(first)[0] == f"X-PgoUserId={UUID(first.identity.subject)}"


def test_a_value_that_was_percent_encoded_comes_back_as_it_was() -> None:
    assert MULTI.admission(head("X-PgoUserId=J%C3%B8rn%3B")).identity.subject == "Jørn;"


@pytest.mark.parametrize("value", ["%FF", "a%00b", b"\xff\xfe".decode("utf-8", "surrogateescape"), "%ED%A0%80"])
def test_a_value_that_no_database_can_hold_is_mended(value: str) -> None:
    subject = MULTI.admission(head(f"X-PgoUserId={value}")).identity.subject
    assert "\x00" not in subject
    assert subject.encode().decode() == subject


def test_an_overlong_value_is_as_good_as_none() -> None:
    UUID(MULTI.admission(head("X-PgoUserId=" + "x" * 1025)).identity.subject)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("grid.example", "grid.example"),
        ("grid.example:8000", "grid.example"),
        ("[::1]:8000", "[::1]"),
        ("localhost", "localhost"),
    ],
)
def test_the_cookie_is_bound_to_the_host_without_its_port(host: str, domain: str) -> None:
    assert f"Domain={domain}" in attributes(SINGLE.admission(head(host=host)))[1]


@pytest.mark.parametrize("host", ["", "a b", "x; Secure", "grid.example\r\nX: y", "ä.example"])
def test_a_host_that_is_none_is_not_echoed(host: str) -> None:
    assert attributes(SINGLE.admission(head(host=host)))[1] == {"Path=/", "HttpOnly", "SameSite=Strict"}


def test_the_cookie_is_secure_over_https_alone() -> None:
    assert "Secure" in attributes(SINGLE.admission(head(is_secure=True)))[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "[::1]", "localhost"])
def test_loopback_is_open_unless_the_operator_says_no(host: str) -> None:
    assert is_loopback(host)
    assert is_open_to_all(host, is_open=None, allow_open_network=False)
    assert is_open_to_all(host, is_open=True, allow_open_network=False)
    assert not is_open_to_all(host, is_open=False, allow_open_network=True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "grid.example"])
def test_a_network_is_opened_only_by_saying_so_twice(host: str) -> None:
    assert not is_open_to_all(host, is_open=None, allow_open_network=False)
    assert not is_open_to_all(host, is_open=None, allow_open_network=True)
    assert not is_open_to_all(host, is_open=False, allow_open_network=True)
    assert is_open_to_all(host, is_open=True, allow_open_network=True)
    with pytest.raises(OpenModeRefused, match="BUSBAR_ALLOW_OPEN_NETWORK"):
        is_open_to_all(host, is_open=True, allow_open_network=False)
