"""Accounts: who sees which, what may be changed by whom, and what is said of what cannot be."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import administration, audit
from shared.identity.principals import User
from tests.integration.gateway.flexibility.conftest import Api, People
from tests.support.apis import Got
from tests.support.principals import TESTER

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORBIDDEN = {
    "result": "Rejected",
    "status": "INVALID_SENDER",
    "message": "You cannot be authorized for this content or functionality.",
}
NOT_THERE = 999_999


def invalid(got: Got, location: str = "json") -> Any:
    """The texts of a validation answer, by field."""
    assert got.status == 422, got
    assert (got.json["result"], got.json["status"]) == ("Rejected", "UNPROCESSABLE_ENTITY")
    assert list(got.json["message"]) == [location]
    return got.json["message"][location]


def refused(got: Got) -> bool:
    return (got.status, got.json) == (403, FORBIDDEN)


async def test_one_account_in_full(api: Api, people: People) -> None:
    got = await api.get(f"accounts/{people.depot.number}", people.member)
    assert got.status == 200
    assert got.json == {
        "id": people.depot.number,
        "name": "Depot",
        "account_roles": [],
        "attributes": "{}",
        "consultancy_account_id": None,
        "logo_url": None,
        "primary_color": None,
        "secondary_color": None,
        "plan_id": None,
        "status": 200,
    }


async def test_roles_and_the_consultancy_are_told_by_number(api: Api, people: People) -> None:
    shop = await api.get(f"accounts/{people.shop.number}", people.shopkeeper)
    assert shop.json["consultancy_account_id"] == people.consultants.number
    consultants = await api.get(f"accounts/{people.consultants.number}", people.adviser)
    assert consultants.json["account_roles"] == [6]


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        ("chief", {"depot"}),
        ("member", {"depot"}),
        ("stranger", {"other"}),
        ("adviser", {"consultants", "shop"}),
        ("shopkeeper", {"shop"}),
        ("root", {"depot", "other", "consultants", "shop", "site"}),
        ("reader", {"depot", "other", "consultants", "shop", "site"}),
    ],
)
async def test_who_sees_which_accounts(api: Api, people: People, who: str, sees: set[str]) -> None:
    user: User = getattr(people, who)
    listed = {row["id"] for row in (await api.get("accounts", user)).json}
    for name in ("depot", "other", "consultants", "shop", "site"):
        number = getattr(people, name).number
        got = await api.get(f"accounts/{number}", user)
        if name in sees:
            assert (got.status, got.json["id"]) == (200, number)
            assert number in listed
        else:
            assert refused(got)
            assert number not in listed


async def test_an_account_that_is_not_there_is_a_404_that_names_it(api: Api, people: People) -> None:
    for user in (people.member, people.root):
        got = await api.get(f"accounts/{NOT_THERE}", user)
        assert (got.status, got.json) == (404, {"message": f"Account {NOT_THERE} not found", "status": 404})
    assert (await api.get(f"accounts/{'9' * 5000}", people.root)).status == 404
    assert (await api.get("accounts/0", people.root)).status == 404
    assert (await api.get("accounts/-1", people.root)).status == 404


@pytest.mark.parametrize("number", ["nope", "1.5", "%D9%A1", "1e3"])
async def test_an_id_that_is_no_integer_is_a_422(api: Api, people: People, number: str) -> None:
    for path in (f"accounts/{number}", f"accounts/{number}/auditlog", f"users/{number}", f"users/{number}/auditlog"):
        assert invalid(await api.get(path, people.root), "path") == {"id": ["Not a valid integer."]}


async def test_the_list_is_plain_until_a_page_is_asked_for(api: Api, people: People) -> None:
    plain = (await api.get("accounts", people.root)).json
    assert [row["id"] for row in plain] == sorted(row["id"] for row in plain)
    assert "status" not in plain[0]
    assert "user_count" not in plain[0]
    paged = (await api.get("accounts?page=1&per-page=2", people.root)).json
    assert set(paged) == {"data", "num-records", "filtered-records", "status"}
    assert paged["data"][0] == plain[0] | {
        "user_count": paged["data"][0]["user_count"],
        "asset_count": 0,
    }
    assert [row["id"] for row in paged["data"]] == [row["id"] for row in plain[:2]]
    assert paged["num-records"] == paged["filtered-records"] == len(plain)
    second = (await api.get("accounts?page=2&per_page=2", people.root)).json
    assert [row["id"] for row in second["data"]] == [row["id"] for row in plain[2:4]], "in the older spelling too"
    past = await api.get("accounts?page=9223372036854775807", people.root)
    assert (past.status, past.json["status"]) == (404, 404)


async def test_users_are_counted(api: Api, people: People) -> None:
    rows = (await api.get("accounts?page=1&per-page=100", people.root)).json["data"]
    counts = {row["id"]: row["user_count"] for row in rows}
    assert counts[people.shop.number] == 1
    assert counts[people.site.number] == 2


async def test_words_of_a_filter_must_all_match(api: Api, people: People) -> None:
    await api.account("North Sea Wind")
    await api.account("North Sea Sun")
    await api.account("100% Sun_Sea")

    async def names(words: str) -> set[str]:
        got = (await api.get(f"accounts?page=1&per-page=50&filter={words}", people.root)).json
        assert got["filtered-records"] == len(got["data"]) <= got["num-records"]
        return {row["name"] for row in got["data"]}

    assert await names("sea+SUN") == {"North Sea Sun", "100% Sun_Sea"}
    assert await names("%22sea+sun%22") == {"North Sea Sun"}
    assert await names("0%25") == {"100% Sun_Sea"}, "no wildcards"
    assert await names("sun_") == {"100% Sun_Sea"}
    assert await names("nobody") == set()
    assert people.depot.name in await names(str(people.depot.number))
    assert invalid(await api.get("accounts?page=1&filter=%22sea", people.root), "query") == {
        "filter": ["A quote is not closed."]
    }


@pytest.mark.parametrize("column", ["id", "name", "assets", "users"])
async def test_each_order_has_both_directions(api: Api, people: People, column: str) -> None:
    up = (await api.get(f"accounts?page=1&per-page=100&sort-by={column}", people.root)).json["data"]
    down = (await api.get(f"accounts?page=1&per-page=100&sort_by={column}&sort_dir=desc", people.root)).json["data"]
    values = {"id": "id", "name": "name", "assets": "asset_count", "users": "user_count"}[column]
    as_key = str.lower if column == "name" else int
    assert [as_key(row[values]) for row in up] == sorted(as_key(row[values]) for row in up)
    assert [as_key(row[values]) for row in down] == sorted((as_key(row[values]) for row in up), reverse=True)


@pytest.mark.parametrize(
    ("query", "field", "text"),
    [
        ("page=0", "page", "Must be greater than or equal to 1."),
        ("page=x", "page", "Not a valid integer."),
        ("per-page=-1", "per-page", "Must be greater than or equal to 1."),
        ("sort-by=age", "sort-by", "Must be one of: id, name, assets, users."),
        ("sort-dir=up", "sort-dir", "Must be one of: asc, desc."),
        ("filter=%00", "filter", "Not a valid string."),
    ],
)
async def test_parameters_in_the_wrong_form(api: Api, people: People, query: str, field: str, text: str) -> None:
    assert invalid(await api.get(f"accounts?{query}", people.root), "query") == {field: [text]}


async def test_unknown_parameters_are_passed_over_and_too_many_are_not(api: Api, people: People) -> None:
    assert (await api.get("accounts?colour=red", people.root)).status == 200
    assert invalid(await api.get(f"accounts?{'x=1&' * 500}", people.root), "query") == {
        "_schema": ["Too many parameters."]
    }


async def test_parameters_may_stand_in_a_body_and_those_of_the_query_count_before_them(
    api: Api, people: People
) -> None:
    got = await api.call("GET", "accounts", by=people.root, json={"page": 1, "per_page": 2})
    assert len(got.json["data"]) == 2
    got = await api.call("GET", "accounts?per-page=1", by=people.root, json={"page": 1, "per_page": 2})
    assert len(got.json["data"]) == 1
    for body in (b"", b"null", b"{}"):
        assert isinstance((await api.call("GET", "accounts", by=people.root, data=body)).json, list)
    assert (await api.call("GET", "accounts", by=people.root, data=b"{")).status == 400
    assert invalid(await api.call("GET", "accounts", by=people.root, data=b"[]")) == {
        "_schema": ["Not a valid mapping type."]
    }


async def test_accounts_of_a_role(api: Api, people: People) -> None:
    supplier = await api.account("Supplier Ltd", "Supplier", "Sailing club")
    got = (await api.get("accounts?role=Supplier", people.root)).json
    assert [(row["id"], row["account_roles"]) for row in got] == [(supplier.number, [3])]


# ------------------------------------------------------------------ making


async def test_an_admin_makes_an_account(api: Api, people: People) -> None:
    new = {
        "name": "Made by root",
        "attributes": '{"sector": "dairy"}',
        "primary_color": "#1a3443",
        "secondary_color": "#fff",
        "logo_url": "https://dairy.example/logo.png",
        "plan_id": 3,
        "consultancy_account_id": people.consultants.number,
    }
    got = await api.post("accounts", people.root, **new)
    assert got.status == 201
    assert "status" not in got.json
    assert got.json == new | {"id": got.json["id"], "account_roles": []}
    shown = await api.get(f"accounts/{got.json['id']}", people.adviser)
    assert shown.json == got.json | {"status": 200}
    async with api.process.database.reading(EVERY_ACCOUNT) as connection:
        events = await audit.list_events(connection, EVERY_ACCOUNT, about=("account", str(got.json["id"])))
    assert [(event.event, event.subject) for event in events] == [("account:created", people.root.subject)]


async def test_what_a_consultant_makes_becomes_a_client(api: Api, people: People) -> None:
    got = await api.post("accounts", people.adviser, name="New client")
    assert (got.status, got.json["consultancy_account_id"]) == (201, people.consultants.number)
    assert refused(await api.post("accounts", people.adviser, name="No", plan_id=1))
    assert refused(await api.post("accounts", people.adviser, name="No", consultancy_account_id=None))


async def test_nobody_else_makes_accounts(api: Api, people: People) -> None:
    lone = await api.user("lone", people.other, ["consultant"])
    for user in (people.chief, people.member, people.reader, lone):
        assert refused(await api.post("accounts", user, name="Mine"))


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        ({}, {"name": ["Missing data for required field."]}),
        ({"name": ""}, {"name": ["Shorter than minimum length 1."]}),
        ({"name": None}, {"name": ["Field may not be null."]}),
        ({"name": "x", "colour": "red"}, {"colour": ["Unknown field."]}),
        ({"name": "x", "primary_color": "#zz"}, {"primary_color": ["#zz is not a valid hex color code."]}),
        ({"name": "x", "logo_url": "javascript:alert(1)"}, {"logo_url": ["Not a valid URL."]}),
        ({"name": "x", "plan_id": 1 << 40}, {"plan_id": ["Must be less than or equal to 2147483647."]}),
        ({"name": "x", "attributes": "{"}, {"attributes": ["Not a valid JSON string."]}),
        ({"name": "x", "attributes": [1]}, {"attributes": ["Not a valid mapping type."]}),
        ({"name": "x", "attributes": "[1]"}, {"attributes": ["Not a valid mapping type."]}),
        (
            {"name": "x", "consultancy_account_id": NOT_THERE},
            {"consultancy_account_id": [f"No account found with ID {NOT_THERE}."]},
        ),
    ],
)
async def test_accounts_in_the_wrong_form(
    api: Api, people: People, values: dict[str, object], faults: dict[str, list[str]]
) -> None:
    assert invalid(await api.post("accounts", people.root, **values)) == faults


async def test_a_name_is_taken_once(api: Api, people: People) -> None:
    assert "name" in invalid(await api.post("accounts", people.root, name="Depot"))
    assert "name" in invalid(await api.patch(f"accounts/{people.other.number}", people.root, name="Depot"))


@pytest.mark.parametrize("name", [" blank", "two\nlines", "nul\x00"])
async def test_a_name_is_one_clean_line(api: Api, people: People, name: str) -> None:
    assert "name" in invalid(await api.post("accounts", people.root, name=name))


@pytest.mark.parametrize(
    "text",
    [
        b'{"x": NaN}',
        b'{"x": Infinity}',
        b'{"x": 1e999}',
        b'{"x": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"x": [[-Infinity]]}',
    ],
)
async def test_attributes_hold_only_what_can_be_kept(api: Api, people: People, text: bytes) -> None:
    for value in (text, orjson.dumps(text.decode())):
        body = b'{"name": "Odd", "attributes": ' + value + b"}"
        assert "attributes" in invalid(await api.call("POST", "accounts", by=people.root, data=body))


# ------------------------------------------------------------------ changing


async def test_members_change_names_attributes_and_looks(api: Api, people: People) -> None:
    account = await api.account("Changing")
    someone = await api.user("changer", account)
    changes = {
        "name": "Changed",
        "attributes": {"sector": "dairy", "n": [1, 2.5, None, "é"]},
        "primary_color": "#1a3443",
        "secondary_color": "#FFF",
        "logo_url": "https://dairy.example/logo.png",
    }
    got = await api.patch(f"accounts/{account.number}", someone, **changes)
    assert (got.status, got.json["status"]) == (200, 200)
    shown = (await api.get(f"accounts/{account.number}", someone)).json
    assert shown == got.json
    assert orjson.loads(shown["attributes"]) == changes["attributes"]
    assert {name: shown[name] for name in changes if name != "attributes"} == {
        name: value for name, value in changes.items() if name != "attributes"
    }
    again = await api.patch(f"accounts/{account.number}", someone, primary_color=None)
    assert again.json == shown | {"primary_color": None}, "what is left out stays"
    assert (await api.patch(f"accounts/{account.number}", someone)).json == again.json


async def test_plan_and_consultancy_are_the_sites_to_set(api: Api, people: People) -> None:
    path = f"accounts/{people.shop.number}"
    for values in ({"plan_id": 1}, {"consultancy_account_id": people.consultants.number}, {"plan_id": None}):
        for user in (people.shopkeeper, people.adviser):
            assert refused(await api.patch(path, user, **values))
    account = await api.account("Advised")
    path = f"accounts/{account.number}"
    assert refused(await api.get(path, people.adviser))
    got = await api.patch(path, people.root, consultancy_account_id=people.consultants.number, plan_id=2)
    assert (got.status, got.json["plan_id"]) == (200, 2)
    assert (await api.get(path, people.adviser)).json["consultancy_account_id"] == people.consultants.number
    assert (await api.patch(path, people.adviser, primary_color="#abc")).status == 200
    assert (await api.patch(path, people.root, consultancy_account_id=None)).status == 200
    assert refused(await api.get(path, people.adviser))


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        ({"primary_color": "#zz"}, {"primary_color": ["#zz is not a valid hex color code."]}),
        ({"id": 5}, {"id": ["Unknown field."]}),
        ({"name": None}, {"name": ["Field may not be null."]}),
        ({"attributes": None}, {"attributes": ["Field may not be null."]}),
        (
            {"consultancy_account_id": NOT_THERE},
            {"consultancy_account_id": [f"No account found with ID {NOT_THERE}."]},
        ),
    ],
)
async def test_changes_in_the_wrong_form(
    api: Api, people: People, values: dict[str, object], faults: dict[str, list[str]]
) -> None:
    assert invalid(await api.patch(f"accounts/{people.depot.number}", people.root, **values)) == faults


async def test_an_account_is_not_its_own_consultancy(api: Api, people: People) -> None:
    number = people.depot.number
    got = await api.patch(f"accounts/{number}", people.root, consultancy_account_id=number)
    assert "consultancy_account_id" in invalid(got)


async def test_strangers_and_readers_change_nothing(api: Api, people: People) -> None:
    path = f"accounts/{people.depot.number}"
    for user in (people.stranger, people.adviser, people.reader):
        assert refused(await api.patch(path, user, name="Stolen"))
    assert (await api.get(path, people.member)).json["name"] == "Depot"
    assert (await api.patch(f"accounts/{NOT_THERE}", people.root, name="x")).status == 404


# ------------------------------------------------------------------ what happened


async def test_what_happened_is_told_newest_first_to_those_who_lead(api: Api, people: People) -> None:
    account = await api.account("Watched", consultancy_account_id=people.consultants.account_id)
    leader = await api.user("watched-leader", account, ["account-admin"])
    worker = await api.user("watched-worker", account)
    assert (await api.patch(f"accounts/{account.number}", leader, primary_color="#abc")).status == 200
    path = f"accounts/{account.number}/auditlog"
    for user in (leader, people.adviser, people.root, people.reader):
        got = await api.get(path, user)
        assert got.status == 200
        assert set(got.json[0]) == {"event", "event_datetime", "active_user_id"}
        changed = next(row for row in got.json if row["event"] == "account:changed" and row["active_user_id"])
        assert changed["active_user_id"] == leader.number
        assert changed["event_datetime"].endswith("+00:00")
        made = next(row for row in got.json if row["event"] == "account:created")
        assert made["active_user_id"] is None, "made on the command line"
        moments = [row["event_datetime"] for row in got.json]
        assert moments == sorted(moments, reverse=True)
    assert refused(await api.get(path, worker))
    assert refused(await api.get(path, people.stranger))
    assert (await api.get(f"accounts/{NOT_THERE}/auditlog", people.root)).status == 404


async def test_a_change_that_fails_leaves_no_trace(api: Api, people: People) -> None:
    account = await api.account("Traceless")
    leader = await api.user("traceless", account, ["account-admin"])
    before = (await api.get(f"accounts/{account.number}/auditlog", leader)).json
    assert (await api.patch(f"accounts/{account.number}", leader, name="Depot")).status == 422
    assert (await api.get(f"accounts/{account.number}/auditlog", leader)).json == before


async def test_an_oauth_client_with_the_scope_is_a_member_without_roles(api: Api, people: People) -> None:
    """Even where its account is a consultancy and the client is called an admin."""
    from services.gateway.auth.identity import Identity
    from services.gateway.dialects.flexibility.permissions import caller_of

    identity = Identity(
        people.depot.account_id, "client:x", "client", frozenset({"flexibility"}), frozenset({"admin", "consultant"})
    )
    caller = caller_of(identity)
    assert (caller.is_admin, caller.is_consultant, caller.reads_everything) == (False, False, False)


async def test_disabled_accounts_are_still_shown_to_admins(api: Api, people: People) -> None:
    account = await api.account("Asleep")
    async with api.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        await administration.set_account_active(work, TESTER, account, is_active=False)
    assert (await api.get(f"accounts/{account.number}", people.root)).status == 200
