"""Signing in with a browser, and what its pages and forms promise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from sqlalchemy import select

from shared.db.engine import PostgresDatabase
from shared.db.models.identity import audit_events, sign_in_failures
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity.principals import User
from tests.integration.gateway.conftest import Served, serving
from tests.support.apis import Got
from tests.support.databases import TestDatabases
from tests.support.principals import PASSWORD, make_account, make_key, make_user

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORM = "application/x-www-form-urlencoded"
NEW_PASSWORD = "another line of twelve"


@dataclass
class Browser:
    """Keeps cookies and sends forms as browsers do."""

    served: Served
    cookies: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, set[str]] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.served.gateway.port}"

    async def get(self, path: str, **headers: str) -> Got:
        return self._keep(await self.served.call("GET", path, headers=self._headers(headers)))

    async def post(self, path: str, fields: Mapping[str, object], **headers: str) -> Got:
        given = {"Content-Type": FORM, "Origin": self.origin} | headers
        body = urlencode(fields, doseq=True).encode()
        return self._keep(await self.served.call("POST", path, data=body, headers=self._headers(given)))

    async def fill_in(self, page: str, action: str, fields: Mapping[str, object], **headers: str) -> Got:
        """Load a page and send the form on it that leads to ``action``."""
        shown = await self.get(page)
        return await self.post(action, {"csrf_token": token_of(shown, action), **fields}, **headers)

    async def sign_in(self, user: User, password: str = PASSWORD, to: str = "/login") -> Got:
        shown = await self.get(to)
        fields = {"csrf_token": token_of(shown, "/login"), "next": field_of(shown, "next")}
        return await self.post("/login", fields | {"email": user.email, "password": password})

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return dict(headers) | ({"Cookie": cookies} if cookies else {})

    def _keep(self, got: Got) -> Got:
        for name, morsel in SimpleCookie(got.headers.get("Set-Cookie", "")).items():
            self.cookies[name] = morsel.value
            pieces = got.headers["Set-Cookie"].split("; ")[1:]
            self.attributes[name] = set(pieces)
            if "Max-Age=0" in pieces:
                del self.cookies[name]
        return got


def field_of(page: Got, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found is not None, page.text
    return unescape(found[1])


def token_of(page: Got, action: str) -> str:
    """The CSRF token of the form that leads to ``action``."""
    form = next(part for part in page.text.split("<form ")[1:] if f'action="{action}"' in part)
    found = re.search(r'name="csrf_token" value="([^"]+)"', form)
    assert found is not None
    return found[1]


@pytest_asyncio.fixture(loop_scope="module")
async def browser(closed: Served) -> Browser:
    async with closed.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(sign_in_failures.delete())
    return Browser(closed)


@pytest_asyncio.fixture(loop_scope="module")
async def user(closed: Served) -> User:
    return await new_user(closed.process.database)


async def new_user(database: PostgresDatabase) -> User:
    return await make_user(database, await make_account(database))


async def test_signing_in_leads_where_one_wanted_to_go(browser: Browser, user: User) -> None:
    sent_away = await browser.get("/")
    assert (sent_away.status, sent_away.headers["Location"]) == (303, "/login?next=%2F")
    got = await browser.sign_in(user, to=sent_away.headers["Location"])
    assert (got.status, got.headers["Location"]) == (303, "/")
    assert (await browser.get("/")).status == 200
    account = await browser.get("/account")
    assert user.email in account.text
    assert user.account_name in account.text
    again = await browser.get("/login?next=/docs")
    assert (again.status, again.headers["Location"]) == (303, "/docs")


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: Browser, user: User) -> None:
    await browser.sign_in(user)
    assert browser.attributes["busbar_session"] == {"Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Lax"}
    assert len(browser.cookies["busbar_session"]) == 43


async def test_over_https_the_cookie_is_secure(databases: TestDatabases) -> None:
    url = databases.create()
    async with serving(url, trusted_proxies="127.0.0.1") as served:
        browser = Browser(served)
        await browser.get("/login", **{"X-Forwarded-Proto": "https"})
        assert "Secure" in browser.attributes["busbar_login"]
    databases.drop(url)


@pytest.mark.parametrize(
    "path", ["/docs", "/swagger", "/swagger/index.html", "/assets/busbar.css", "/login", "/health/ready"]
)
async def test_login_health_and_documentation_are_for_everybody(closed: Served, path: str) -> None:
    assert (await Browser(closed).get(path)).status in {200, 302}


async def test_a_wrong_password_and_an_unknown_address_look_the_same(browser: Browser, user: User) -> None:
    answers = []
    for email in (user.email, "nobody@north.example"):
        got = await browser.fill_in("/login", "/login", {"email": email, "password": "wrong"})
        assert got.status == 401
        answers.append(got.text.replace(email, ""))
    assert answers[0] == answers[1]
    assert "busbar_session" not in browser.cookies


async def test_guessing_is_slowed_down_here_too(browser: Browser, user: User) -> None:
    statuses = []
    for _ in range(8):
        got = await browser.fill_in("/login", "/login", {"email": user.email, "password": "wrong"})
        statuses.append(got.status)
    assert statuses[:6] == [401] * 6
    assert 429 in statuses[6:]
    assert "too many failed attempts" in got.text or got.status == 401


@pytest.mark.parametrize(
    "next_path",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/a\r\nX: y",
        "/\tx",
        "/a b",
        "",
        "/login",
        "/" + "x" * 600,
        "\\\\evil.example",
        "/ä",
    ],
)
async def test_signing_in_never_leads_to_another_site(browser: Browser, user: User, next_path: str) -> None:
    fields = {"email": user.email, "password": PASSWORD, "next": next_path}
    got = await browser.fill_in("/login", "/login", fields)
    assert (got.status, got.headers["Location"]) == (303, "/account")


async def test_a_session_changes_at_each_sign_in_and_the_old_one_is_over(browser: Browser, user: User) -> None:
    shown = await browser.get("/login")
    await browser.sign_in(user)
    old = dict(browser.cookies)
    fields = {"csrf_token": token_of(shown, "/login"), "email": user.email, "password": PASSWORD}
    assert (await browser.post("/login", fields)).status == 303
    assert browser.cookies["busbar_session"] != old["busbar_session"]
    assert (await Browser(browser.served, old).get("/account")).status == 303
    assert (await browser.get("/account")).status == 200


async def test_a_session_that_somebody_else_chose_is_none(browser: Browser, user: User) -> None:
    chosen = "c" * 43
    browser.cookies["busbar_session"] = chosen
    await browser.sign_in(user)
    assert browser.cookies["busbar_session"] != chosen
    assert (await Browser(browser.served, {"busbar_session": chosen}).get("/account")).status == 303


async def test_signing_out_ends_the_session(browser: Browser, user: User) -> None:
    await browser.sign_in(user)
    kept = dict(browser.cookies)
    got = await browser.fill_in("/account", "/logout", {})
    assert (got.status, got.headers["Location"]) == (303, "/login")
    assert "busbar_session" not in browser.cookies
    assert (await Browser(browser.served, kept).get("/account")).status == 303


FORMS = ["/logout", "/account/password", "/account/keys", "/account/keys/abcdefgh/delete"]


@pytest.mark.parametrize("action", FORMS)
@pytest.mark.parametrize("csrf_token", ["", "wrong", "é"])
async def test_a_form_without_its_token_does_nothing(
    browser: Browser, user: User, action: str, csrf_token: str
) -> None:
    await browser.sign_in(user)
    got = await browser.post(action, {"csrf_token": csrf_token, "name": "x", "scope": "read"})
    assert got.status == 403
    assert (await browser.get("/account")).status == 200


@pytest.mark.parametrize("action", FORMS)
async def test_a_form_with_the_token_of_another_session_does_nothing(browser: Browser, user: User, action: str) -> None:
    other = Browser(browser.served)
    await other.sign_in(user)
    token = token_of(await other.get("/account"), "/logout")
    await browser.sign_in(user)
    assert (await browser.post(action, {"csrf_token": token})).status == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://[bad"])
async def test_a_form_that_another_site_sends_does_nothing(browser: Browser, user: User, origin: str) -> None:
    await browser.sign_in(user)
    got = await browser.fill_in("/account", "/account/keys", {"name": "k", "scope": "read"}, Origin=origin)
    assert (got.status, got.headers["Location"]) == (303, "/login")
    assert "There are none yet." in (await browser.get("/account")).text
    fresh = Browser(browser.served)
    refused = await fresh.fill_in("/login", "/login", {"email": user.email, "password": PASSWORD}, Origin=origin)
    assert refused.status == 403
    assert "busbar_session" not in fresh.cookies


async def test_a_sign_in_form_of_another_browser_signs_nobody_in(browser: Browser, user: User) -> None:
    token = token_of(await Browser(browser.served).get("/login"), "/login")
    for cookies in ({}, {"busbar_login": "z" * 43}):
        browser.cookies = cookies
        got = await browser.post("/login", {"csrf_token": token, "email": user.email, "password": PASSWORD})
        assert got.status == 403


async def test_a_key_is_shown_once_and_works_until_it_is_deleted(browser: Browser, user: User) -> None:
    await browser.sign_in(user)
    made = await browser.fill_in(
        "/account", "/account/keys", {"name": "night job", "scope": ["read", "jobs"], "days": "30"}
    )
    assert made.status == 200
    key = re.search(r'<code id="new-key">(bb_[^<]+)</code>', made.text)
    assert key is not None
    served = browser.served
    bearer = {"Authorization": f"Bearer {key[1]}"}
    assert (await served.call("GET", "/api/server", headers=bearer)).status == 200
    page = await browser.get("/account")
    assert key[1] not in page.text
    assert "night job" in page.text and "read, jobs" in page.text
    deleted = await browser.fill_in("/account", f"/account/keys/{key[1][3:11]}/delete", {})
    assert deleted.status == 303
    assert (await served.call("GET", "/api/server", headers=bearer)).status == 401


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "", "scope": "read"},
        {"name": "k", "scope": "everything"},
        {"name": "k", "scope": "read", "days": "0"},
        {"name": "k", "scope": "read", "days": "x"},
        {"name": "k", "scope": "read", "days": "99999"},
    ],
)
async def test_a_key_that_cannot_be_is_explained(browser: Browser, user: User, fields: dict[str, str]) -> None:
    await browser.sign_in(user)
    got = await browser.fill_in("/account", "/account/keys", fields)
    assert got.status == 400
    assert 'class="problem"' in got.text


async def test_a_key_of_another_user_cannot_be_deleted(browser: Browser, user: User) -> None:
    database = browser.served.process.database
    theirs = await make_key(database, await new_user(database))
    await browser.sign_in(user)
    token = token_of(await browser.get("/account"), "/logout")
    got = await browser.post(f"/account/keys/{theirs[3:11]}/delete", {"csrf_token": token})
    assert got.status == 404
    bearer = {"Authorization": f"Bearer {theirs}"}
    assert (await browser.served.call("GET", "/api/server", headers=bearer)).status == 200


async def test_another_password_ends_all_other_sessions_and_tokens(browser: Browser, user: User) -> None:
    other = Browser(browser.served)
    for each in (other, browser):
        await each.sign_in(user)
    token = await browser.served.gateway.auth.sign_in.issue_token(user)
    wrong = {"password": "wrong", "new_password": NEW_PASSWORD, "repeated": NEW_PASSWORD}
    assert (await browser.fill_in("/account", "/account/password", wrong)).status == 401
    weak = {"password": PASSWORD, "new_password": "short", "repeated": "short"}
    assert (await browser.fill_in("/account", "/account/password", weak)).status == 400
    differing = {"password": PASSWORD, "new_password": NEW_PASSWORD, "repeated": NEW_PASSWORD + "!"}
    assert (await browser.fill_in("/account", "/account/password", differing)).status == 400
    right = {"password": PASSWORD, "new_password": NEW_PASSWORD, "repeated": NEW_PASSWORD}
    assert (await browser.fill_in("/account", "/account/password", right)).status == 303
    assert (await browser.get("/account")).status == 200
    assert (await other.get("/account")).status == 303
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await browser.served.call("GET", "/api/server", headers=bearer)).status == 401
    assert (await Browser(browser.served).sign_in(user, NEW_PASSWORD)).status == 303
    assert (await Browser(browser.served).sign_in(user, PASSWORD)).status == 401
    async with browser.served.process.database.reading(EVERY_ACCOUNT) as connection:
        mine = select(audit_events.c.event).where(audit_events.c.subject == user.subject)
        events = set((await connection.execute(mine)).scalars())
    assert {"user:signed-in", "user:password:changed", "user:sign-in:failed"} <= events


async def test_whatever_is_shown_is_escaped(browser: Browser) -> None:
    database = browser.served.process.database
    evil = "<script>alert(1)</script>\"'"
    user = await make_user(database, await make_account(database, evil))
    await browser.sign_in(user)
    await browser.fill_in("/account", "/account/keys", {"name": evil, "scope": "read"})
    page = await browser.get("/account")
    assert "&lt;script&gt;" in page.text
    login = await Browser(browser.served).fill_in("/login", "/login", {"email": evil, "password": "x", "next": evil})
    for shown in (page, login):
        assert "<script" not in shown.text
        assert "alert(1)&lt;/script&gt;" in shown.text


@pytest.mark.parametrize("path", ["/login", "/account"])
async def test_pages_of_somebody_carry_the_headers_that_protect_them(browser: Browser, user: User, path: str) -> None:
    if path == "/account":
        await browser.sign_in(user)
    page = await browser.get(path)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and "form-action 'self'" in policy and "base-uri 'none'" in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.kind == "text/html; charset=utf-8"


async def test_a_session_counts_for_calls_of_an_api_from_our_own_pages_only(browser: Browser, user: User) -> None:
    await browser.sign_in(user)
    assert (await browser.get("/api/server")).status == 200
    assert (await browser.get("/api/server", Origin=browser.origin)).status == 200
    for origin in ("https://evil.example", "null"):
        assert (await browser.get("/api/server", Origin=origin)).status == 401
    assert (await browser.get("/api/server", **{"Sec-Fetch-Site": "cross-site"})).status == 401


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * 20_000, FORM, 413),
        (b"\xff=%ff", FORM, 400),
        (b"email=a%00b", FORM, 400),
        (b"{}", "application/json", 415),
        (b"&".join(b"a=1" for _ in range(60)), FORM, 400),
    ],
)
async def test_what_is_no_form_is_refused(browser: Browser, body: bytes, kind: str, status: int) -> None:
    got = await browser.served.call("POST", "/login", data=body, headers={"Content-Type": kind})
    assert got.status == status
