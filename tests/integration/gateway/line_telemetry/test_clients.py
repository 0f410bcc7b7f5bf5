"""Clients and their secrets over HTTP: what an administrator can do, what others hear, and that nobody sees another account's."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import audit
from shared.identity.principals import Account
from tests.support.apis import Got
from tests.support.eventually import eventually
from tests.support.line_telemetry import SCOPE, LineTelemetry, make_client
from tests.support.principals import make_account, make_key, make_user

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = "/access/v1/clients"
NEW = {"name": "Poller", "region": "eu", "environment": "production", "roles": ["api_consumer"], "grid_owner_ids": []}
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")


async def administrator(served: LineTelemetry, account: Account | None = None) -> str:
    return await served.token(await make_client(served.database, account, roles=("platform_admin",)))


async def made(served: LineTelemetry, token: str, **changes: Any) -> dict[str, Any]:
    got = await served.call("POST", ROOT, token, json={**NEW, **changes})
    assert got.status == 201, got.body
    data: dict[str, Any] = got.json["data"]
    return data


async def can_sign_in(served: LineTelemetry, client_id: str, secret: str) -> bool:
    fields = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": SCOPE}
    return (await served.ask(fields)).status == 200


def assert_problem(got: Got, status: int, kind: str, path: str) -> None:
    assert got.status == status, got.body
    assert got.headers["Content-Type"].startswith("application/problem+json")
    problem = got.json
    assert (problem["type"], problem["status"]) == (kind, status)
    assert problem["instance"] == path
    assert problem["traceId"] == got.headers["X-Request-Id"]
    assert problem["title"]
    assert problem["detail"]
    assert ("errors" in problem) is (status == 400)


# ------------------------------------------------------------------ what an administrator can do


async def test_a_new_client_can_sign_in(served: LineTelemetry) -> None:
    token, owner = await administrator(served), str(uuid4())
    got = await served.call("POST", ROOT, token, json={**NEW, "region": "US", "grid_owner_ids": [owner]})
    assert got.status == 201
    data = got.json["data"]
    assert got.headers["Location"] == f"{ROOT}/{data['client_id']}"
    assert got.headers["Cache-Control"] == "private, no-store"
    assert len(data["client_secret"]) >= 43  # 32 random bytes in base64
    assert TIMESTAMP.fullmatch(data["created_at"])
    assert {name: data[name] for name in ("name", "region", "environment", "roles", "grid_owner_ids", "is_active")} == {
        "name": "Poller",
        "region": "us",
        "environment": "production",
        "roles": ["api_consumer"],
        "grid_owner_ids": [owner],
        "is_active": True,
    }
    assert await can_sign_in(served, data["client_id"], data["client_secret"])


async def test_the_secret_is_shown_only_once(served: LineTelemetry) -> None:
    token = await administrator(served)
    data = await made(served, token)
    one = await served.call("GET", f"{ROOT}/{data['client_id']}", token)
    every = await served.call("GET", ROOT, token)
    assert (one.status, every.status) == (200, 200)
    assert data["client_secret"].encode() not in one.body + every.body
    assert [set(secret) for secret in one.json["data"]["secrets"]] == [{"secret_id", "created_at", "expires_at"}]
    assert data["client_id"] in [client["client_id"] for client in every.json["data"]]


async def test_a_patch_changes_what_it_names(served: LineTelemetry) -> None:
    token = await administrator(served)
    client_id = (await made(served, token))["client_id"]
    path = f"{ROOT}/{client_id}"
    got = await served.call("PATCH", path, token, json={"name": "Other", "grid_owner_ids": None})
    assert got.status == 200
    assert (got.json["data"]["name"], got.json["data"]["grid_owner_ids"]) == ("Other", None)
    assert got.json["data"]["roles"] == ["api_consumer"]
    assert (await served.call("GET", path, token)).json == got.json


async def test_a_client_that_is_deactivated_can_be_activated_again(served: LineTelemetry) -> None:
    token = await administrator(served)
    data = await made(served, token)
    client_id, secret = data["client_id"], data["client_secret"]
    for is_active in (False, True):
        await served.call("PATCH", f"{ROOT}/{client_id}", token, json={"is_active": is_active})
        assert await can_sign_in(served, client_id, secret) is is_active


async def test_a_deleted_client_is_gone(served: LineTelemetry) -> None:
    token = await administrator(served)
    data = await made(served, token)
    path = f"{ROOT}/{data['client_id']}"
    assert (await served.call("DELETE", path, token)).status == 204
    assert_problem(await served.call("GET", path, token), 404, "urn:linemon:problem:not-found", path)
    assert not await can_sign_in(served, data["client_id"], data["client_secret"])


async def test_a_client_has_two_secrets_at_most_and_either_works(served: LineTelemetry) -> None:
    token = await administrator(served)
    data = await made(served, token)
    path = f"{ROOT}/{data['client_id']}/secrets"
    second = await served.call("POST", path, token)
    assert second.status == 201
    assert second.json["data"]["expires_at"] is None
    assert second.headers["Location"] == f"{path}/{second.json['data']['secret_id']}"
    assert_problem(await served.call("POST", path, token), 409, "urn:linemon:problem:conflict", path)
    for secret in (data["client_secret"], second.json["data"]["client_secret"]):
        assert await can_sign_in(served, data["client_id"], secret)
    assert (await served.call("DELETE", second.headers["Location"], token)).status == 204
    assert not await can_sign_in(served, data["client_id"], second.json["data"]["client_secret"])
    assert await can_sign_in(served, data["client_id"], data["client_secret"])
    again = await served.call("DELETE", second.headers["Location"], token)
    assert_problem(again, 404, "urn:linemon:problem:not-found", second.headers["Location"])


async def test_a_secret_may_expire(served: LineTelemetry) -> None:
    token = await administrator(served)
    path = f"{ROOT}/{(await made(served, token))['client_id']}/secrets"
    got = await served.call("POST", path, token, json={"expires_at": "2099-11-01T12:00:00.0015555Z"})
    assert (got.status, got.json["data"]["expires_at"]) == (201, "2099-11-01T12:00:00.001Z")


async def test_what_is_done_is_on_record(served: LineTelemetry) -> None:
    account = await make_account(served.database)
    token = await administrator(served, account)
    await made(served, token)
    async with served.database.reading(EVERY_ACCOUNT) as connection:
        events = await audit.list_events(connection, account.account_id)
    assert events[0].event == "client:created"
    assert events[0].subject.startswith("client:")
    assert events[0].address == "127.0.0.1"


# ------------------------------------------------------------------ what is wrong

WRONG_BODIES: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": ...}, "/name"),
    "empty name": ({"name": ""}, "/name"),
    "name with blanks around": ({"name": " x "}, "/name"),
    "long name": ({"name": "n" * 201}, "/name"),
    "number as name": ({"name": 1}, "/name"),
    "unknown region": ({"region": "mars"}, "/region"),
    "unknown environment": ({"environment": "staging"}, "/environment"),
    "unknown role": ({"roles": ["api_consumer", "root"]}, "/roles/1"),
    "no roles": ({"roles": []}, "/roles"),
    "role twice": ({"roles": ["ingest", "ingest"]}, "/roles"),
    "grid owner that is no UUID": ({"grid_owner_ids": ["x"]}, "/grid_owner_ids/0"),
    "too many grid owners": ({"grid_owner_ids": [str(uuid4()) for _ in range(101)]}, "/grid_owner_ids"),
    "unknown member": ({"secret": "x"}, "/secret"),
}


@pytest.mark.parametrize("name", WRONG_BODIES)
async def test_a_wrong_body_is_refused_and_the_member_named(served: LineTelemetry, name: str) -> None:
    changes, pointer = WRONG_BODIES[name]
    body = {key: value for key, value in {**NEW, **changes}.items() if value is not ...}
    got = await served.call("POST", ROOT, await administrator(served), json=body)
    assert_problem(got, 400, "urn:linemon:problem:validation", ROOT)
    assert got.json["title"] == "One or more validation errors occurred."
    assert list(got.json["errors"]) == [pointer]
    assert all(isinstance(text, str) for text in got.json["errors"][pointer])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"name": NaN}'])
async def test_what_is_no_object_is_refused(served: LineTelemetry, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    got = await served.call("POST", ROOT, await administrator(served), data=body, headers=headers)
    assert_problem(got, 400, "urn:linemon:problem:validation", ROOT)


@pytest.mark.parametrize(
    "moment",
    [
        "2099-11-01",
        "2099-11-01T12:00:00",
        "2099-11-01T12:00:00+00:00",
        "2099-13-01T00:00:00Z",
        "2001-01-01T00:00:00Z",
        4e9,
        "x" * 5000,
    ],
)
async def test_an_expiry_has_one_form_and_lies_ahead(served: LineTelemetry, moment: object) -> None:
    token = await administrator(served)
    path = f"{ROOT}/{(await made(served, token))['client_id']}/secrets"
    got = await served.call("POST", path, token, json={"expires_at": moment})
    assert_problem(got, 400, "urn:linemon:problem:validation", path)
    assert list(got.json["errors"]) == ["/expires_at"]


async def test_region_and_environment_stay(served: LineTelemetry) -> None:
    token = await administrator(served)
    path = f"{ROOT}/{(await made(served, token))['client_id']}"
    changes: list[dict[str, object]] = [{"region": "us"}, {"environment": "developer"}, {"name": None}, {"roles": []}]
    for change in changes:
        assert_problem(
            await served.call("PATCH", path, token, json=change), 400, "urn:linemon:problem:validation", path
        )


async def test_only_json_is_read(served: LineTelemetry) -> None:
    headers = {"Content-Type": "text/plain"}
    got = await served.call("POST", ROOT, await administrator(served), data=b"{}", headers=headers)
    assert_problem(got, 415, "about:blank", ROOT)


async def test_a_huge_body_is_refused(served: LineTelemetry) -> None:
    got = await served.call("POST", ROOT, await administrator(served), json={**NEW, "name": "n" * 2_000_000})
    assert_problem(got, 413, "about:blank", ROOT)


# ------------------------------------------------------------------ who may

ONE = f"{ROOT}/6f1d5f0e-5f0c-4a57-9d0b-1d8c2b7c9e11"
ROUTES = [
    ("POST", ROOT),
    ("GET", ROOT),
    ("GET", ONE),
    ("PATCH", ONE),
    ("DELETE", ONE),
    ("POST", f"{ONE}/secrets"),
    ("DELETE", f"{ONE}/secrets/0b9a5f0c-3f43-4c0e-8a5e-54f4f8f0a7d2"),
]


@pytest.mark.parametrize(
    ("method", "path"), [*ROUTES, ("GET", "/assets/v1/assets"), ("GET", "/access/v1/nothing"), ("PUT", ROOT)]
)
async def test_nobody_gets_in_without_a_credential(served: LineTelemetry, method: str, path: str) -> None:
    got = await served.call(method, path)
    assert_problem(got, 401, "urn:linemon:problem:unauthenticated", path)
    assert got.headers["WWW-Authenticate"] == "Bearer"
    got = await served.call(method, path, "a.b.c")
    assert_problem(got, 401, "urn:linemon:problem:unauthenticated", path)
    assert got.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_other_roles_are_not_enough(served: LineTelemetry, method: str, path: str) -> None:
    token = await served.token(await make_client(served.database, roles=("api_consumer", "ingest", "asset_admin")))
    got = await served.call(method, path, token, json=NEW)
    assert_problem(got, 403, "urn:linemon:problem:forbidden", path)


async def test_a_leading_user_may_and_another_may_not(served: LineTelemetry) -> None:
    account = await make_account(served.database)
    leader = await make_user(served.database, account, roles=("account-admin",))
    ordinary = await make_user(served.database, account)
    assert (await served.call("GET", ROOT, await make_key(served.database, leader))).status == 200
    assert (await served.call("GET", ROOT, await make_key(served.database, ordinary))).status == 403


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_another_accounts_client_does_not_exist(served: LineTelemetry, method: str) -> None:
    token, stranger = await administrator(served), await make_client(served.database)
    seen = []
    for client_id in (stranger.client_id, "0" * len(stranger.client_id)):
        got = await served.call(method, f"{ROOT}/{client_id}", token, json={"name": "mine"})
        assert_problem(got, 404, "urn:linemon:problem:not-found", f"{ROOT}/{client_id}")
        seen.append({**got.json, "instance": "", "traceId": ""})
    assert seen[0] == seen[1]
    assert (await served.call("POST", f"{ROOT}/{stranger.client_id}/secrets", token)).status == 404
    listed = (await served.call("GET", ROOT, token)).json["data"]
    assert stranger.client_id not in [client["client_id"] for client in listed]
    assert await served.tokens.verify(await served.token(stranger)) is not None


# ------------------------------------------------------------------ paths and ids


async def test_where_nothing_is_the_api_says_so_in_its_own_form(served: LineTelemetry) -> None:
    token = await administrator(served)
    for path in (
        "/access/v1/nothing",
        "/assets/v1/assets",
        "/capacity_monitoring/v1/x",
        "/grid_insights/v1",
        "/v1/stream",
        "/ingest/v1/x",
    ):
        assert_problem(await served.call("GET", path, token), 404, "urn:linemon:problem:not-found", path)
    got = await served.call("PUT", ROOT, token)
    assert_problem(got, 405, "about:blank", ROOT)
    assert got.headers["Allow"] == "GET, HEAD, POST"


async def test_a_clients_request_id_comes_back_if_it_has_the_form(served: LineTelemetry) -> None:
    token = await administrator(served)
    for proposed, is_taken in (("a-b_9", True), ("x" * 64, True), ("x" * 65, False), ("a.b", False)):
        got = await served.call("GET", ONE, token, headers={"X-Request-Id": proposed})
        assert (got.headers["X-Request-Id"] == proposed) is is_taken
        assert got.json["traceId"] == got.headers["X-Request-Id"]


async def test_a_revocation_is_felt_at_once_where_it_was_made(served: LineTelemetry) -> None:
    account = await make_account(served.database)
    token, victim = (
        await administrator(served, account),
        await make_client(served.database, account, roles=("platform_admin",)),
    )
    held = await served.token(victim)
    assert (await served.call("GET", ROOT, held)).status == 200
    assert (await served.call("DELETE", f"{ROOT}/{victim.client_id}", token)).status == 204

    async def is_refused() -> bool:
        return (await served.call("GET", ROOT, held)).status == 401

    await eventually(is_refused, within=5.0)
