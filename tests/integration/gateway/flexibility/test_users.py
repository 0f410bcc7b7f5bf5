"""Users: who sees whom, what may be changed by whom, and what is said of what cannot be."""

from __future__ import annotations

import pytest

from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import administration, audit
from shared.identity.principals import User
from tests.integration.gateway.flexibility.conftest import Api, People
from tests.integration.gateway.flexibility.test_accounts import NOT_THERE, invalid, refused
from tests.support.principals import PASSWORD, TESTER

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN, ADMIN_READER, ACCOUNT_ADMIN, CONSULTANT = 1, 2, 3, 4


async def test_a_plain_list_of_the_own_account_with_roles_by_name(api: Api, people: People) -> None:
    rows = (await api.get("users", people.member)).json
    assert {row["email"] for row in rows} == {people.chief.email, people.member.email}
    row = next(row for row in rows if row["id"] == people.chief.number)
    seen = row.pop("last_seen_at"), row.pop("last_login_at")
    assert all(moment is None or moment.endswith("+00:00") for moment in seen)
    assert row == {
        "id": people.chief.number,
        "email": people.chief.email,
        "username": "chief",
        "account_id": people.depot.number,
        "account": {"id": people.depot.number, "name": "Depot"},
        "active": True,
        "flexmeasures_roles": ["account-admin"],
        "timezone": "UTC",
    }


async def test_one_user_has_roles_by_number_and_no_nested_account(api: Api, people: People) -> None:
    got = await api.get(f"users/{people.chief.number}", people.member)
    assert (got.status, got.json["status"]) == (200, 200)
    assert got.json["flexmeasures_roles"] == [ACCOUNT_ADMIN]
    assert "account" not in got.json
    assert got.json["account_id"] == people.depot.number


@pytest.mark.parametrize("who", ["chief", "member", "stranger", "adviser", "shopkeeper", "root", "reader"])
async def test_everybody_sees_themselves(api: Api, people: People, who: str) -> None:
    user: User = getattr(people, who)
    assert user.email in [row["email"] for row in (await api.get("users", user)).json]
    assert (await api.get(f"users/{user.number}", user)).json["email"] == user.email


@pytest.mark.parametrize(
    ("who", "sees"),
    [("member", False), ("stranger", False), ("adviser", True), ("shopkeeper", True), ("root", True), ("reader", True)],
)
async def test_who_sees_the_users_of_an_account(api: Api, people: People, who: str, sees: bool) -> None:
    user: User = getattr(people, who)
    listed = await api.get(f"users?account={people.shop.number}", user)
    one = await api.get(f"users/{people.shopkeeper.number}", user)
    if sees:
        assert [row["id"] for row in listed.json] == [people.shopkeeper.number]
        assert one.json["email"] == people.shopkeeper.email
    else:
        assert refused(listed)
        nobody = await api.get(f"users/{NOT_THERE}", user)
        assert one.status == nobody.status == 404
        assert one.body.replace(str(people.shopkeeper.number).encode(), b"N") == nobody.body.replace(
            str(NOT_THERE).encode(), b"N"
        ), "as if there were nobody"


async def test_a_user_that_is_not_there_is_a_404_that_names_them(api: Api, people: People) -> None:
    got = await api.get(f"users/{NOT_THERE}", people.root)
    assert (got.status, got.json) == (404, {"message": f"User {NOT_THERE} not found", "status": 404})
    got = await api.get(f"users?account={NOT_THERE}", people.root)
    assert (got.status, got.json) == (404, {"message": f"Account {NOT_THERE} not found", "status": 404})


async def test_inactive_users_are_listed_on_request(api: Api, people: People) -> None:
    account = await api.account("Half asleep")
    awake, asleep = await api.user("awake", account), await api.user("asleep", account)
    async with api.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        await administration.set_user_active(work, TESTER, asleep, is_active=False)
    assert [row["id"] for row in (await api.get("users", awake)).json] == [awake.number]
    for spelling in ("true", "True", "1", "on", "yes"):
        rows = (await api.get(f"users?include_inactive={spelling}", awake)).json
        assert {row["id"]: row["active"] for row in rows} == {awake.number: True, asleep.number: False}
    for spelling in ("false", "False", "0", "off", "no"):
        assert len((await api.get(f"users?include_inactive={spelling}", awake)).json) == 1
    got = await api.get("users?include_inactive=maybe", awake)
    assert invalid(got, "query") == {"include_inactive": ["Not a valid boolean."]}


