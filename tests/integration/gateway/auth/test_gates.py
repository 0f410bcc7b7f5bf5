"""The gate of each dialect: where it looks for credentials, and what its refusals carry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import pytest
import pytest_asyncio

from services.gateway.auth.auth import Auth
from services.gateway.auth.counting_gates import BURST
from services.gateway.auth.gate import Admission, Forbidden, Gate, Needs, Refused, TooManyRequests, Unauthenticated
from services.gateway.auth.identity import NOBODY, RequestHead
from services.gateway.auth.open_mode import OpenModeGate
from shared.db.engine import PostgresDatabase
from shared.identity.principals import User
from shared.ids import OPEN_ACCOUNT_ID, uuid7
from shared.settings import Settings
from tests.support.principals import KnownTokens, StillClock, make_account, make_auth, make_key, make_user

pytestmark = pytest.mark.asyncio(loop_scope="module")

E = TypeVar("E", bound=Refused)
PUBLIC = Needs(is_public=True)
WRONG = "w" * 43


def scoped(*scopes: str, roles: frozenset[str] = frozenset()) -> Needs:
    return Needs(is_public=False, any_scope=frozenset(scopes), any_role=roles)


def head(
    path: str = "/api/x",
    *,
    method: str = "GET",
    query: str = "",
    address: str | None = None,
    host: str = "grid.example",
    **headers: str,
) -> RequestHead:
    given = {name.replace("_", "-").title(): value for name, value in headers.items()}
    given = {"X-API-Key" if name == "X-Api-Key" else name: value for name, value in given.items()}
    return RequestHead(method, path, query, given, host, address or f"host-{uuid7().hex}", False)


@dataclass
class World:
    database: PostgresDatabase
    clock: StillClock
    auth: Auth
    there: Auth
    user: User
    key: str
    token: str
    session: str


class MakeWorld(Protocol):
    """Two gateways with these settings, and a user of a new account."""

    async def __call__(
        self, *, open_mode: OpenModeGate | None = None, account_role: str = "", **settings: Any
    ) -> World:
        # Any: values of settings.
        ...


@pytest_asyncio.fixture(loop_scope="module")
async def make_world(shared_database: PostgresDatabase) -> AsyncIterator[MakeWorld]:
    made: list[Auth] = []

    async def make(*, open_mode: OpenModeGate | None = None, account_role: str = "", **settings: Any) -> World:
        clock = StillClock()
        given = Settings.model_validate(settings)
        auth, there = (
            make_auth(shared_database, clock=clock, settings=given, open_mode=open_mode, tokens=KnownTokens())
            for _ in range(2)
        )
        made.extend((auth, there))
        account = await make_account(shared_database, roles=(account_role,) if account_role else ())
        user = await make_user(shared_database, account)
        return World(
            shared_database,
            clock,
            auth,
            there,
            user,
            await make_key(shared_database, user),
            await auth.sign_in.issue_token(user),
            await auth.sign_in.open_session(user),
        )

    yield make
    for auth in made:
        await auth.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def world(make_world: MakeWorld) -> World:
    return await make_world()


async def refused(kind: type[E], gate: Gate, request: RequestHead, needs: Needs) -> E:
    with pytest.raises(kind) as caught:
        await gate.admit(request, needs)
    return caught.value


def gates_of(auth: Auth) -> dict[str, tuple[Gate, Needs]]:
    return {
        "reconfiguration": (auth.reconfiguration, scoped("reconfiguration")),
        "flexibility": (auth.flexibility, scoped("flexibility")),
        "line_telemetry": (auth.line_telemetry, scoped("read")),
        "compute_jobs": (auth.compute_jobs, scoped("jobs")),
        "administration": (auth.administration, scoped("read")),
    }


async def test_one_credential_serves_all_dialects(world: World) -> None:
    for name, (gate, needs) in gates_of(world.auth).items():
        for credential in (world.key, world.token):
            for scheme in ("Bearer", "bearer", "BEARER "):
                admission = await gate.admit(head(authorization=f"{scheme} {credential}"), needs)
                assert admission.identity.subject == world.user.subject, name
        assert (await gate.admit(head(x_api_key=world.key), needs)).identity.kind == "key", name
        session = f"a=b; busbar_session={world.session}"
        assert (await gate.admit(head(cookie=session), needs)).identity.kind == "session", name


@pytest.mark.parametrize("name", ["reconfiguration", "flexibility", "line_telemetry", "compute_jobs", "administration"])
async def test_each_refuses_what_tells_nobody(world: World, name: str) -> None:
    gate, needs = gates_of(world.auth)[name]
    for request in (
        head(),
        head(authorization=f"Bearer {WRONG}"),
        head(authorization="Bearer"),
        head(authorization="Basic abc"),
        head(x_api_key="bb_none"),
        head(x_api_key=f" {world.key}"),
        head(x_api_key=world.key + "x" * 300),
        head(cookie=f"busbar_session={WRONG}"),
        head(cookie=f"busbar_session={world.token}"),
        head(query=f"api_key={world.key}"),
    ):
        await refused(Unauthenticated, gate, request, needs)


async def test_a_wrong_credential_is_not_made_good_by_another(world: World) -> None:
    for name, (gate, needs) in gates_of(world.auth).items():
        first = {"x_api_key": "bb_none"} if name == "compute_jobs" else {"authorization": f"Bearer {WRONG}"}
        second = {"authorization": f"Bearer {world.token}"} if name == "compute_jobs" else {"x_api_key": world.key}
        both = head(**first, **second, cookie=f"busbar_session={world.session}")
        await refused(Unauthenticated, gate, both, needs)


async def test_the_dialects_own_header_wins(world: World) -> None:
    both = head(x_api_key=world.key, authorization=f"Bearer {world.token}")
    kinds = {
        name: (await gate.admit(both, needs)).identity.kind for name, (gate, needs) in gates_of(world.auth).items()
    }
    assert kinds.pop("compute_jobs") == "key"
    assert set(kinds.values()) == {"user"}


async def test_a_session_counts_from_our_own_pages_only(world: World) -> None:
    cookie = f"busbar_session={world.session}"
    for gate, needs in gates_of(world.auth).values():
        await gate.admit(head(cookie=cookie, origin="http://grid.example"), needs)
        await gate.admit(head(cookie=cookie, origin="https://GRID.example"), needs)
        for origin in ("https://evil.example", "null", "https://grid.example.evil.example", "https://grid.example:1"):
            await refused(Unauthenticated, gate, head(cookie=cookie, origin=origin), needs)


async def test_a_scope_that_is_missing_is_named(world: World) -> None:
    key = await make_key(world.database, world.user, scopes=["storage"])
    for name, (gate, needs) in gates_of(world.auth).items():
        error = await refused(Forbidden, gate, head(x_api_key=key), needs)
        assert next(iter(needs.any_scope)) in error.message, name
        assert "Unauthorized" not in error.message


async def test_a_role_that_is_missing_is_named(world: World) -> None:
    for gate, needs in gates_of(world.auth).values():
        wanted = scoped(*needs.any_scope, roles=frozenset({"admin"}))
        assert "admin" in (await refused(Forbidden, gate, head(x_api_key=world.key), wanted)).message


async def test_a_key_of_few_scopes_administers_nothing(world: World) -> None:
    key = await make_key(world.database, world.user, scopes=["read", "jobs"])
    await refused(Forbidden, world.auth.administration, head(x_api_key=key), scoped("read"))


# ---------------------------------------------------------------------- reconfiguration


async def test_authenticated_mode_challenges_and_ignores_pgos_cookie(world: World) -> None:
    gate, needs = world.auth.reconfiguration, scoped("reconfiguration")
    missing = await refused(Unauthenticated, gate, head(cookie="X-PgoUserId=commonUser"), needs)
    assert (missing.is_missing, missing.headers) == (True, {"WWW-Authenticate": "Bearer"})
    wrong = await refused(Unauthenticated, gate, head(authorization=f"Bearer {WRONG}"), needs)
    assert (wrong.is_missing, wrong.headers) == (False, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    admitted = await gate.admit(head(authorization=f"Bearer {world.key}", cookie="X-PgoUserId=u"), needs)
    assert admitted.headers == {}
    assert admitted.identity.account_id == world.user.account_id


async def test_open_mode_lets_all_in_and_honours_a_valid_credential(make_world: MakeWorld) -> None:
    world = await make_world(open_mode=OpenModeGate(multi_user=False))
    gate, needs = world.auth.reconfiguration, scoped("reconfiguration")
    for request in (head(), head(cookie=f"busbar_session={WRONG}"), head(authorization="Basic abc")):
        admission = await gate.admit(request, needs)
        assert (admission.identity.account_id, admission.identity.subject) == (OPEN_ACCOUNT_ID, "commonUser")
        assert "X-PgoUserId=commonUser" in admission.headers["Set-Cookie"]
    own = await gate.admit(head(authorization=f"Bearer {world.key}"), needs)
    assert (own.identity.account_id, own.headers) == (world.user.account_id, {})
    await refused(Unauthenticated, gate, head(authorization=f"Bearer {WRONG}"), needs)
    few = await make_key(world.database, world.user, scopes=["jobs"])
    await refused(Forbidden, gate, head(authorization=f"Bearer {few}"), needs)


# ---------------------------------------------------------------------- line telemetry


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, "Bearer"),
        ({"authorization": "Bearer x"}, 'Bearer error="invalid_token"'),
        ({"authorization": "Bearer"}, 'Bearer error="invalid_token"'),
        ({"authorization": "Basic abc"}, 'Bearer error="invalid_token"'),
        ({"authorization": ""}, 'Bearer error="invalid_token"'),
    ],
)
async def test_line_telemetry_challenges_as_its_contract_says(
    world: World, headers: dict[str, str], challenge: str
) -> None:
    error = await refused(Unauthenticated, world.auth.line_telemetry, head(**headers), scoped("read"))
    assert error.headers == {"WWW-Authenticate": challenge}


# ---------------------------------------------------------------------- flexibility


async def test_flexibility_takes_the_bare_token_and_the_query(world: World) -> None:
    gate, needs = world.auth.flexibility, scoped("flexibility")
    for request in (
        head(authorization=world.token),
        head(authorization=world.key),
        head(query=f"a=1&auth_token={world.token}"),
        head(query=f"auth_token={world.token}", x_api_key="bb_none"),
    ):
        assert (await gate.admit(request, needs)).identity.subject == world.user.subject
    for request in (
        head(query="auth_token="),
        head(query=f"auth_token={WRONG}"),
        head(authorization=WRONG, query=f"auth_token={world.token}"),
        head(query="&".join(f"a={n}" for n in range(200)) + f"&auth_token={world.token}"),
    ):
        await refused(Unauthenticated, gate, request, needs)


async def test_flexibility_counts_each_user_within_a_minute(make_world: MakeWorld) -> None:
    world = await make_world(flexibility_requests_per_minute=3)
    gate, needs = world.auth.flexibility, scoped("flexibility")
    request = head("/api/v3_0/assets", authorization=world.token)
    left = [(await gate.admit(request, needs)).headers for _ in range(3)]
    assert [headers["X-RateLimit-Remaining"] for headers in left] == ["2", "1", "0"]
    now = int(world.clock.now().timestamp())
    assert left[0]["X-RateLimit-Limit"] == "3"
    assert now < int(left[0]["X-RateLimit-Reset"]) <= now + 60
    for auth in (world.auth, world.there):  # whichever gateway
        error = await refused(TooManyRequests, auth.flexibility, request, needs)
        assert error.headers["X-RateLimit-Remaining"] == "0"
        assert 0 < int(error.headers["Retry-After"]) <= 60
    for free in ("/api/v3_0/health/ready", "/api/requestAuthToken", "/api/"):
        assert (await gate.admit(head(free, authorization=world.token), needs)).headers == {}
    other = await world.auth.sign_in.issue_token(await make_user(world.database, await make_account(world.database)))
    assert (await gate.admit(head("/api/v3_0/assets", authorization=other), needs)).headers[
        "X-RateLimit-Remaining"
    ] == "2"
    world.clock.move(66)
    assert (await world.there.flexibility.admit(request, needs)).headers["X-RateLimit-Remaining"] == "2"


async def test_flexibility_counts_strangers_by_address(make_world: MakeWorld) -> None:
    world = await make_world(flexibility_requests_per_minute=2)
    address = f"2001:db8:{uuid7().hex[-4:]}:1::"
    gate = world.auth.flexibility
    assert (await gate.admit(head("/api/v3_0", address=f"{address}1"), PUBLIC)).identity == NOBODY
    path = "/api/v3_0/assets"
    wrong = await refused(Unauthenticated, gate, head(path, address=f"{address}2"), scoped("flexibility"))
    assert wrong.headers["X-RateLimit-Remaining"] == "0"
    await refused(TooManyRequests, gate, head(path, address=f"{address}3"), scoped("flexibility"))


async def test_limits_that_are_off_leave_no_header(make_world: MakeWorld) -> None:
    world = await make_world(flexibility_requests_per_minute=1, rate_limits="off", rate_hourly=1)
    for _ in range(3):
        request = head("/api/v3_0/assets", authorization=world.token)
        assert (await world.auth.flexibility.admit(request, scoped("flexibility"))).headers == {}
        admission = await world.auth.compute_jobs.admit(head(x_api_key=world.key), scoped("jobs"))
        assert admission.headers["X-RateLimit-Hourly-Limit"] == "0"


# ---------------------------------------------------------------------- compute jobs


def numbers(admission: Admission) -> tuple[str, ...]:
    return tuple(
        admission.headers[f"X-RateLimit-{name}"]
        for name in ("Hourly-Limit", "Hourly-Used", "Daily-Limit", "Daily-Used")
    )


async def test_compute_jobs_says_on_every_answer_how_much_is_used(make_world: MakeWorld) -> None:
    world = await make_world(rate_hourly=3)
    needs = scoped("jobs")
    request = head(x_api_key=world.key)
    assert numbers(await world.auth.compute_jobs.admit(request, needs)) == ("3", "1", "0", "1")
    assert numbers(await world.there.compute_jobs.admit(request, needs)) == ("3", "2", "0", "2")
    forbidden = await refused(Forbidden, world.auth.compute_jobs, request, scoped("jobs", roles=frozenset({"x"})))
    assert forbidden.headers["X-RateLimit-Hourly-Used"] == "3"
    error = await refused(TooManyRequests, world.there.compute_jobs, request, needs)
    assert error.message == "Hourly rate limit reached: 3 requests per hour."
    assert error.headers["X-RateLimit-Hourly-Used"] == "3"
    assert error.headers["X-RateLimit-Daily-Used"] == "3"
    assert 0 < error.retry_after_s <= 3600
    cleared = head("/api/v2/user/delete-cache", method="DELETE", x_api_key=world.key)
    assert numbers(await world.auth.compute_jobs.admit(cleared, needs)) == ("3", "3", "0", "3")
    world.clock.move(3660)
    assert numbers(await world.there.compute_jobs.admit(request, needs)) == ("3", "1", "0", "4")


async def test_compute_jobs_limits_a_day_and_trial_accounts(make_world: MakeWorld) -> None:
    world = await make_world(rate_daily=1, account_role="trial")
    request = head(x_api_key=world.key)
    assert numbers(await world.auth.compute_jobs.admit(request, scoped("jobs"))) == ("100", "1", "1", "1")
    error = await refused(TooManyRequests, world.auth.compute_jobs, request, scoped("jobs"))
    assert error.message == "Daily rate limit reached: 1 requests per day."


async def test_compute_jobs_counts_for_the_account_whichever_key_asks(make_world: MakeWorld) -> None:
    world = await make_world(rate_hourly=2)
    second = await make_key(world.database, world.user)
    for key in (world.key, second):
        await world.auth.compute_jobs.admit(head(x_api_key=key), scoped("jobs"))
    await refused(TooManyRequests, world.auth.compute_jobs, head(x_api_key=second), scoped("jobs"))


async def test_compute_jobs_bounds_a_burst(make_world: MakeWorld) -> None:
    world = await make_world(rate_hourly=0)
    gate, request = world.auth.compute_jobs, head(x_api_key=world.key)
    for _ in range(BURST.limit):
        await gate.admit(request, scoped("jobs"))
    error = await refused(TooManyRequests, gate, request, scoped("jobs"))
    assert error.message.startswith("Too many requests at once")
    assert error.retry_after_s <= 5
    world.clock.move(6)
    await world.there.compute_jobs.admit(request, scoped("jobs"))


async def test_compute_jobs_has_one_text_for_whatever_is_wrong_with_a_key(world: World) -> None:
    for headers in ({}, {"x_api_key": "x"}, {"x_api_key": world.key[:-1] + "_"}, {"authorization": f"Bearer {WRONG}"}):
        error = await refused(Unauthenticated, world.auth.compute_jobs, head(**headers), scoped("jobs"))
        assert (error.message, error.headers) == ("Unauthorized.", {})


async def test_compute_jobs_stops_an_address_that_guesses_keys_and_lets_a_valid_one_in(world: World) -> None:
    address = f"guesser-{uuid7().hex}"
    for _ in range(30):
        await refused(Unauthenticated, world.auth.compute_jobs, head(address=address), scoped("jobs"))
    for auth in (world.auth, world.there):
        error = await refused(TooManyRequests, auth.compute_jobs, head(address=address), scoped("jobs"))
        assert set(error.headers) == {"Retry-After"}
    await world.auth.compute_jobs.admit(head(address=address, x_api_key=world.key), scoped("jobs"))


async def test_signed_addresses_are_not_counted(world: World) -> None:
    admission = await world.auth.compute_jobs.admit(head(x_api_key="whatever"), PUBLIC)
    assert admission == Admission(NOBODY)
