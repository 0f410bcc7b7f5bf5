"""PGO's cookie and calls from other origins, on every kind of reply, with several users and a path prefix."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from tests.integration.gateway.conftest import Served, serving
from tests.support.databases import TestDatabases

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORIGIN = {"Origin": "http://grid.example"}
PREFLIGHT = ORIGIN | {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,x-other"}
KNOWN = {"Cookie": "X-PgoUserId=u1"}

# What a newcomer may meet first: (method, path, status).
FIRST_REPLIES = [
    ("GET", "/api/server", 200),
    ("GET", "/api/identity/quotas", 200),
    ("GET", "/api/networks/never-was", 400),
    ("GET", "/api/networks/never-was/analysis?verbose=perhaps", 400),
    ("GET", "/api/sessions/never-was", 404),
    ("DELETE", "/api/networks/never-was", 404),
    ("GET", "/api/sessions/n/nothing", 404),
    ("PUT", "/api/networks/n", 405),
    ("POST", "/api/networks/n", 415),
    ("GET", "/api/networks/%FF", 400),
    ("GET", "/nothing", 404),
    ("GET", "/", 200),
    ("GET", "/swagger", 302),
    ("GET", "/swagger/index.html", 200),
    ("GET", "/swagger/v1_json/swagger.json", 200),
    ("GET", "/swagger/swagger-ui.css", 200),
    ("GET", "/assets/busbar.css", 200),
    ("GET", "/examples/doc-example_forecast.json", 200),
    ("GET", "/examples/none.json", 404),
    ("GET", "/index_webapp.html", 200),
    ("GET", "/pgo-web-frontend/js/none.js", 404),
    ("GET", "/.auth/sign-in", 302),
    ("POST", "/solutionStatusHub/negotiate?negotiateVersion=1", 200),
]
PREFLIGHTED = [
    "/api/server",
    "/api/identity/quotas",
    "/api/networks/x",
    "/api/sessions/x/runOptimization",
    "/api/sessions/x/solutions/y/repair/z",
    "/api/cim/networks/x",
    "/api/networks/x/never-was",
    "/API/Sessions/x",
    "/solutionStatusHub",
    "/solutionStatusHub/negotiate",
    "/solutionstatushub/negotiate?negotiateVersion=1",
]
PREFIXES = ["", "/opfsolver", "/OPFSolver"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(databases: TestDatabases) -> AsyncIterator[Served]:
    """A gateway with several users and a path prefix."""
    database_url = databases.create()
    async with serving(database_url, pgo_multi_user="True", path_base="/opfsolver") as running:
        yield running
    databases.drop(database_url)


@pytest.mark.parametrize("prefix", PREFIXES[:2])
async def test_a_newcomer_is_given_a_user_id_with_whatever_is_answered_first(gateway: Served, prefix: str) -> None:
    given: set[str] = set()
    for method, path, status in FIRST_REPLIES:
        got = await gateway.call(method, prefix + path)
        assert got.status == status, path
        first, *attributes = got.headers["Set-Cookie"].split("; ")
        name, _, value = first.partition("=")
        assert name == "X-PgoUserId"
        assert str(UUID(value)) == value
        assert set(attributes) == {"Domain=127.0.0.1", "Path=/", "HttpOnly", "SameSite=Strict"}, path
        assert "public" not in got.headers.get("Cache-Control", ""), "a cache for many would make them one user"
        given.add(value)
    assert len(given) == len(FIRST_REPLIES), "each is a user of their own"


async def test_no_cache_keeps_what_the_api_says(gateway: Served) -> None:
    for method, path, status in FIRST_REPLIES:
        if path.startswith("/api/"):
            got = await gateway.call(method, path, headers=KNOWN)
            assert (got.status, got.headers["Cache-Control"]) == (status, "no-store"), path


async def test_who_presents_a_user_id_is_believed_and_given_no_other(gateway: Served) -> None:
    for method, path, status in FIRST_REPLIES:
        got = await gateway.call(method, path, headers=KNOWN)
        assert got.status == status, path
        assert "Set-Cookie" not in got.headers, path


async def test_a_newcomer_finds_again_what_they_have_made_under_the_id_they_were_given(gateway: Served) -> None:
    made = await gateway.load("mine")
    assert made.status == 201
    own = {"Cookie": made.headers["Set-Cookie"].partition(";")[0]}
    assert (await gateway.call("GET", "/opfsolver/api/server", headers=own)).json["networks"] == ["mine"]
    assert (await gateway.call("GET", "/api/server", headers=KNOWN)).json["networks"] == []
    assert made.headers["Location"] == "/api/networks/mine"


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_preflight_is_answered_for_every_path_of_api_and_hub(gateway: Served, prefix: str) -> None:
    for path in PREFLIGHTED:
        got = await gateway.call("OPTIONS", prefix + path, headers=PREFLIGHT)
        assert (got.status, got.body) == (204, b""), path
        assert got.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
        assert got.headers["Access-Control-Allow-Credentials"] == "true"
        assert got.headers["Access-Control-Allow-Methods"] == "PUT"
        assert got.headers["Access-Control-Allow-Headers"] == "content-type,x-other"
        assert got.headers["Set-Cookie"].startswith("X-PgoUserId=")
        assert got.headers["Vary"] == "Origin"


async def test_pages_of_other_origins_may_read_every_reply_of_the_api_errors_too(gateway: Served) -> None:
    for method, path, status in FIRST_REPLIES:
        if not path.startswith("/api/"):
            continue
        got = await gateway.call(method, path, headers=ORIGIN | KNOWN)
        assert got.status == status
        assert got.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"], path
        assert got.headers["Access-Control-Allow-Credentials"] == "true"


async def test_a_call_of_the_same_origin_is_told_nothing_of_others(gateway: Served) -> None:
    assert not [name for name in (await gateway.call("GET", "/api/server")).headers if "Access-Control" in name]


async def test_pages_are_not_opened_to_other_origins(gateway: Served) -> None:
    got = await gateway.call("GET", "/", headers=ORIGIN)
    assert got.status == 200
    assert "Access-Control-Allow-Origin" not in got.headers