async def test_pages_filters_and_orders(api: Api, people: People) -> None:
    account = await api.account("Crowd")
    crowd = [await api.user(name, account) for name in ("anna", "Bert", "cecil", "diana")]

    async def names(query: str) -> list[str]:
        got = await api.get(f"users?page=1&{query}", crowd[0])
        assert got.json["num-records"] == 4
        assert got.json["filtered-records"] >= len(got.json["data"])
        return [row["username"] for row in got.json["data"]]

    assert await names("") == ["anna", "Bert", "cecil", "diana"]
    assert await names("sort-by=username&sort-dir=desc") == ["diana", "cecil", "Bert", "anna"]
    assert await names("sort-by=email") == ["anna", "Bert", "cecil", "diana"]
    assert await names("filter=AN") == ["anna", "diana"]
    assert await names("filter=an+di") == ["diana"]
    assert await names("filter=bert%40people") == ["Bert"]
    assert await names(f"filter={crowd[2].number}") == ["cecil"]
    assert await names("per-page=3&sort-by=username") == ["anna", "Bert", "cecil"]
    assert await names("sort-by=lastLogin") != []
    assert await names("sort-by=lastSeen&sort-dir=desc") != []
    second = await api.get("users?page=2&per-page=3&sort-by=username", crowd[0])
    assert [row["username"] for row in second.json["data"]] == ["diana"]
    assert (await api.get("users?page=3&per-page=3", crowd[0])).status == 404
    empty = await api.get("users?page=1&filter=nobody", crowd[0])
    assert (empty.status, empty.json["data"], empty.json["filtered-records"]) == (200, [], 0)


async def test_the_last_login_is_told(api: Api, people: People) -> None:
    user = await api.user("latecomer", people.other)
    assert (await api.get(f"users/{user.number}", people.root)).json["last_login_at"] is None
    credentials = {"email": user.email, "password": PASSWORD}
    assert (await api.call("POST", "/api/requestAuthToken", json=credentials)).status == 200
    assert (await api.get(f"users/{user.number}", people.root)).json["last_login_at"].endswith("+00:00")


# ------------------------------------------------------------------ making


async def test_a_new_user_has_no_password_until_one_is_set(api: Api, people: People) -> None:
    got = await api.post("users", people.chief, email="new@depot.example", account_id=people.depot.number)
    assert got.status == 201
    assert got.json == {
        "id": got.json["id"],
        "email": "new@depot.example",
        "username": "new",
        "account_id": people.depot.number,
        "active": True,
        "flexmeasures_roles": [],
        "timezone": "UTC",
        "last_login_at": None,
        "last_seen_at": None,
    }
    for password in ("", PASSWORD):
        credentials = {"email": "new@depot.example", "password": password}
        assert (await api.call("POST", "/api/requestAuthToken", json=credentials)).status == 401
    async with api.process.database.reading(EVERY_ACCOUNT) as connection:
        events = await audit.list_events(connection, people.depot.account_id, about=("user", str(got.json["id"])))
    assert ("user:created", people.chief.subject) in [(event.event, event.subject) for event in events]


