"""How often one may ask, and what is heard beyond that."""

from __future__ import annotations

from tests.integration.gateway.flexibility.conftest import invite, serving_flexibility

LIMIT = 6


async def test_requests_beyond_the_limit_are_refused_and_told_when_to_come_back(database_url: str) -> None:
    async with serving_flexibility(database_url, flexibility_requests_per_minute=LIMIT) as api:
        people = await invite(api)
        remaining = []
        for _ in range(LIMIT):
            got = await api.get("users", people.member)
            assert got.status == 200
            assert got.headers["X-RateLimit-Limit"] == str(LIMIT)
            assert int(got.headers["X-RateLimit-Reset"]) > 0
            remaining.append(int(got.headers["X-RateLimit-Remaining"]))
        assert remaining == sorted(remaining, reverse=True)
        assert remaining[-1] == 0
        refused = await api.get("users", people.member)
        assert (refused.status, refused.headers["Content-Type"]) == (429, "application/json")
        assert (refused.json["result"], refused.json["status"]) == ("Rejected", "TOO_MANY_REQUESTS")
        assert isinstance(refused.json["message"], str)
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        assert refused.headers["API-Version"] == "v3_0"
        assert refused.headers["X-RateLimit-Remaining"] == "0"
        assert (await api.get("users", people.chief)).status == 200, "each user has their own"
        health = await api.get("health/ready")
        assert (health.status, "X-RateLimit-Limit" in health.headers) == (200, False)


async def test_a_user_has_one_budget_whatever_they_ask_with(database_url: str) -> None:
    async with serving_flexibility(database_url, flexibility_requests_per_minute=LIMIT) as api:
        people = await invite(api)
        tokens = [await api.auth.sign_in.issue_token(people.member) for _ in range(LIMIT + 1)]
        statuses = [(await api.call("GET", "users", headers={"Authorization": token})).status for token in tokens]
        assert statuses == [200] * LIMIT + [429]


async def test_whoever_has_not_signed_in_is_counted_by_address(database_url: str) -> None:
    async with serving_flexibility(database_url, flexibility_requests_per_minute=LIMIT) as api:
        statuses = [(await api.get("accounts")).status for _ in range(LIMIT + 1)]
        assert statuses == [401] * LIMIT + [429]


async def test_limits_can_be_switched_off(database_url: str) -> None:
    settings = {"flexibility_requests_per_minute": 1, "rate_limits": "off"}
    async with serving_flexibility(database_url, **settings) as api:
        people = await invite(api)
        answers = [await api.get("users", people.member) for _ in range(3)]
        assert [got.status for got in answers] == [200, 200, 200]
        assert "X-RateLimit-Limit" not in answers[0].headers
