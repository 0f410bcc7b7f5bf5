"""How often one may ask, and what is heard beyond that."""

from __future__ import annotations

from typing import Any

from shared.identity.principals import Account, User
from tests.integration.gateway.flexibility.conftest import Api, invite, serving_flexibility
from tests.support.apis import Got

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
    settings: dict[str, Any] = {"flexibility_requests_per_minute": 1, "rate_limits": "off"}
    async with serving_flexibility(database_url, **settings) as api:
        people = await invite(api)
        answers = [await api.get("users", people.member) for _ in range(3)]
        assert [got.status for got in answers] == [200, 200, 200]
        assert "X-RateLimit-Limit" not in answers[0].headers


TRIGGERED = {"start": "2024-01-01T00:00:00+00:00", "flex-model": {"power-capacity": "1 kW"}}


async def trigger_again_and_again(api: Api, by: User, sensor: int, times: int) -> list[Got]:
    given = [TRIGGERED | {"duration": f"PT{number + 1}H"} for number in range(times)]
    return [await api.post(f"sensors/{sensor}/schedules/trigger", by, **body) for body in given]


async def sensor_of(api: Api, by: User, account: Account) -> int:
    asset = await api.post("assets", by, name="A", generic_asset_type_id=5, account_id=account.number)
    body = {"name": "p", "unit": "kW", "event_resolution": "PT1H", "generic_asset_id": asset.json["id"]}
    return int((await api.post("sensors", by, **body)).json["id"])


async def test_triggers_are_limited_for_each_account_and_refused_ones_do_not_count(database_url: str) -> None:
    async with serving_flexibility(database_url, flexibility_triggers_per_5_minutes=3) as api:
        people = await invite(api)
        mine = await sensor_of(api, people.chief, people.depot)
        theirs = await sensor_of(api, people.stranger, people.other)
        for _ in range(5):
            refused = await api.post(f"sensors/{mine}/schedules/trigger", people.chief, start="soon")
            assert refused.status == 422
        answers = await trigger_again_and_again(api, people.chief, mine, 2)
        forecast = await api.post(f"sensors/{mine}/forecasts/trigger", people.member)
        assert [got.status for got in (*answers, forecast)] == [202] * 3
        (late,) = await trigger_again_and_again(api, people.member, mine, 1)
        assert (late.status, late.json["result"], late.json["status"]) == (429, "Rejected", "TOO_MANY_REQUESTS")
        assert 0 < int(late.headers["Retry-After"]) <= 300
        assert isinstance(late.json["message"], str)
        assert [got.status for got in await trigger_again_and_again(api, people.stranger, theirs, 1)] == [202]


async def test_a_plan_has_limits_of_its_own(database_url: str) -> None:
    settings: dict[str, Any] = {
        "flexibility_triggers_per_5_minutes": 1,
        "flexibility_requests_per_minute": 40,
        "flexibility_plans": "7=60/unlimited",
    }
    async with serving_flexibility(database_url, **settings) as api:
        account = await api.account("Rich", plan_id=7)
        user = await api.user("rich", account, ["account-admin"])
        sensor = await sensor_of(api, user, account)
        answers = await trigger_again_and_again(api, user, sensor, 4)
        assert [got.status for got in answers] == [202] * 4
        assert answers[0].headers["X-RateLimit-Limit"] == "60"


async def test_triggers_may_be_counted_for_each_asset_or_user(database_url: str) -> None:
    settings: dict[str, Any] = {"flexibility_triggers_per_5_minutes": 1, "flexibility_triggers_counted_by": "user"}
    async with serving_flexibility(database_url, **settings) as api:
        people = await invite(api)
        sensor = await sensor_of(api, people.chief, people.depot)
        for user in (people.chief, people.member):
            assert [got.status for got in await trigger_again_and_again(api, user, sensor, 2)] == [202, 429]