@pytest.mark.parametrize(
    ("who", "may"),
    [
        ("root", True),
        ("adviser", True),
        ("shopkeeper", True),
        ("member", False),
        ("reader", False),
        ("stranger", False),
    ],
)
async def test_who_makes_users(api: Api, people: People, who: str, may: bool) -> None:
    user: User = getattr(people, who)
    got = await api.post(
        "users", user, email=f"made-by-{who}@shop.example", username=f"by {who}", account_id=people.shop.number
    )
    assert (got.status, got.json["username"]) == (201, f"by {who}") if may else refused(got)


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        ({}, {"email": ["Missing data for required field."], "account_id": ["Missing data for required field."]}),
        ({"email": "nobody", "account_id": 1}, {"email": ["Not a valid email address."]}),
        ({"email": "a@b.example", "account_id": "x"}, {"account_id": ["Not a valid integer."]}),
        ({"email": "a@b.example", "account_id": 1, "password": "p"}, {"password": ["Unknown field."]}),
        ({"email": "a@b.example", "account_id": NOT_THERE}, {"account_id": [f"No account found with ID {NOT_THERE}."]}),
        ({"email": "a@b.example", "account_id": 1, "username": ""}, {"username": ["Shorter than minimum length 1."]}),
    ],
)
async def test_users_in_the_wrong_form(
    api: Api, people: People, values: dict[str, object], faults: dict[str, list[str]]
) -> None:
    assert invalid(await api.post("users", people.root, **values)) == faults


async def test_addresses_and_usernames_are_taken_once(api: Api, people: People) -> None:
    number = people.depot.number
    taken = await api.post("users", people.chief, email=people.stranger.email.upper(), account_id=number)
    assert list(invalid(taken)) == ["email"]
    taken = await api.post("users", people.chief, email="fresh@depot.example", username="CHIEF", account_id=number)
    assert list(invalid(taken)) == ["username"]
    path = f"users/{people.member.number}"
    assert list(invalid(await api.patch(path, people.member, email=people.stranger.email))) == ["email"]
    assert list(invalid(await api.patch(path, people.member, username="stranger"))) == ["username"]


# ------------------------------------------------------------------ changing


async def test_users_change_their_own_names_and_time_zone(api: Api, people: People) -> None:
    user = await api.user("mobile", people.depot)
    changes = {"email": "moved@depot.example", "username": "moved", "timezone": "Europe/Paris"}
    got = await api.patch(f"users/{user.number}", user, **changes)
    assert (got.status, got.json["status"]) == (200, 200)
    assert {name: got.json[name] for name in changes} == changes
    assert (await api.get(f"users/{user.number}", user)).json == got.json
    assert (await api.get("users", user)).status == 200, "and stay signed in"
    same = await api.patch(f"users/{user.number}", user, active=True, flexmeasures_roles=[], **changes)
    assert same.json == got.json, "to be told what is so already is no change"


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        ({"timezone": "Mars"}, {"timezone": ["Timezone Mars doesn't exist."]}),
        ({"timezone": "../../etc/passwd"}, {"timezone": ["Timezone ../../etc/passwd doesn't exist."]}),
        ({"email": "nobody"}, {"email": ["Not a valid email address."]}),
        ({"active": None}, {"active": ["Field may not be null."]}),
        ({"active": "perhaps"}, {"active": ["Not a valid boolean."]}),
        ({"password": "x"}, {"password": ["Unknown field."]}),
        ({"account_id": 1}, {"account_id": ["Unknown field."]}),
        ({"flexmeasures_roles": "admin"}, {"flexmeasures_roles": ["Not a valid list."]}),
        ({"flexmeasures_roles": [3, "x"]}, {"flexmeasures_roles": {"1": ["Not a valid integer."]}}),
        (
            {"flexmeasures_roles": [3, 0, 5]},
            {"flexmeasures_roles": {"1": ["No role found with ID 0."], "2": ["No role found with ID 5."]}},
        ),
    ],
)
async def test_changes_in_the_wrong_form(api: Api, people: People, values: dict[str, object], faults: object) -> None:
    assert invalid(await api.patch(f"users/{people.member.number}", people.root, **values)) == faults


async def test_who_changes_a_user(api: Api, people: People) -> None:
    other = await api.user("assistant", people.shop)
    path = f"users/{other.number}"
    for number, user in enumerate((people.shopkeeper, people.adviser, people.root, other)):
        assert (await api.patch(path, user, username=f"assistant {number}")).status == 200
    peer = await api.user("peer", people.shop)
    for user in (peer, people.reader):
        assert refused(await api.patch(path, user, username="stolen"))
    assert (await api.patch(path, people.stranger, username="stolen")).status == 404
    assert (await api.patch(f"users/{NOT_THERE}", people.root, username="x")).status == 404


