"""The compute jobs API as its clients meet it: envelope, keys, limits and documentation."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import delete, update

from services.gateway.auth.access_tokens import Claims
from services.gateway.auth.auth import Auth
from services.gateway.auth.counting_gates import ComputeJobsGate, ComputeJobsLimits
from services.gateway.dialects.compute_jobs.dialect import compute_jobs_dialect
from services.gateway.dialects.compute_jobs.service import ComputeJobs
from services.gateway.documents import openapi_json
from services.gateway.http.call import HTML, Call, Reply
from services.gateway.http.routes import Dialect, plain_route
from shared.db.engine import PostgresDatabase
from shared.db.models.identity import accounts, api_keys, rate_counters, users
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import credential_administration
from shared.identity.client_store import NewClient
from shared.identity.principals import SCOPES, User
from shared.ids import OPEN_ACCOUNT_ID
from tests.support.apis import ApiClient, Got, serving_dialects
from tests.support.principals import PASSWORD_HASH, TESTER, KnownTokens, make_account, make_auth, make_key, make_user

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROFILE = "/api/v2/user/view-profile"
CACHE = "/api/v2/user/delete-cache"
RATE = [f"X-RateLimit-{window}-{part}" for window in ("Hourly", "Daily") for part in ("Limit", "Used")]
NOT_FOUND = {"errors": ["Not found."]}
UNAUTHORIZED = {"errors": ["Unauthorized."]}


@dataclass
class World:
    """The API, and a user with a key that has every scope."""

    api: ApiClient
    database: PostgresDatabase
    auth: Auth
    tokens: KnownTokens
    user: User
    key: str

    async def get(self, path: str = PROFILE, key: str | None = None, **headers: str) -> Got:
        return await self.api.call("GET", path, headers={"X-API-Key": self.key if key is None else key} | headers)


async def fail(_: ComputeJobs, __: Call[None, None]) -> Reply:
    raise RuntimeError("the secret reason")


def dialect_of(database: PostgresDatabase, auth: Auth, limits: ComputeJobsLimits) -> Dialect:
    app = ComputeJobs(database, limits, 1 << 20, openapi_json("compute_jobs").encode(), Reply(200, b"page", HTML))
    made = compute_jobs_dialect(app, ComputeJobsGate(auth.verifier, auth.limiter, limits))
    failing = plain_route("GET", "/api/v2/user/fail", fail, "", "", (), is_public=True)
    return replace(made, routes=[*made.routes, failing])


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared_database: PostgresDatabase) -> AsyncIterator[World]:
    async with shared_database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(delete(accounts).where(accounts.c.account_id != OPEN_ACCOUNT_ID))
        await work.connection.execute(delete(rate_counters))
    tokens = KnownTokens()
    auth = make_auth(shared_database, tokens=tokens)
    user = await make_user(shared_database, await make_account(shared_database, "North Grid"), "ann@north.example")
    key = await make_key(shared_database, user)
    async with serving_dialects([dialect_of(shared_database, auth, ComputeJobsLimits(500, 0))]) as api:
        yield World(api, shared_database, auth, tokens, user, key)
    await auth.stop()


def check_envelope(got: Got, *, is_success: bool) -> None:
    assert got.headers["Content-Type"] == "application/json; charset=utf-8"
    assert got.headers["Cache-Control"] == "no-store"
    assert isinstance(got.json, dict)
    assert set(got.json) == ({"response"} if is_success else {"errors"})
    if not is_success:
        assert got.json["errors"]
        assert all(isinstance(text, str) for text in got.json["errors"])


# ------------------------------------------------------------------ success


async def test_the_profile_is_the_users_with_keys_and_limits(world: World) -> None:
    got = await world.get()
    assert got.status == 200
    check_envelope(got, is_success=True)
    profile = got.json["response"]
    (key,) = profile.pop("api_keys")
    assert profile == {
        "id": world.user.number,
        "username": "ann",
        "email": "ann@north.example",
        "account": "North Grid",
        "scopes": list(SCOPES),
        "limits": {"requests_per_hour": 500, "requests_per_day": 0, "json_body_bytes": 1 << 20},
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", key.pop("created"))
    assert key == {"id": world.key[3:11], "name": "script", "last_used": ""}
    assert world.key[12:].encode() not in got.body


async def test_the_scopes_of_the_profile_are_those_of_the_key(world: World) -> None:
    got = await world.get(key=await make_key(world.database, world.user, scopes=("jobs", "read")))
    assert got.json["response"]["scopes"] == ["read", "jobs"]


async def test_deleting_the_cache_is_always_true_whatever_the_body(world: World) -> None:
    # The bash client sends a content type with an empty body on each DELETE.
    for data in (None, b"", b"not json"):
        headers = {"X-API-key": world.key, "Content-Type": "application/json"}
        got = await world.api.call("DELETE", CACHE, headers=headers, data=data)
        assert (got.status, got.body) == (200, b'{"response":true}')


@pytest.mark.parametrize("path", [PROFILE, PROFILE + "/"])
async def test_head_works_and_one_trailing_slash_is_tolerated(world: World, path: str) -> None:
    assert (await world.get(path)).status == 200
    head = await world.api.call("HEAD", path, headers={"X-API-Key": world.key})
    assert (head.status, head.body) == (200, b"")


async def test_a_bearer_key_is_as_good_and_the_header_for_keys_wins(world: World) -> None:
    bearer = {"Authorization": f"Bearer {world.key}"}
    assert (await world.api.call("GET", PROFILE, headers=bearer)).status == 200
    assert (await world.api.call("GET", PROFILE, headers=bearer | {"X-API-Key": "bb_wrong"})).status == 403
    wrong_bearer = {"Authorization": "Bearer wrong", "X-API-Key": world.key}
    assert (await world.api.call("GET", PROFILE, headers=wrong_bearer)).status == 200


# ------------------------------------------------------------------ keys that do not let in


async def test_every_reason_for_refusing_a_key_is_told_in_the_same_words(world: World) -> None:
    expired = await make_key(world.database, world.user, expires_at=datetime.now(UTC) + timedelta(hours=1))
    disabled, deleted = [await make_key(world.database, world.user) for _ in range(2)]
    other = await make_user(world.database, await make_account(world.database, "Closed"), "bob@closed.example")
    inactive = await make_key(world.database, other)
    async with world.database.unit_of_work(EVERY_ACCOUNT) as work:
        for key, change in (
            (expired, {"expires_at": datetime.now(UTC) - timedelta(seconds=1)}),
            (disabled, {"is_active": False}),
        ):
            await work.connection.execute(update(api_keys).where(api_keys.c.key_id == key[3:11]).values(change))
        await work.connection.execute(delete(api_keys).where(api_keys.c.key_id == deleted[3:11]))
        await work.connection.execute(update(users).where(users.c.number == other.number).values(is_active=False))
    wrong_secret = world.key[:12] + "A" * 43
    keys: Sequence[str] = (
        *(expired, disabled, deleted, inactive, wrong_secret, wrong_secret[:-1]),
        *("", "x", "bb_", "bb_ 12345678", "bb_" + "x" * 300),
    )
    answers = [await world.get(key=key) for key in keys]
    answers += [await world.api.call("GET", PROFILE), await world.api.call("GET", f"{PROFILE}?api_key={world.key}")]
    for got in answers:
        assert (got.status, got.json) == (403, UNAUTHORIZED)
        check_envelope(got, is_success=False)
        assert not any(name in got.headers for name in RATE)
    assert len({frozenset(got.headers) for got in answers}) == 1


async def test_a_key_without_the_scope_is_told_which_one_is_missing(world: World) -> None:
    got = await world.get(key=await make_key(world.database, world.user, scopes=("flexibility",)))
    check_envelope(got, is_success=False)
    assert (got.status, got.json) == (403, {"errors": ["This needs the scope jobs or read or storage."]})
    assert all(name in got.headers for name in RATE)


async def test_a_client_has_no_profile(world: World) -> None:
    async with world.database.unit_of_work(EVERY_ACCOUNT) as work:
        new = NewClient("feed", ("api_consumer",))
        client = await credential_administration.create_client(work, TESTER, world.user.account_id, new, PASSWORD_HASH)
    world.tokens.claims["a.b.c"] = Claims(
        client_id=client.client_id,
        account_id=client.account_id,
        region="eu",
        roles=frozenset({"api_consumer"}),
        grid_owners=None,
        environment="production",
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    got = await world.api.call("GET", PROFILE, headers={"Authorization": "Bearer a.b.c"})
    assert (got.status, got.json) == (403, {"errors": ["A client has no profile: use the key of a user."]})


# ------------------------------------------------------------------ requests that lead nowhere


@pytest.mark.parametrize(
    "path",
    ["/api/v2", "/api/v2/", "/api/v2/users", "/api/v2/user", "/api/v2//user/view-profile", "/api/v2/user/View-Profile"],
)
async def test_an_unknown_route_is_not_found_whoever_asks(world: World, path: str) -> None:
    for headers in ({}, {"X-API-Key": world.key}):
        got = await world.api.call("GET", path, headers=headers)
        assert (got.status, got.json) == (404, NOT_FOUND)
        check_envelope(got, is_success=False)


@pytest.mark.parametrize("path", ["/API/v2/user/view-profile", "/api/V2/user/view-profile", "/api/v22"])
async def test_paths_are_case_sensitive(world: World, path: str) -> None:
    assert (await world.get(path)).status == 404


async def test_a_wrong_method_names_the_right_ones(world: World) -> None:
    got = await world.api.call("POST", PROFILE, headers={"X-API-Key": world.key})
    assert (got.status, got.json) == (405, {"errors": ["Method not allowed."]})
    assert got.headers["Allow"] == "GET, HEAD"
    check_envelope(got, is_success=False)


@pytest.mark.parametrize("path", ["/api/v2/user/%FF", "/api/v2/%00", "/api/v2/user/view-profile%C3"])
async def test_a_path_that_is_no_text_is_an_object_too(world: World, path: str) -> None:
    got = await world.get(path)
    assert got.status == 400
    check_envelope(got, is_success=False)


async def test_a_fault_of_ours_has_the_exact_text_and_a_reference(world: World) -> None:
    got = await world.api.call("GET", "/api/v2/user/fail", headers={"X-Request-Id": "seen-by.me_1"})
    check_envelope(got, is_success=False)
    expected = {"errors": ["A technical problem has occurred, try again later.", "ref seen-by.me_1"]}
    assert (got.status, got.json) == (500, expected)


async def test_an_overloaded_server_answers_in_this_form_too(world: World) -> None:
    dialect = dialect_of(world.database, world.auth, ComputeJobsLimits(500, 0))
    async with serving_dialects([dialect], max_in_flight=0) as api:
        got = await api.call("GET", PROFILE)
        assert got.status == 503
        assert int(got.headers["Retry-After"]) >= 1
        check_envelope(got, is_success=False)


# ------------------------------------------------------------------ request ids


@pytest.mark.parametrize("proposed", ["a", "A-1.b_2", "x" * 64])
async def test_a_usable_request_id_is_kept(world: World, proposed: str) -> None:
    for path in (PROFILE, "/api/v2/nothing"):
        assert (await world.get(path, **{"X-Request-Id": proposed})).headers["X-Request-Id"] == proposed


@pytest.mark.parametrize("proposed", ["x" * 65, "a b", "a:b", "é", ""])
async def test_another_one_is_replaced(world: World, proposed: str) -> None:
    for path in (PROFILE, "/api/v2/nothing"):
        got = (await world.get(path, **{"X-Request-Id": proposed})).headers["X-Request-Id"]
        assert re.fullmatch("[0-9a-f]{32}", got)


# ------------------------------------------------------------------ limits


def rates(got: Got) -> list[int]:
    return [int(got.headers[name]) for name in RATE]


async def test_requests_are_counted_and_the_current_one_with_them(world: World) -> None:
    assert rates(await world.get()) == [500, 1, 0, 1]
    assert rates(await world.get()) == [500, 2, 0, 2]
    second_key = await make_key(world.database, world.user)
    assert rates(await world.get(key=second_key)) == [500, 3, 0, 3], "per account, not per key"


async def test_deleting_the_cache_does_not_count(world: World) -> None:
    await world.get()
    got = await world.api.call("DELETE", CACHE, headers={"X-API-Key": world.key})
    assert rates(got) == [500, 1, 0, 1]
    assert rates(await world.get()) == [500, 2, 0, 2]


async def test_beyond_the_limit_nothing_is_done_and_nothing_counts(world: World) -> None:
    async with serving_dialects([dialect_of(world.database, world.auth, ComputeJobsLimits(2, 0))]) as api:
        headers = {"X-API-Key": world.key}
        assert [(await api.call("GET", PROFILE, headers=headers)).status for _ in range(2)] == [200, 200]
        for _ in range(2):
            got = await api.call("GET", PROFILE, headers=headers)
            assert got.status == 429
            check_envelope(got, is_success=False)
            assert got.json["errors"][0].startswith("Hourly rate limit reached")
            assert "2" in got.json["errors"][0]
            assert rates(got)[:2] == [2, 2]
            assert 0 < int(got.headers["Retry-After"]) <= 3600
        assert (await api.call("DELETE", CACHE, headers=headers)).status == 200


async def test_whoever_tries_keys_is_slowed_down_in_the_same_envelope(world: World) -> None:
    answers = [await world.get(key=f"bb_{n:08d}_{'x' * 43}") for n in range(31)]
    assert [got.status for got in answers[:30]] == [403] * 30
    got = answers[30]
    assert got.status == 429
    check_envelope(got, is_success=False)
    assert not any(name in got.headers for name in RATE)
    assert "Retry-After" in got.headers
    assert (await world.get()).status == 200, "whoever has a key is not held up by those who have none"


async def test_the_limits_refuse_nobody_when_the_counters_are_gone(world: World) -> None:
    async with world.database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(delete(rate_counters))
    assert (await world.get()).status == 200


# ------------------------------------------------------------------ documentation


async def test_the_documentation_needs_no_key(world: World) -> None:
    got = await world.api.call("GET", "/api/v2/openapi.json")
    assert (got.status, got.body.decode()) == (200, openapi_json("compute_jobs"))
    page = await world.api.call("GET", "/api/v2/docs")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize("lang", ["en", "de", "IT"])
async def test_the_address_that_is_known_leads_to_it(world: World, lang: str) -> None:
    got = await world.api.call("GET", f"/{lang}/catuser/view-api")
    assert (got.status, got.headers["Location"]) == (302, "/api/v2/docs")


@pytest.mark.parametrize("lang", ["e", "eng", "e1", "%C3%A9%C3%A9", ".."])
async def test_what_is_no_language_leads_nowhere(world: World, lang: str) -> None:
    assert (await world.api.call("GET", f"/{lang}/catuser/view-api")).status == 404
