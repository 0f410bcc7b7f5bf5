"""Versions, health, sign-in, and how each credential and each refusal is told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from services.gateway.dialects.flexibility.routes import ENTRANCE_ROUTES, V3_ROUTES
from services.gateway.dialects.flexibility.sunset import METHODS_OF
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import administration, audit, credential_administration
from tests.integration.gateway.flexibility.conftest import Api, People
from tests.support.apis import Got
from tests.support.eventually import eventually
from tests.support.principals import PASSWORD, TESTER

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNAUTHORIZED = {
    "message": "You could not be properly authenticated for this content or functionality.",
    "status": "UNAUTHORIZED",
}
TOKEN = "/api/requestAuthToken"


@pytest.mark.parametrize("path", ["/api/", "/api"])
async def test_versions_are_listed_with_and_without_a_slash(api: Api, path: str) -> None:
    got = await api.get(path)
    assert (got.status, got.json["versions"], got.json["status"]) == (200, ["v3_0"], 200)
    assert got.json["flexmeasures_version"] == got.headers["FlexMeasures-Version"] == "1.0.0"
    assert isinstance(got.json["message"], str)


async def test_the_service_list_has_every_route_of_the_version(api: Api) -> None:
    got = await api.get("/api/v3_0")
    assert (got.status, got.json["status"], got.json["version"]) == (200, "PROCESSED", "3.0")
    names = [service["name"] for service in got.json["services"]]
    assert len(names) == len(set(names)) == len(V3_ROUTES)
    assert {"GET /accounts", "GET /users", "PATCH /users/{user_id}/password-reset", "GET /health/ready"} <= set(names)
    listed = got.json["services"][names.index("GET /accounts")]
    assert listed == {"name": "GET /accounts", "description": "List accounts", "url": "/api/v3_0/accounts"}


async def test_health_and_ping_are_public(api: Api) -> None:
    ready = await api.get("health/ready")
    assert (ready.status, ready.json) == (200, {"database_sql": True, "message_broker": True, "status": 200})
    ping = await api.get("/api/ops/ping")
    assert (ping.status, ping.json) == (200, {"message": "ok", "status": 200})


async def test_health_says_which_dependency_is_away(api: Api) -> None:
    async def away() -> str | None:
        return "not connected"

    async def well() -> str | None:
        return None

    async def readiness(status: int) -> Got | None:
        got = await api.get("health/ready")
        return got if got.status == status else None

    try:
        api.process.health.add("broker", away)
        got = await eventually(lambda: readiness(503))
    finally:
        api.process.health.add("broker", well)
    assert got.json == {"database_sql": True, "message_broker": False, "status": 503}
    assert int(got.headers["Retry-After"]) > 0
    await eventually(lambda: readiness(200))


@pytest.mark.parametrize("path", ["", "health/ready", "users", "accounts/1", "nothing-here", "docs"])
async def test_every_answer_of_the_version_says_so(api: Api, path: str) -> None:
    got = await api.get(f"/api/v3_0/{path}")
    assert (got.headers["FlexMeasures-Version"], got.headers["API-Version"]) == ("1.0.0", "v3_0")


async def test_answers_beside_the_version_name_none(api: Api) -> None:
    for path in ("/api", "/api/ops/ping", "/api/v2_0/assets", "/api/nope"):
        got = await api.get(path)
        assert got.headers["FlexMeasures-Version"] == "1.0.0"
        assert "API-Version" not in got.headers


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/api/nope", "/api/v3_0/nope", "/api/v2_0/nope", "/api/ops/nope", "/api/v9/users"])
async def test_an_unknown_route_is_a_json_404(api: Api, method: str, path: str) -> None:
    got = await api.call(method, path)
    assert (got.status, got.headers["Content-Type"]) == (404, "application/json")
    assert got.json["status"] == 404
    assert isinstance(got.json["message"], str)


@pytest.mark.parametrize(("method", "path"), [("GET", TOKEN), ("DELETE", "/api/v3_0/accounts"), ("PUT", "/api")])
async def test_a_wrong_method_is_a_json_405(api: Api, method: str, path: str) -> None:
    got = await api.call(method, path)
    assert (got.status, got.headers["Content-Type"], got.json["status"]) == (405, "application/json", 405)
    assert got.headers["Allow"]


async def test_a_path_that_is_no_utf8_is_a_json_400(api: Api) -> None:
    got = await api.get("/api/v3_0/users/%ff")
    assert (got.status, got.headers["Content-Type"], got.json["status"]) == (400, "application/json", 400)


@pytest.mark.parametrize("version", METHODS_OF)
async def test_each_route_of_a_sunset_version_is_gone(api: Api, version: str) -> None:
    for route, methods in METHODS_OF[version].items():
        path = f"/api/{version}/{route.replace('{asset_id}', '1').replace('{user_id}', '1')}"
        for method in methods:
            got = await api.call(method, path)
            assert (got.status, got.json["status"]) == (410, 410), (method, path)
            assert "3.0" in got.json["message"]
            assert got.headers["Content-Type"] == "application/json"
            assert got.headers["Deprecation"] == "Tue, 13 Dec 2022 23:59:59 GMT"
            assert got.headers["Sunset"] == "Sun, 30 Apr 2023 23:59:59 GMT"
            assert {'rel="deprecation"', 'rel="sunset"'} <= set(got.headers["Link"].replace(",", ";").split("; "))


async def test_the_documentation_is_a_page_and_a_document(api: Api) -> None:
    page = await api.get("docs")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b'data-document="openapi.json"' in page.body
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    document = await api.get("openapi.json")
    assert (document.status, document.headers["Content-Type"]) == (200, "application/json")
    assert "/api/v3_0/users" in document.json["paths"]


# ------------------------------------------------------------------ 2.1 the token


async def test_a_password_gives_a_token_that_works_and_older_ones_stay_valid(api: Api, people: People) -> None:
    credentials = {"email": people.chief.email, "password": PASSWORD}
    first, second = [await api.call("POST", TOKEN, json=credentials) for _ in range(2)]
    assert set(first.json) == {"auth_token", "user_id", "status"}
    assert (first.status, first.json["status"], first.json["user_id"]) == (200, 200, people.chief.number)
    assert first.json["auth_token"] != second.json["auth_token"]
    for got in (first, second):
        users = await api.call("GET", "users", headers={"Authorization": got.json["auth_token"]})
        assert users.status == 200
        assert people.chief.email in [user["email"] for user in users.json]


async def test_an_address_in_other_letters_is_the_same_user(api: Api, people: People) -> None:
    got = await api.call("POST", TOKEN, json={"email": people.chief.email.upper(), "password": PASSWORD})
    assert (got.status, got.json["user_id"]) == (200, people.chief.number)


async def test_a_wrong_password_is_said_in_a_list_of_errors(api: Api, people: People) -> None:
    got = await api.call("POST", TOKEN, json={"email": people.member.email, "password": "not the right one"})
    assert (got.status, got.json) == (401, {"errors": ["User password does not match."], "status": 401})


async def test_an_unknown_address_is_said_in_a_list_of_errors(api: Api, people: People) -> None:
    got = await api.call("POST", TOKEN, json={"email": "x@y.z", "password": PASSWORD})
    assert (got.status, got.json) == (404, {"errors": ["User with email 'x@y.z' does not exist"], "status": 404})


async def test_an_inactive_user_gets_no_token(api: Api, people: People) -> None:
    idle = await api.user("idle", people.other)
    async with api.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        await administration.set_user_active(work, TESTER, idle, is_active=False)
    got = await api.call("POST", TOKEN, json={"email": idle.email, "password": PASSWORD})
    assert (got.status, got.json["status"]) == (401, 401)
    assert [type(text) for text in got.json["errors"]] == [str]


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"email": "a@b.c"}, {"password": ["Missing data for required field."]}),
        ({}, {"email": ["Missing data for required field."], "password": ["Missing data for required field."]}),
        ({"email": "a@b.c", "password": "x", "colour": 1}, {"colour": ["Unknown field."]}),
        ({"email": 1, "password": None}, {"email": ["Not a valid string."], "password": ["Field may not be null."]}),
        ({"email": "a\x00b", "password": "x"}, {"email": ["Not a valid string."]}),
        ([], {"_schema": ["Invalid input type."]}),
    ],
)
async def test_credentials_in_the_wrong_form_are_told_by_field(api: Api, body: object, faults: dict[str, Any]) -> None:
    got = await api.call("POST", TOKEN, json=body)
    assert got.status == 422
    assert got.json == {"message": {"json": faults}, "result": "Rejected", "status": "UNPROCESSABLE_ENTITY"}


@pytest.mark.parametrize("data", [b"nonsense", b"", b"{", b'{"email": "\\ud800"}', b"[" * 10_000, b"\xff\xfe"])
async def test_a_body_that_is_no_json_is_a_400(api: Api, data: bytes) -> None:
    got = await api.call("POST", TOKEN, data=data, headers={"Content-Type": "application/json"})
    assert (got.status, got.headers["Content-Type"], got.json["status"]) == (400, "application/json", 400)
    assert isinstance(got.json["message"], str)


async def test_a_body_that_is_not_labelled_as_json_is_a_400(api: Api, people: People) -> None:
    body = orjson.dumps({"email": people.chief.email, "password": PASSWORD})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        got = await api.call("POST", TOKEN, data=body, headers={"Content-Type": kind})
        assert (got.status, got.json["status"]) == (400, 400)


async def test_a_body_that_is_too_large_is_a_413(api: Api) -> None:
    limit = api.process.settings.max_json_body_bytes
    got = await api.call("POST", TOKEN, json={"email": "a@b.c", "password": "x" * limit})
    assert got.status == 413
    assert got.json == {
        "result": "Rejected",
        "status": "PAYLOAD_TOO_LARGE",
        "message": f"Request body exceeds the configured limit of {limit} bytes.",
    }


async def test_guessing_is_a_429_that_says_when_to_come_back(api: Api, people: People) -> None:
    credentials = {"email": "guessed@people.example", "password": "wrong"}
    for _ in range(12):
        got = await api.call("POST", TOKEN, json=credentials)
        if got.status == 429:
            break
    assert (got.status, got.json["result"], got.json["status"]) == (429, "Rejected", "TOO_MANY_REQUESTS")
    assert isinstance(got.json["message"], str)
    assert int(got.headers["Retry-After"]) > 0


async def test_issued_tokens_are_in_the_audit_record(api: Api, people: People) -> None:
    keen = await api.user("keen", people.other)
    assert (await api.call("POST", TOKEN, json={"email": keen.email, "password": PASSWORD})).status == 200
    async with api.process.database.reading(EVERY_ACCOUNT) as connection:
        events = await audit.list_events(connection, people.other.account_id, subject=keen.subject)
    assert [(event.event, event.address) for event in events] == [("user:token:issued", "127.0.0.1")]


# ------------------------------------------------------------------ 2.2 credentials


async def test_each_place_for_a_credential_is_accepted(api: Api, people: People) -> None:
    token = await api.token(people.member)
    async with api.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        made = await credential_administration.create_key(
            work, TESTER, people.member, name="suite", scopes=["flexibility"]
        )
    for headers in (
        {"Authorization": token},
        {"Authorization": f"Bearer {token}"},
        {"Authorization": f"Bearer {made.api_key}"},
        {"Authorization": made.api_key},
        {"X-API-Key": made.api_key},
    ):
        got = await api.call("GET", "users", headers=headers)
        assert got.status == 200, headers
        assert people.member.email in [user["email"] for user in got.json]
    assert (await api.get(f"users?auth_token={token}")).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "made-up-token"},
        {"Authorization": "Bearer made-up"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"X-API-Key": "bb_abcdefgh_" + "a" * 43},
        {"Authorization": "Bearer a.b.c"},
    ],
)
async def test_without_a_valid_credential_every_route_but_the_public_ones_is_a_401(
    api: Api, people: People, headers: dict[str, str]
) -> None:
    for route in (*ENTRANCE_ROUTES, *V3_ROUTES):
        path = route.path.replace("{account_id}", "1").replace("{user_id}", "1")
        got = await api.call(route.method, path, headers=headers)
        if route.is_public:
            assert got.status in {200, 400}, route.name
        else:
            assert (got.status, got.json) == (401, UNAUTHORIZED), route.name
            assert got.headers["Content-Type"] == "application/json"


async def test_a_key_without_the_scope_is_refused_and_one_that_reads_only_reads(api: Api, people: People) -> None:
    keys = {}
    async with api.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        for scope in ("read", "jobs"):
            keys[scope] = await credential_administration.create_key(
                work, TESTER, people.chief, name=scope, scopes=[scope]
            )
    refused = {
        "result": "Rejected",
        "status": "INVALID_SENDER",
        "message": "You cannot be authorized for this content or functionality.",
    }
    reading, other = ({"X-API-Key": keys[scope].api_key} for scope in ("read", "jobs"))
    assert (await api.call("GET", "users", headers=reading)).status == 200
    for method, path, headers in (("GET", "users", other), ("PATCH", f"users/{people.member.number}", reading)):
        got = await api.call(method, path, headers=headers, json={"timezone": "Europe/Paris"})
        assert (got.status, got.json) == (403, refused)


async def test_a_token_ends_when_the_user_is_deactivated_or_the_password_reset(api: Api, people: People) -> None:
    for number, (path, body) in enumerate((("", {"active": False}), ("/password-reset", {}))):
        user = await api.user(f"leaver{number}", people.depot)
        assert (await api.get("users", user)).status == 200
        assert (await api.patch(f"users/{user.number}{path}", people.chief, **body)).status == 200
        assert (await api.get("users", user)).status == 401
        got = await api.call("POST", TOKEN, json={"email": user.email, "password": PASSWORD})
        assert got.status == 401