@pytest.mark.parametrize("role", ["admin", "admin-reader"])
async def test_who_reaches_the_whole_site_is_changed_by_its_admins_alone(api: Api, people: People, role: str) -> None:
    guest = await api.user(f"guest-{role}", people.shop, [role])
    for somebody in (people.shopkeeper, people.adviser):
        for values in ({"active": False}, {"email": "taken.over@people.example"}, {"username": "nobody"}):
            assert refused(await api.patch(f"users/{guest.number}", somebody, **values))
        assert refused(await api.patch(f"users/{guest.number}/password-reset", somebody))
    shown = (await api.get(f"users/{guest.number}", people.root)).json
    assert (shown["active"], shown["email"], shown["username"]) == (True, guest.email, guest.username)
    assert (await api.patch(f"users/{guest.number}", people.root, active=False)).status == 200


async def test_nobody_changes_whether_they_are_active_or_their_own_roles(api: Api, people: People) -> None:
    for user in (people.chief, people.member, people.root, people.adviser):
        assert refused(await api.patch(f"users/{user.number}", user, active=False))
        assert refused(await api.patch(f"users/{user.number}", user, flexmeasures_roles=[ADMIN_READER]))
        assert (await api.get(f"users/{user.number}", user)).json["active"] is True


async def test_a_user_is_let_in_again(api: Api, people: People) -> None:
    user = await api.user("returning", people.depot)
    path = f"users/{user.number}"
    assert (await api.get("users", user)).status == 200
    assert (await api.patch(path, people.chief, active=False)).json["active"] is False
    assert (await api.get("users", user)).status == 401
    assert (await api.patch(path, people.chief, active=True)).json["active"] is True
    credentials = {"email": user.email, "password": PASSWORD}
    assert (await api.call("POST", "/api/requestAuthToken", json=credentials)).status == 200


@pytest.mark.parametrize(
    ("role", "given_by"),
    [
        (ADMIN, set()),
        (ADMIN_READER, {"root"}),
        (ACCOUNT_ADMIN, {"root", "adviser"}),
        (CONSULTANT, {"root", "shopkeeper"}),
    ],
)
async def test_who_gives_and_takes_which_role(api: Api, people: People, role: int, given_by: set[str]) -> None:
    user = await api.user(f"candidate{role}", people.shop)
    path = f"users/{user.number}"
    for who in ("root", "adviser", "shopkeeper"):
        giver: User = getattr(people, who)
        got = await api.patch(path, giver, flexmeasures_roles=[role, role])
        assert got.json["flexmeasures_roles"] == [role] if who in given_by else refused(got), who
        if who in given_by:
            assert (await api.patch(path, giver, flexmeasures_roles=[])).json["flexmeasures_roles"] == []
    holder = await api.user(
        f"holder{role}", people.shop, [("admin", "admin-reader", "account-admin", "consultant")[role - 1]]
    )
    for who in {"root", "adviser", "shopkeeper"} - given_by:
        assert refused(await api.patch(f"users/{holder.number}", getattr(people, who), flexmeasures_roles=[])), who


async def test_roles_keep_their_order_and_are_named_in_lists(api: Api, people: People) -> None:
    user = await api.user("many", people.shop)
    got = await api.patch(f"users/{user.number}", people.root, flexmeasures_roles=[CONSULTANT, ADMIN_READER])
    assert got.json["flexmeasures_roles"] == [ADMIN_READER, CONSULTANT]
    rows = (await api.get(f"users?account={people.shop.number}", people.root)).json
    assert next(row for row in rows if row["id"] == user.number)["flexmeasures_roles"] == ["admin-reader", "consultant"]


async def test_a_refused_change_changes_nothing(api: Api, people: People) -> None:
    user = await api.user("steady", people.shop)
    path = f"users/{user.number}"
    before = (await api.get(path, user)).json
    assert refused(await api.patch(path, people.shopkeeper, username="x", flexmeasures_roles=[ADMIN]))
    assert "timezone" in invalid(await api.patch(path, people.shopkeeper, username="x", timezone="Mars"))
    assert (await api.get(path, user)).json == before


# ------------------------------------------------------------------ passwords and what happened


