"""Administration over HTTP: what each kind of administrator reaches, what is refused, and what the audit record says of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import delete

from services.gateway.auth.auth import Auth
from services.gateway.dialects.administration.dialect import administration_dialect
from services.gateway.dialects.administration.service import Administration
from services.gateway.documents import openapi_json
from shared.db.engine import PostgresDatabase
from shared.db.models.identity import accounts
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import audit
from shared.identity.documents import account_document, user_document
from shared.identity.principals import SCOPES, Account, User
from shared.ids import OPEN_ACCOUNT_ID
from tests.support.apis import ApiClient, Got, serving_dialects
from tests.support.principals import PASSWORD, make_account, make_auth, make_key, make_user

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = "/admin/v1"
GOOD_PASSWORD = "nine switches make a feeder"


@dataclass
class World:
    """Two accounts, with an administrator of each kind in the first."""

    api: ApiClient
    database: PostgresDatabase
    auth: Auth
    north: Account
    south: Account
    site: User
    reader: User
    leader: User
    plain: User
    southerner: User
    keys: Mapping[int, str]

    async def ask(self, who: User, method: str, path: str, json: object = ...) -> Got:
        headers = {"Authorization": f"Bearer {self.keys[who.number]}"}
        return await self.api.call(method, f"{ROOT}/{path}", json=json, headers=headers)

    async def events(self, account: Account) -> list[audit.AuditEvent]:
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            return await audit.list_events(connection, account.account_id)


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared_database: PostgresDatabase) -> AsyncIterator[World]:
    async with shared_database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(delete(accounts).where(accounts.c.account_id != OPEN_ACCOUNT_ID))
    auth = make_auth(shared_database)
    north, south = await make_account(shared_database, "North"), await make_account(shared_database, "South")
    site = await make_user(shared_database, north, "site@north.example", roles=("admin",))
    reader = await make_user(shared_database, north, "reader@north.example", roles=("admin-reader",))
    leader = await make_user(shared_database, north, "leader@north.example", roles=("account-admin",))
    plain = await make_user(shared_database, north, "plain@north.example")
    southerner = await make_user(shared_database, south, "plain@south.example")
    people = (site, reader, leader, plain, southerner)
    keys = {user.number: await make_key(shared_database, user) for user in people}
    app = Administration(shared_database, auth.passwords, auth.verifier.forget, openapi_json("administration").encode())
    async with serving_dialects([administration_dialect(app, auth.administration)]) as api:
        yield World(api, shared_database, auth, north, south, *people, keys)
    await auth.stop()


def check_problem(got: Got, status: int) -> dict[str, object]:
    assert got.status == status, got.body
    assert got.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    problem: dict[str, object] = got.json
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["correlation_id"] == got.headers["X-Request-ID"]
    return problem


def ids(got: Got, name: str) -> set[object]:
    assert got.status == 200, got.body
    return {item[name] for item in got.json}


# ------------------------------------------------------------------ who reaches what


async def test_an_administrator_of_the_site_and_a_reader_see_every_account(world: World) -> None:
    for who in (world.site, world.reader):
        assert ids(await world.ask(who, "GET", "accounts"), "account_id") >= {world.north.number, world.south.number}
        assert world.southerner.number in ids(await world.ask(who, "GET", "users"), "user_id")
        assert (await world.ask(who, "GET", f"users/{world.southerner.number}")).status == 200


async def test_an_administrator_of_an_account_sees_that_alone(world: World) -> None:
    assert ids(await world.ask(world.leader, "GET", "accounts"), "account_id") == {world.north.number}
    mine = {user.number for user in (world.site, world.reader, world.leader, world.plain)}
    assert ids(await world.ask(world.leader, "GET", "users"), "user_id") == mine
    keys = ids(await world.ask(world.leader, "GET", "keys"), "key_id")
    assert keys == {world.keys[number][3:11] for number in mine}


async def test_others_are_refused_with_the_reason(world: World) -> None:
    assert check_problem(await world.api.call("GET", f"{ROOT}/accounts"), 401)
    wrong = {"Authorization": "Bearer bb_12345678_" + "x" * 43}
    got = await world.api.call("GET", f"{ROOT}/accounts", headers=wrong)
    check_problem(got, 401)
    assert got.headers["WWW-Authenticate"].startswith("Bearer")
    problem = check_problem(await world.ask(world.plain, "GET", "accounts"), 403)
    assert problem["detail"] == "This needs the role account-admin or admin or admin-reader."


async def test_a_reader_changes_nothing(world: World) -> None:
    before = len(await world.events(world.north))
    for method, path, json in (
        ("POST", "accounts", {"name": "New"}),
        ("POST", "users", {"email": "new@north.example"}),
        ("POST", f"users/{world.plain.number}/disable", ...),
        ("DELETE", f"users/{world.plain.number}", ...),
        ("POST", "keys", {"user_id": world.plain.number, "name": "k"}),
    ):
        check_problem(await world.ask(world.reader, method, path, json), 403)
    assert len(await world.events(world.north)) == before


async def test_a_key_of_few_scopes_administers_nothing(world: World) -> None:
    key = await make_key(world.database, world.site, scopes=("read", "jobs"))
    headers = {"Authorization": f"Bearer {key}"}
    for method, path in (("GET", "accounts"), ("POST", f"users/{world.plain.number}/disable")):
        check_problem(await world.api.call(method, f"{ROOT}/{path}", headers=headers), 403)


async def test_a_users_token_administers_too(world: World) -> None:
    token = await world.auth.sign_in.issue_token(world.site)
    headers = {"Authorization": f"Bearer {token}"}
    assert (await world.api.call("GET", f"{ROOT}/accounts", headers=headers)).status == 200


async def test_whoever_administers_an_account_makes_nobody_who_reaches_further(world: World) -> None:
    for role in ("admin", "admin-reader"):
        got = await world.ask(world.leader, "POST", "users", {"email": "x@north.example", "roles": [role]})
        assert role in str(check_problem(got, 403)["detail"])
    # Nor becomes such a user by way of a password or a key.
    for user in (world.site, world.reader):
        key = world.keys[user.number][3:11]
        for method, path, json in (
            ("PUT", f"users/{user.number}/password", {"password": GOOD_PASSWORD}),
            ("POST", "keys", {"user_id": user.number, "name": "k"}),
            ("POST", f"users/{user.number}/disable", ...),
            ("DELETE", f"users/{user.number}", ...),
            ("POST", f"keys/{key}/disable", ...),
            ("DELETE", f"keys/{key}", ...),
        ):
            check_problem(await world.ask(world.leader, method, path, json), 403)
    # Nor does anything to the account itself.
    check_problem(await world.ask(world.leader, "POST", "accounts", {"name": "New"}), 403)
    check_problem(await world.ask(world.leader, "DELETE", f"accounts/{world.north.number}"), 403)


# ------------------------------------------------------------------ one after the other


async def test_an_account_is_made_shown_disabled_enabled_and_deleted(world: World) -> None:
    made = await world.ask(world.site, "POST", "accounts", {"name": "East", "roles": ["trial"]})
    assert made.status == 201
    path = made.headers["Location"].removeprefix(f"{ROOT}/")
    assert path == f"accounts/{made.json['account_id']}"
    shown = await world.ask(world.site, "GET", path)
    assert shown.json == made.json
    assert (shown.json["name"], shown.json["roles"], shown.json["is_active"]) == ("East", ["trial"], True)
    assert (await world.ask(world.site, "POST", f"{path}/disable")).json["is_active"] is False
    assert (await world.ask(world.site, "POST", f"{path}/enable")).json["is_active"] is True
    gone = await world.ask(world.site, "DELETE", path)
    assert (gone.status, gone.body) == (204, b"")
    assert (await world.ask(world.site, "GET", path)).status == 404


async def test_the_documents_are_those_of_the_command_line(world: World) -> None:
    got = await world.ask(world.site, "GET", f"accounts/{world.north.number}")
    assert got.body == account_document(world.north).model_dump_json().encode()
    got = await world.ask(world.site, "GET", f"users/{world.plain.number}")
    assert got.json | {"last_seen_at": None} == user_document(world.plain).model_dump(mode="json")


async def test_a_user_is_made_in_the_own_account_and_signs_in_with_the_password(world: World) -> None:
    wanted = {"email": "new@north.example", "roles": ["account-admin"], "password": GOOD_PASSWORD}
    made = await world.ask(world.leader, "POST", "users", wanted)
    assert made.status == 201
    assert (made.json["account_id"], made.json["username"]) == (world.north.number, "new")
    assert GOOD_PASSWORD.encode() not in made.body
    user = await world.auth.sign_in.sign_in("new@north.example", GOOD_PASSWORD, "127.0.0.1")
    path = f"users/{user.number}"
    token = await world.auth.sign_in.issue_token(user)
    changed = await world.ask(world.leader, "PUT", f"{path}/password", {"password": "another one altogether"})
    assert changed.status == 204
    assert await world.auth.verifier.identify(token) is None, "a change of the password ends what was got for it"
    await world.auth.sign_in.sign_in("new@north.example", "another one altogether", "127.0.0.1")
    assert (await world.ask(world.leader, "POST", f"{path}/disable")).json["is_active"] is False
    assert (await world.ask(world.leader, "POST", f"{path}/enable")).json["is_active"] is True
    assert (await world.ask(world.leader, "DELETE", path)).status == 204
    assert (await world.ask(world.leader, "GET", path)).status == 404


async def test_a_key_is_shown_once_and_counts_no_more_the_moment_it_is_disabled(world: World) -> None:
    expires_at = (datetime.now(UTC) + timedelta(days=90)).replace(microsecond=0).isoformat()
    wanted = {"user_id": world.plain.number, "name": "script", "scopes": ["read"], "expires_at": expires_at}
    made = await world.ask(world.leader, "POST", "keys", wanted)
    assert made.status == 201
    key = made.json["api_key"]
    assert re.fullmatch(r"bb_[\w-]{8}_[\w-]{43}", key)
    path = f"keys/{made.json['key_id']}"
    shown = (await world.ask(world.leader, "GET", path)).json
    assert shown == {name: value for name, value in made.json.items() if name != "api_key"}
    assert (shown["scopes"], shown["user_id"]) == (["read"], world.plain.number)
    assert datetime.fromisoformat(shown["expires_at"]) == datetime.fromisoformat(expires_at)
    of_user = ids(await world.ask(world.leader, "GET", f"keys?user_id={world.plain.number}"), "key_id")
    assert of_user == {made.json["key_id"], world.keys[world.plain.number][3:11]}
    for action, lets_in in (("disable", False), ("enable", True)):
        assert (await world.ask(world.leader, "POST", f"{path}/{action}")).json["is_active"] is lets_in
        assert (await world.auth.verifier.identify(key) is not None) is lets_in
    assert (await world.ask(world.leader, "DELETE", path)).status == 204
    assert await world.auth.verifier.identify(key) is None


async def test_a_key_has_all_scopes_unless_some_are_named(world: World) -> None:
    made = await world.ask(world.site, "POST", "keys", {"user_id": world.southerner.number, "name": "k"})
    assert (made.status, made.json["scopes"], made.json["expires_at"]) == (201, list(SCOPES), None)


async def test_a_client_is_made_with_a_secret_and_gets_another(world: World) -> None:
    wanted = {"name": "feed", "roles": ["api_consumer"], "grid_owners": ["g1"]}
    made = await world.ask(world.leader, "POST", "clients", wanted)
    assert made.status == 201
    path = f"clients/{made.json['client_id']}"
    assert made.json["client_secret"]
    shown = (await world.ask(world.leader, "GET", path)).json
    assert shown == {name: value for name, value in made.json.items() if name != "client_secret"}
    assert (shown["region"], shown["environment"], shown["grid_owners"]) == ("eu", "production", ["g1"])
    second = await world.ask(world.leader, "POST", f"{path}/secrets", {})
    assert second.status == 201
    assert second.json["client_secret"] != made.json["client_secret"]
    check_problem(await world.ask(world.leader, "POST", f"{path}/secrets", {}), 409)
    secrets = await world.ask(world.leader, "GET", f"{path}/secrets")
    assert len(secrets.json) == 2
    assert b"client_secret" not in secrets.body
    gone = await world.ask(world.leader, "DELETE", f"{path}/secrets/{second.json['secret_id']}")
    assert gone.status == 204
    check_problem(await world.ask(world.leader, "DELETE", f"{path}/secrets/{second.json['secret_id']}"), 404)
    check_problem(await world.ask(world.leader, "DELETE", f"{path}/secrets/nonsense"), 404)
    assert (await world.ask(world.leader, "POST", f"{path}/disable")).json["is_active"] is False
    assert (await world.ask(world.leader, "POST", f"{path}/enable")).json["is_active"] is True
    assert ids(await world.ask(world.leader, "GET", "clients"), "client_id") == {shown["client_id"]}
    assert (await world.ask(world.leader, "DELETE", path)).status == 204
    assert (await world.ask(world.leader, "GET", "clients")).json == []


# ------------------------------------------------------------------ the audit record


async def test_everything_is_recorded_with_who_and_from_where(world: World) -> None:
    made = await world.ask(world.site, "POST", "users", {"email": "a@south.example", "account_id": world.south.number})
    number = made.json["user_id"]
    await world.ask(world.site, "PUT", f"users/{number}/password", {"password": GOOD_PASSWORD})
    await world.ask(world.site, "DELETE", f"users/{number}")
    got = await world.ask(world.site, "GET", f"audit?account_id={world.south.number}&limit=3")
    assert [event["event"] for event in got.json] == ["user:deleted", "user:password:changed", "user:created"]
    for event in got.json:
        assert (event["subject"], event["address"]) == (f"user:{world.site.number}", "127.0.0.1")
        assert (event["object_kind"], event["object_id"]) == ("user", str(number))
        assert event["account_id"] == world.south.number
    assert GOOD_PASSWORD.encode() not in got.body
    assert [event["event"] for event in (await world.ask(world.site, "GET", "audit?limit=1&offset=0")).json]
    moment = got.json[0]["occurred_at"].replace("+", "%2B")
    since = await world.ask(world.site, "GET", f"audit?since={moment}&account_id={world.south.number}")
    assert [event["event"] for event in since.json] == ["user:deleted"]


async def test_an_administrator_of_an_account_reads_its_record_alone(world: World) -> None:
    got = await world.ask(world.leader, "GET", "audit?limit=1000")
    assert {event["account_id"] for event in got.json} == {world.north.number}
    check_problem(await world.ask(world.leader, "GET", f"audit?account_id={world.south.number}"), 404)


async def test_what_happened_to_an_account_that_is_gone_stays(world: World) -> None:
    made = await world.ask(world.site, "POST", "accounts", {"name": "West"})
    await world.ask(world.site, "DELETE", f"accounts/{made.json['account_id']}")
    got = await world.ask(world.site, "GET", "audit?limit=2")
    assert [(event["event"], event["account_id"]) for event in got.json] == [
        ("account:deleted", None),
        ("account:created", None),
    ]


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("path", "json", "field", "value", "expected"),
    [
        ("accounts", {"name": 7}, "name", "7", "valid string"),
        ("accounts", {"name": "x", "colour": "red"}, "colour", '"red"', "not permitted"),
        ("accounts", {}, "name", None, "required"),
        ("accounts", [], "", None, "an object"),
        ("accounts", {"name": ""}, "name", None, "1 to 200"),
        ("users", {"email": "nobody"}, "email", None, "no e-mail address"),
        ("users", {"email": "a@b.example", "roles": ["king"]}, "role", None, "account-admin"),
        ("users", {"email": "a@b.example", "password": "short"}, "password", None, "at least 12"),
        ("users", {"email": "a@b.example", "password": 123456789012}, "password", None, "valid string"),
        ("keys", {"user_id": "1", "name": "k"}, "user_id", '"1"', "valid integer"),
        ("keys", {"user_id": 1.5, "name": "k"}, "user_id", "1.5", "valid integer"),
        ("clients", {"name": "c", "roles": ["emperor"]}, "role", None, "api_consumer"),
        ("clients", {"name": "c", "roles": [], "region": "moon"}, "region", None, "eu, us"),
    ],
)
async def test_a_wrong_value_is_named_with_what_is_expected(
    world: World, path: str, json: object, field: str, value: str | None, expected: str
) -> None:
    problem = check_problem(await world.ask(world.site, "POST", path, json), 400)
    errors = problem["errors"]
    assert isinstance(errors, list)
    (fault,) = errors
    assert (fault["field"], fault["value"]) == (field, value)
    assert expected in fault["expected"]


@pytest.mark.parametrize(
    ("method", "path", "json"),
    [
        ("POST", "clients", {"name": "c", "roles": [], "grid_owners": ["a\x00b"]}),
        ("POST", "clients", {"name": "c", "roles": [], "grid_owners": ["x" * 500]}),
        ("POST", "clients", {"name": "c\x00", "roles": []}),
        ("POST", "accounts", {"name": "a\x00"}),
        ("POST", "users", {"email": "a\x00@b.example"}),
        ("POST", "users", {"email": "a@b.example", "account_id": 10**18}),
        ("POST", "keys", {"user_id": 1, "name": "k", "expires_at": "9999-12-31T23:59:59-14:00"}),
        ("POST", "keys", {"user_id": 1, "name": "k", "expires_at": "0001-01-01T00:00:00+14:00"}),
        ("GET", "audit?since=0001-01-01T00:00:00%2B14:00", ...),
        ("GET", "audit?since=9999-12-31T23:59:59-14:00", ...),
        ("GET", "users?account_id=" + "9" * 30, ...),
        ("GET", "keys?user_id=" + "9" * 4000, ...),
    ],
)
async def test_values_that_no_database_can_hold_are_refused(world: World, method: str, path: str, json: object) -> None:
    if isinstance(json, dict) and "user_id" in json:
        json = {**json, "user_id": world.plain.number}
    got = await world.ask(world.site, method, path, json)
    assert got.status in (400, 404), got.body


async def test_a_password_is_never_repeated(world: World) -> None:
    for password in ("tiny secret", "plain@north.example", 99887766554433):
        got = await world.ask(world.site, "PUT", f"users/{world.plain.number}/password", {"password": password})
        check_problem(got, 400)
        assert str(password).encode() not in got.body


async def test_a_key_that_would_have_expired_already_is_refused(world: World) -> None:
    wanted = {"user_id": world.plain.number, "name": "k", "expires_at": "2020-01-01T00:00:00Z"}
    problem = check_problem(await world.ask(world.site, "POST", "keys", wanted), 400)
    assert "expires_at" in str(problem["errors"])


@pytest.mark.parametrize("moment", ["2030-01-01T00:00:00", "tomorrow", 5])
async def test_a_moment_without_its_offset_is_none(world: World, moment: object) -> None:
    wanted = {"user_id": world.plain.number, "name": "k", "expires_at": moment}
    check_problem(await world.ask(world.site, "POST", "keys", wanted), 400)


async def test_a_taken_name_is_a_conflict(world: World) -> None:
    problem = check_problem(await world.ask(world.site, "POST", "accounts", {"name": "North"}), 409)
    assert "name" in str(problem["errors"])
    check_problem(await world.ask(world.site, "POST", "users", {"email": "PLAIN@north.example"}), 409)


@pytest.mark.parametrize(
    "query", ["account_id=x", "limit=0", "limit=1001", "since=yesterday", "since=2026-01-01T00:00:00"]
)
async def test_a_wrong_parameter_is_named(world: World, query: str) -> None:
    problem = check_problem(await world.ask(world.site, "GET", f"audit?{query}"), 400)
    assert query.partition("=")[0] in str(problem["errors"])


@pytest.mark.parametrize("number", ["0", "999999999", "9" * 19, "9" * 30, "-1", "x", "%20", "1.0", "%D9%A1"])
async def test_a_number_that_nobody_has_is_not_found(world: World, number: str) -> None:
    for path in (f"accounts/{number}", f"users/{number}"):
        check_problem(await world.ask(world.site, "GET", path), 404)


async def test_what_is_another_accounts_is_as_if_it_were_not_there(world: World) -> None:
    """Status, text and headers; but for the number itself."""
    key = world.keys[world.southerner.number][3:11]
    pairs = [
        *(
            (m, f"users/{{}}{p}", str(world.southerner.number), "9" * 9)
            for m, p in (("GET", ""), ("POST", "/disable"), ("POST", "/enable"), ("DELETE", ""))
        ),
        *(
            (m, f"keys/{{}}{p}", key, "zzzzzzzz")
            for m, p in (("GET", ""), ("POST", "/disable"), ("POST", "/enable"), ("DELETE", ""))
        ),
        ("GET", "accounts/{}", str(world.south.number), "9" * 9),
        ("GET", "users?account_id={}", str(world.south.number), "9" * 9),
        ("GET", "keys?user_id={}", str(world.southerner.number), "9" * 9),
        ("GET", "clients?account_id={}", str(world.south.number), "9" * 9),
    ]
    for method, path, theirs, nobodys in pairs:
        answers = [await world.ask(world.leader, method, path.format(name)) for name in (theirs, nobodys)]
        told = [
            {**got.json, "detail": got.json["detail"].replace(name, "ID"), "correlation_id": ""}
            for got, name in zip(answers, (theirs, nobodys), strict=True)
        ]
        assert told[0] == told[1], (method, path)
        assert answers[0].status == 404
        assert set(answers[0].headers) == set(answers[1].headers)
    for json in (
        {"email": "x@y.example", "account_id": world.south.number},
        {"email": "x@y.example", "account_id": 9**9},
    ):
        check_problem(await world.ask(world.leader, "POST", "users", json), 404)


async def test_other_failures_are_problems_too(world: World) -> None:
    check_problem(await world.ask(world.site, "GET", "nothing"), 404)
    got = await world.ask(world.site, "PATCH", "accounts")
    check_problem(got, 405)
    assert got.headers["Allow"] == "GET, HEAD, POST"
    headers = {"Authorization": f"Bearer {world.keys[world.site.number]}"}
    got = await world.api.call("POST", f"{ROOT}/accounts", data=b"{}", headers=headers | {"Content-Type": "text/plain"})
    check_problem(got, 415)
    got = await world.ask(world.site, "POST", "accounts", {"name": "x" * (1 << 20)})
    check_problem(got, 413)


async def test_the_document_needs_no_credential(world: World) -> None:
    got = await world.api.call("GET", f"{ROOT}/openapi.json")
    assert (got.status, got.body.decode()) == (200, openapi_json("administration"))


async def test_a_password_of_another_kind_signs_nobody_in(world: World) -> None:
    assert (await world.auth.sign_in.sign_in("plain@north.example", PASSWORD, "127.0.0.1")).number == world.plain.number