async def test_a_reset_password_lets_nobody_in(api: Api, people: People) -> None:
    user = await api.user("forgetful", people.depot)
    assert (await api.get("users", user)).status == 200
    got = await api.call("PATCH", f"users/{user.number}/password-reset", by=people.chief)
    assert (got.status, got.json["status"]) == (200, 200)
    assert (await api.get("users", user)).status == 401
    credentials = {"email": user.email, "password": PASSWORD}
    refusal = await api.call("POST", "/api/requestAuthToken", json=credentials)
    assert (refusal.status, refusal.json["errors"]) == (401, ["User password does not match."])


async def test_who_resets_a_password(api: Api, people: People) -> None:
    user = await api.user("reset", people.shop)
    path = f"users/{user.number}/password-reset"
    peer = await api.user("resetting", people.shop)
    for somebody in (peer, people.reader):
        assert refused(await api.patch(path, somebody))
    assert (await api.patch(path, people.stranger)).status == 404
    assert (await api.patch(f"users/{NOT_THERE}/password-reset", people.root)).status == 404
    for somebody in (people.shopkeeper, people.adviser, people.root):
        assert (await api.patch(path, somebody)).status == 200


async def test_what_a_user_did_and_what_was_done_to_them(api: Api, people: People) -> None:
    account = await api.account("Diary", consultancy_account_id=people.consultants.account_id)
    leader, writer = await api.user("leader", account, ["account-admin"]), await api.user("writer", account)
    assert (await api.patch(f"users/{writer.number}", leader, timezone="Europe/Oslo")).status == 200
    assert (await api.patch(f"accounts/{account.number}", writer, primary_color="#abc")).status == 200
    path = f"users/{writer.number}/auditlog"
    for user in (writer, leader, people.adviser, people.root, people.reader):
        got = (await api.get(path, user)).json
        assert set(got) == {"data", "num-records", "filtered-records", "status"}
        assert set(got["data"][0]) == {"event", "event_datetime", "active_user_id", "active_user_name"}
        found = {(row["event"], row["active_user_id"], row["active_user_name"]) for row in got["data"]}
        assert {("user:changed", leader.number, "leader"), ("account:changed", writer.number, "writer")} <= found
        assert ("user:created", None, None) in found
    peer = await api.user("nosy", account)
    assert refused(await api.get(path, peer))
    assert (await api.get(path, people.stranger)).status == 404
    assert (await api.get(f"users/{leader.number}/auditlog", writer)).status == 403


async def test_pages_of_what_happened(api: Api, people: People) -> None:
    account = await api.account("Long diary")
    user = await api.user("busy", account, ["account-admin"])
    for number in range(12):
        assert (await api.patch(f"users/{user.number}", user, username=f"busy {number}")).status == 200
    path = f"users/{user.number}/auditlog"
    first = (await api.get(path, user)).json
    assert (len(first["data"]), first["num-records"]) == (10, first["filtered-records"])
    assert first["num-records"] >= 13
    moments = [row["event_datetime"] for row in first["data"]]
    assert moments == sorted(moments, reverse=True)
    oldest = (await api.get(f"{path}?sort-by=event_datetime&sort-dir=asc&per-page=1", user)).json
    assert [row["event"] for row in oldest["data"]] == ["user:created"]
    found = (await api.get(f"{path}?filter=created", user)).json
    assert (found["filtered-records"], found["num-records"]) == (1, first["num-records"])
    assert (await api.get(f"{path}?page=99", user)).status == 404


async def test_what_a_consultant_does_elsewhere_is_not_told_at_home(api: Api, people: People) -> None:
    adviser = await api.user("traveller", people.consultants, ["consultant"])
    assert (await api.patch(f"accounts/{people.shop.number}", adviser, primary_color="#123")).status == 200
    events = [row["event"] for row in (await api.get(f"users/{adviser.number}/auditlog", adviser)).json["data"]]
    assert "account:changed" not in events
    abroad = (await api.get(f"accounts/{people.shop.number}/auditlog", people.shopkeeper)).json
    assert ("account:changed", adviser.number) in [(row["event"], row["active_user_id"]) for row in abroad]
