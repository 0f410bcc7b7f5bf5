"""Assets: who sees, makes, changes and deletes which, in which form they travel, and what is said of what cannot be."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import orjson
import pytest
import pytest_asyncio

from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import InvalidInput
from shared.identity import administration, audit
from shared.identity.principals import User
from tests.integration.gateway.flexibility.conftest import Api, People
from tests.integration.gateway.flexibility.test_accounts import invalid, refused
from tests.support.flexibility import make_asset, make_sensor
from tests.support.principals import TESTER

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOLAR, BATTERY, BUILDING = 1, 5, 6
NOT_THERE = 999_999_999
names = (f"Thing {number}" for number in itertools.count())


async def make(api: Api, by: User, account: Any = None, **values: Any) -> int:
    """An asset; its name is made up unless it is given."""
    body = {"name": next(names), "generic_asset_type_id": BUILDING} | values
    if account is not None:
        body["account_id"] = account.number
    got = await api.post("assets", by, **body)
    assert got.status == 201, got
    number: int = got.json["id"]
    return number


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tree(api: Api, people: People) -> dict[str, int]:
    """A depot with a hall and two batteries in it, the shop's building, and a public wind park."""
    depot = await make(api, people.chief, people.depot, name="Depot Noord")
    hall = await make(api, people.chief, people.depot, name="Hall", parent_asset_id=depot)
    return {
        "depot": depot,
        "hall": hall,
        "first": await make(api, people.member, name="One", parent_asset_id=hall, generic_asset_type_id=BATTERY),
        "second": await make(api, people.member, name="Two", parent_asset_id=hall, generic_asset_type_id=BATTERY),
        "shop": await make(api, people.shopkeeper, people.shop, name="Shop"),
        "public": await make(api, people.root, name="Wind of all", generic_asset_type_id=2),
    }


async def listed(api: Api, by: User, query: str = "") -> list[int]:
    got = await api.get(f"assets{query}", by)
    assert got.status == 200, got
    return [row["id"] for row in (got.json if isinstance(got.json, list) else got.json["data"])]


async def test_the_types_are_for_everybody_and_have_their_numbers(api: Api) -> None:
    got = await api.get("assets/types")
    assert got.status == 200
    assert [(row["id"], row["name"]) for row in got.json] == [
        (1, "solar"),
        (2, "wind"),
        (3, "one-way_evse"),
        (4, "two-way_evse"),
        (5, "battery"),
        (6, "building"),
        (7, "process"),
        (8, "heat-storage"),
    ]
    assert all(row["description"] for row in got.json)


async def test_one_asset_in_full(api: Api, people: People) -> None:
    parent = await make(api, people.chief, people.depot)
    body = {
        "name": "Cold store battery",
        "generic_asset_type_id": BATTERY,
        "account_id": people.depot.number,
        "parent_asset_id": parent,
        "latitude": 52.3702,
        "longitude": 4.8952,
        "description": "behind the hall",
        "external_id": "x-1",
        "attributes": {"b": 1, "a": [None, True, "é"]},
        "flex_model": {"soc-min": "20 kWh", "soc-max": "400 kWh", "power-capacity": "200 kW"},
        "flex_context": {"site-power-capacity": "250 kVA"},
    }
    made = await api.post("assets", people.chief, **body)
    assert made.status == 201
    expected = {
        "id": made.json["id"],
        "name": "Cold store battery",
        "account_id": people.depot.number,
        "owner": {"id": people.depot.number, "name": "Depot"},
        "generic_asset_type_id": BATTERY,
        "generic_asset_type": {"id": BATTERY, "name": "battery"},
        "parent_asset_id": parent,
        "child_assets": [],
        "sensors": [],
        "latitude": 52.3702,
        "longitude": 4.8952,
        "description": "behind the hall",
        "external_id": "x-1",
        "attributes": '{"b": 1, "a": [null, true, "é"]}',
        "flex_context": '{"site-power-capacity": "250 kVA"}',
        "flex_model": '{"soc-min": "20 kWh", "soc-max": "400 kWh", "power-capacity": "200 kW"}',
        "sensors_to_show": "[]",
        "sensors_to_show_as_kpis": "[]",
    }
    assert made.json == expected
    got = await api.get(f"assets/{made.json['id']}", people.member)
    assert (got.status, got.json) == (200, expected | {"status": 200})
    above = await api.get(f"assets/{parent}", people.member)
    assert above.json["child_assets"] == [
        {
            "id": made.json["id"],
            "name": "Cold store battery",
            "account_id": people.depot.number,
            "generic_asset_type": {"id": BATTERY, "name": "battery"},
        }
    ]


async def test_free_fields_are_taken_as_json_and_as_text_and_replaced_as_a_whole(api: Api, people: People) -> None:
    graphs = [{"title": "g", "plots": [{"sensors": []}]}]
    number = await make(
        api, people.chief, people.depot, attributes='{"a": 1}', sensors_to_show=orjson.dumps(graphs).decode()
    )
    got = await api.get(f"assets/{number}", people.chief)
    assert got.json["attributes"] == '{"a": 1}'
    assert orjson.loads(got.json["sensors_to_show"]) == graphs
    got = await api.patch(f"assets/{number}", people.member, attributes={"b": 2}, flex_model='{"soc-max": "10 kWh"}')
    assert (got.status, got.json["status"]) == (200, 200)
    assert (got.json["attributes"], got.json["flex_model"]) == ('{"b": 2}', '{"soc-max": "10 kWh"}')


async def test_an_asset_that_is_not_there_is_a_404_that_names_it(api: Api, people: People) -> None:
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/sensors"), ("GET", "/auditlog")):
        body: Any = {"name": "x"} if method == "PATCH" else ...
        got = await api.call(method, f"assets/{NOT_THERE}{path}", by=people.root, json=body)
        assert (got.status, got.json) == (404, {"message": f"No asset found with ID {NOT_THERE}.", "status": 404})
    assert (await api.get(f"assets/{'9' * 30}", people.root)).status == 404
    assert invalid(await api.get("assets/one", people.root), "path") == {"id": ["Not a valid integer."]}


# ------------------------------------------------------------------ who may do what


@pytest.mark.parametrize(
    ("who", "reads", "works_on"),
    [
        ("chief", {"depot", "public"}, {"depot"}),
        ("member", {"depot", "public"}, {"depot"}),
        ("stranger", {"public"}, set()),
        ("shopkeeper", {"shop", "public"}, {"shop"}),
        ("adviser", {"shop", "public"}, {"shop"}),
        ("reader", {"depot", "shop", "public"}, set()),
        ("root", {"depot", "shop", "public"}, {"depot", "shop", "public"}),
    ],
)
async def test_who_reads_and_changes_which_assets(
    api: Api, people: People, tree: dict[str, int], who: str, reads: set[str], works_on: set[str]
) -> None:
    user: User = getattr(people, who)
    everything = await listed(api, user, "?all_accessible=True&include_public=True")
    for name in ("depot", "shop", "public"):
        got = await api.get(f"assets/{tree[name]}", user)
        assert got.status == 200 if name in reads else refused(got), name
        assert (tree[name] in everything) == (name in reads)
        changed = await api.patch(f"assets/{tree[name]}", user, description=f"seen by {who}")
        assert changed.status == 200 if name in works_on else refused(changed), name
        below = await api.post("assets", user, name=f"of {who}", generic_asset_type_id=1, parent_asset_id=tree[name])
        assert below.status == 201 if name in works_on else refused(below), name


@pytest.mark.parametrize(
    ("who", "status"), [("chief", 201), ("member", 403), ("root", 201), ("reader", 422), ("stranger", 422)]
)
async def test_who_makes_an_asset_at_the_top_of_an_account(api: Api, people: People, who: str, status: int) -> None:
    user: User = getattr(people, who)
    got = await api.post("assets", user, name=next(names), generic_asset_type_id=1, account_id=people.depot.number)
    assert got.status == status
    if status == 422:
        assert invalid(got) == {"account_id": ["User is not allowed to create assets for this account."]}
    elif status == 403:
        assert refused(got)


async def test_a_consultant_makes_and_deletes_assets_of_a_client(api: Api, people: People) -> None:
    number = await make(api, people.adviser, people.shop)
    assert (await api.call("DELETE", f"assets/{number}", by=people.adviser)).status == 204


async def test_only_admins_of_the_site_make_public_assets(api: Api, people: People) -> None:
    for user in (people.chief, people.member, people.adviser, people.reader):
        assert refused(await api.post("assets", user, name=next(names), generic_asset_type_id=1))
    number = await make(api, people.root)
    got = await api.get(f"assets/{number}", people.stranger)
    assert (got.json["account_id"], got.json["owner"]) == (None, None)
    below = await make(api, people.root, parent_asset_id=number)
    assert (await api.get(f"assets/{below}", people.stranger)).json["account_id"] is None


async def test_an_account_admin_deletes_a_tree_and_a_member_does_not(api: Api, people: People) -> None:
    top = await make(api, people.chief, people.depot)
    below = await make(api, people.member, parent_asset_id=top)
    for user in (people.member, people.stranger, people.reader):
        assert refused(await api.call("DELETE", f"assets/{below}", by=user))
    got = await api.call("DELETE", f"assets/{top}", by=people.chief)
    assert (got.status, got.body, got.kind) == (204, b"", "application/json")
    assert (await api.get(f"assets/{below}", people.chief)).status == 404


# ------------------------------------------------------------------ lists


async def test_the_list_is_of_the_own_account_unless_more_is_asked_for(
    api: Api, people: People, tree: dict[str, int]
) -> None:
    own = await listed(api, people.member)
    assert own == sorted(own)
    assert {tree["depot"], tree["hall"]} <= set(own)
    assert not {tree["shop"], tree["public"]} & set(own)
    assert tree["public"] in await listed(api, people.member, "?include_public=true")
    assert tree["shop"] not in await listed(api, people.adviser)
    assert tree["shop"] in await listed(api, people.adviser, "?all_accessible=1")
    assert await listed(api, people.shopkeeper, f"?account_id={people.shop.number}") == await listed(
        api, people.adviser, f"?account={people.shop.number}"
    )


async def test_an_account_that_is_foreign_or_unknown(api: Api, people: People) -> None:
    assert refused(await api.get(f"assets?account={people.other.number}", people.chief))
    got = await api.get("assets?account=999999", people.chief)
    assert (got.status, got.json) == (404, {"message": "Account 999999 not found", "status": 404})


async def test_a_tree_and_how_deep(api: Api, people: People, tree: dict[str, int]) -> None:
    whole = [tree["depot"], tree["hall"], tree["first"], tree["second"]]
    depot = f"?root={tree['depot']}"
    assert set(whole) <= set(await listed(api, people.member, depot))
    assert await listed(api, people.member, f"{depot}&depth=0") == [tree["depot"]]
    assert tree["first"] not in await listed(api, people.member, f"{depot}&depth=1")
    assert tree["first"] in await listed(api, people.member, f"{depot}&depth=2")
    assert tree["shop"] in await listed(api, people.adviser, f"?root={tree['shop']}"), "of a client, without more"
    assert tree["public"] in await listed(api, people.member, f"?root={tree['public']}"), "and what is public"
    assert refused(await api.get(depot.join(["assets", ""]), people.stranger))
    text = {"root": [f"No asset found with ID {NOT_THERE}."]}
    assert invalid(await api.get(f"assets?root={NOT_THERE}", people.member), "query") == text
    assert "depth" in invalid(await api.get(f"assets{depot}&depth=-1", people.member), "query")


async def test_only_some_fields(api: Api, people: People, tree: dict[str, int]) -> None:
    query = f"?root={tree['hall']}&depth=1&asset_type=battery&fields=name|id|flex_context"
    got = (await api.get(f"assets{query}", people.member)).json
    assert got == [
        {"id": tree["first"], "name": "One", "flex_context": "{}"},
        {"id": tree["second"], "name": "Two", "flex_context": "{}"},
    ]
    paged = (await api.get(f"assets{query}&page=1&per-page=1", people.member)).json
    assert paged == {"data": got[:1], "num-records": 2, "filtered-records": 2, "status": 200}
    assert invalid(await api.get("assets?fields=id|nope", people.member), "query") == {
        "fields": ["Parameter 'nope' is not a valid asset field."]
    }


async def test_pages_words_and_orders(api: Api, people: People, tree: dict[str, int]) -> None:
    tops = f"?root={tree['depot']}&page=1&per-page=100&fields=id|name"
    found = (await api.get(f"assets{tops}&filter=one+depot", people.member)).json
    assert tree["first"] in {row["id"] for row in found["data"]}, "one word in the name, one in the account's"
    assert found["filtered-records"] < found["num-records"]
    down = await listed(api, people.member, f"{tops}&sort-by=name&sort-dir=desc")
    rows = (await api.get(f"assets?root={tree['depot']}", people.member)).json
    assert down == [row["id"] for row in sorted(rows, key=lambda row: row["name"].lower(), reverse=True)]
    by_owner = (await api.get("assets?all_accessible=1&include_public=1&sort-by=owner", people.root)).json
    owners = [row["owner"]["name"] for row in by_owner if row["owner"]]
    assert owners == sorted(owners, key=str.lower)
    assert by_owner[-1]["owner"] is None
    assert (await api.get("assets?page=999", people.member)).status == 404
    assert "sort-by" in invalid(await api.get("assets?sort-by=age", people.member), "query")


async def test_long_lists_are_whole(api: Api) -> None:
    account = await api.account("Many things")
    user = await api.user("keeper", account)
    top = await make_asset(api.process.database, account.account_id)
    below = [await make_asset(api.process.database, account.account_id, parent_asset_id=top) for _ in range(101)]
    made = [await make_sensor(api.process.database, account.account_id, top) for _ in range(101)]
    assert await listed(api, user) == [top, *below]
    assert await listed(api, user, "?page=1&per-page=1000") == [top, *below]
    whole = (await api.get(f"assets/{top}", user)).json
    assert [child["id"] for child in whole["child_assets"]] == below
    assert [row["id"] for row in (await api.get("sensors", user)).json] == made


async def test_public_assets_by_themselves(api: Api, people: People, tree: dict[str, int]) -> None:
    got = (await api.get("assets/public?fields=id|account_id", people.stranger)).json
    assert {"id": tree["public"], "account_id": None} in got
    assert all(row["account_id"] is None for row in got)


async def test_assets_are_counted(api: Api, people: People, tree: dict[str, int]) -> None:
    rows = (await api.get("accounts?page=1&per-page=100&sort-by=assets&sort-dir=desc", people.root)).json["data"]
    counts = {row["id"]: row["asset_count"] for row in rows}
    assert counts[people.depot.number] == len(await listed(api, people.chief))
    assert list(counts.values()) == sorted(counts.values(), reverse=True)


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        ({"name": None}, "name", "Field may not be null."),
        ({"name": ""}, "name", "Shorter than minimum length 1."),
        ({"name": "x" * 81}, "name", "Longer than maximum length 80."),
        ({"name": "a\x00b"}, "name", "Not a valid string."),
        ({"generic_asset_type_id": 999}, "generic_asset_type_id", "No asset type found with ID 999."),
        ({"generic_asset_type_id": "x"}, "generic_asset_type_id", "Not a valid integer."),
        ({"colour": 1}, "colour", "Unknown field."),
        ({"latitude": 91}, "latitude", "Must be less than or equal to 90.0."),
        ({"longitude": -181}, "longitude", "Must be greater than or equal to -180.0."),
        ({"latitude": 1.23456789}, "latitude", "Latitudes and longitudes are limited to 7 decimal places."),
        ({"latitude": "north"}, "latitude", "Not a valid number."),
        ({"account_id": 999_999}, "account_id", "No account found with ID 999999."),
        ({"parent_asset_id": NOT_THERE}, "parent_asset_id", f"No asset found with ID {NOT_THERE}."),
        ({"attributes": "[]"}, "attributes", "Not a valid mapping type."),
        ({"attributes": "{"}, "attributes", "Not a valid JSON string."),
        ({"sensors_to_show": {}}, "sensors_to_show", "Not a valid list."),
        ({"sensors_to_show": [NOT_THERE]}, "sensors_to_show", f"No sensor found with ID {NOT_THERE}."),
    ],
)
async def test_an_asset_that_cannot_be(api: Api, people: People, change: dict[str, Any], field: str, text: str) -> None:
    good = {"name": next(names), "generic_asset_type_id": SOLAR, "account_id": people.depot.number}
    assert invalid(await api.post("assets", people.chief, **(good | change))) == {field: [text]}


async def test_what_must_be_given_and_what_must_be_json(api: Api, people: People) -> None:
    missing = ["Missing data for required field."]
    assert invalid(await api.post("assets", people.chief)) == {"name": missing, "generic_asset_type_id": missing}
    assert (await api.call("POST", "assets", by=people.chief, data=b"{")).status == 400


@pytest.mark.parametrize("kpi", [{"title": "t", "sensor": 1}, {"title": "t", "sensor": 1, "function": "median"}, 7])
async def test_key_figures_have_their_form(api: Api, people: People, kpi: object) -> None:
    number = await make(api, people.chief, people.depot)
    assert "sensors_to_show_as_kpis" in invalid(
        await api.patch(f"assets/{number}", people.chief, sensors_to_show_as_kpis=[kpi])
    )


@pytest.mark.parametrize("graph", ["7", {"title": 7, "sensor": 1}, {"title": "t"}, {"plots": 1}, {"plots": [{}]}, True])
async def test_graphs_have_their_form(api: Api, people: People, graph: object) -> None:
    number = await make(api, people.chief, people.depot)
    assert "sensors_to_show" in invalid(await api.patch(f"assets/{number}", people.chief, sensors_to_show=[graph]))


@pytest.mark.parametrize(
    ("field", "value", "inner"),
    [
        ("flex_model", {"power-capacity": "5 kWh"}, "power-capacity"),
        ("flex_model", {"soc-minima": [{"value": "1 kWh", "datetime": "2024-01-01T00:00:00+00:00"}]}, "soc-minima"),
        ("flex_model", {"soc-mini": "1 kWh"}, "soc-mini"),
        ("flex_context", {"consumption-price": "0.2 EUR/kWh"}, "consumption-price"),
        ("flex_context", {"consumption-price": {"sensor": NOT_THERE}}, "consumption-price"),
    ],
)
async def test_configuration_that_cannot_be_stored(
    api: Api, people: People, field: str, value: object, inner: str
) -> None:
    number = await make(api, people.chief, people.depot)
    for got in (
        await api.patch(f"assets/{number}", people.chief, **{field: value}),
        await api.post(
            "assets", people.chief, name=next(names), generic_asset_type_id=5, parent_asset_id=number, **{field: value}
        ),
    ):
        assert list(invalid(got)) == [field]
        assert list(got.json["message"]["json"][field]) == [inner]
    assert (await api.get(f"assets/{number}", people.chief)).json[field] == "{}", "nothing half-done"


async def test_configuration_names_sensors_that_the_caller_may_read(api: Api, people: People) -> None:
    theirs = await make(api, people.stranger, people.other)
    sensor = await api.post(
        "sensors", people.stranger, name="price", unit="EUR/MWh", event_resolution="PT1H", generic_asset_id=theirs
    )
    number = await make(api, people.chief, people.depot)
    context = {"consumption-price": {"sensor": sensor.json["id"]}}
    assert refused(await api.patch(f"assets/{number}", people.chief, flex_context=context))
    assert refused(await api.patch(f"assets/{number}", people.chief, sensors_to_show=[sensor.json["id"]]))
    assert (await api.patch(f"assets/{number}", people.root, flex_context=context)).status == 200


async def test_configuration_names_assets_that_the_caller_may_read(api: Api, people: People) -> None:
    theirs = await make(api, people.stranger, people.other)
    number = await make(api, people.chief, people.depot)
    assert refused(await api.patch(f"assets/{number}", people.chief, flex_model={"group": {"asset": theirs}}))
    shown = [{"title": "t", "plots": [{"asset": NOT_THERE, "flex-context": "x"}]}]
    text = [f"No asset found with ID {NOT_THERE}."]
    got = await api.patch(
        f"assets/{number}", people.chief, flex_model={"group": {"asset": NOT_THERE}}, sensors_to_show=shown
    )
    assert invalid(got) == {"flex_model": text, "sensors_to_show": text}


async def test_output_sensors_are_told_their_sign(api: Api, people: People) -> None:
    number = await make(api, people.chief, people.depot)
    outputs = []
    for name, attributes in (("used", '{"a": 1}'), ("made", '{"consumption_is_positive": true, "b": 2}')):
        body = {"name": name, "unit": "kW", "event_resolution": "PT15M", "generic_asset_id": number}
        outputs.append((await api.post("sensors", people.chief, **body, attributes=attributes)).json["id"])
    model = {"consumption": {"sensor": outputs[0]}, "production": {"sensor": outputs[1]}}
    assert (await api.patch(f"assets/{number}", people.member, flex_model=model)).status == 200
    told = [orjson.loads((await api.get(f"sensors/{one}", people.member)).json["attributes"]) for one in outputs]
    assert told == [{"a": 1, "consumption_is_positive": True}, {"consumption_is_positive": False, "b": 2}]


async def test_a_name_is_taken_among_those_beside_it(api: Api, people: People) -> None:
    top = await make(api, people.chief, people.depot, name="Taken")
    await make(api, people.chief, parent_asset_id=top, name="Taken")
    await make(api, people.stranger, people.other, name="Taken")
    public = await make(api, people.root, name="Taken")
    text = {"name": ["There is an asset named 'Taken' in the same place already."]}
    for user, more in (
        (people.chief, {"account_id": people.depot.number}),
        (people.member, {"parent_asset_id": top}),
        (people.root, {}),
    ):
        got = await api.post("assets", user, name="Taken", generic_asset_type_id=1, **more)
        assert invalid(got) == text
    other = await make(api, people.root)
    assert invalid(await api.patch(f"assets/{other}", people.root, name="Taken")) == text
    assert (await api.patch(f"assets/{public}", people.root, name="Taken")).status == 200, "its own name"


async def test_what_may_not_be_patched(api: Api, people: People) -> None:
    number = await make(api, people.chief, people.depot)
    for field in ("id", "account_id", "owner"):
        got = await api.patch(f"assets/{number}", people.chief, **{field: 1})
        assert invalid(got) == {field: ["Unknown field."]}
    assert invalid(await api.patch(f"assets/{number}", people.chief)) == {"_schema": ["No JSON data provided."]}


async def test_an_asset_moves_within_its_account_and_never_below_itself(
    api: Api, people: People, tree: dict[str, int]
) -> None:
    top = await make(api, people.chief, people.depot)
    below = await make(api, people.chief, parent_asset_id=top)
    lowest = await make(api, people.chief, parent_asset_id=below)
    for parent in (top, below, lowest):
        got = await api.patch(f"assets/{top}", people.chief, parent_asset_id=parent)
        assert invalid(got) == {"parent_asset_id": ["An asset cannot be below itself."]}
    got = await api.patch(f"assets/{lowest}", people.root, parent_asset_id=tree["shop"])
    assert invalid(got) == {"parent_asset_id": ["The parent asset must belong to the same account."]}
    assert refused(await api.patch(f"assets/{lowest}", people.chief, parent_asset_id=tree["shop"]))
    assert (await api.patch(f"assets/{lowest}", people.member, parent_asset_id=top)).json["parent_asset_id"] == top
    assert refused(await api.patch(f"assets/{lowest}", people.member, parent_asset_id=None)), "to the top"
    assert (await api.patch(f"assets/{lowest}", people.chief, parent_asset_id=None)).json["parent_asset_id"] is None


async def test_two_who_move_assets_below_each_other_make_no_circle(api: Api, people: People) -> None:
    for _ in range(5):
        one, other = await make(api, people.chief, people.depot), await make(api, people.chief, people.depot)
        got = await asyncio.gather(
            api.patch(f"assets/{one}", people.chief, parent_asset_id=other),
            api.patch(f"assets/{other}", people.chief, parent_asset_id=one),
        )
        assert sorted(each.status for each in got) == [200, 422]


async def test_a_parent_that_goes_meanwhile_is_told_of(api: Api, people: People) -> None:
    with pytest.raises(InvalidInput, match="deleted meanwhile") as found:
        await make_asset(api.process.database, people.depot.account_id, parent_asset_id=NOT_THERE)
    assert found.value.field == "parent_asset_id"
    with pytest.raises(InvalidInput, match="deleted meanwhile") as found:
        await make_sensor(api.process.database, people.depot.account_id, NOT_THERE)
    assert found.value.field == "generic_asset_id"


async def test_a_parent_of_another_account(api: Api, people: People, tree: dict[str, int]) -> None:
    got = await api.post(
        "assets",
        people.root,
        name="x",
        generic_asset_type_id=1,
        account_id=people.depot.number,
        parent_asset_id=tree["shop"],
    )
    assert invalid(got) == {"parent_asset_id": ["The parent asset must belong to the same account."]}


# ------------------------------------------------------------------ what happened


async def test_each_change_is_in_the_audit_record_of_asset_and_account(api: Api, people: People) -> None:
    number = await make(api, people.chief, people.depot)
    assert (await api.patch(f"assets/{number}", people.member, description="new")).status == 200
    sensor = await api.post(
        "sensors", people.member, name="power", unit="kW", event_resolution="PT15M", generic_asset_id=number
    )
    assert (await api.call("DELETE", f"sensors/{sensor.json['id']}", by=people.chief)).status == 204
    got = await api.get(f"assets/{number}/auditlog?page=1", people.chief)
    assert [(row["event"], row["active_user_id"], row["active_user_name"]) for row in got.json["data"]] == [
        ("sensor:deleted", people.chief.number, people.chief.username),
        ("sensor:created", people.member.number, people.member.username),
        ("asset:changed", people.member.number, people.member.username),
        ("asset:created", people.chief.number, people.chief.username),
    ]
    assert (got.json["num-records"], got.json["status"]) == (4, 200)
    assert all("event_datetime" in row for row in got.json["data"])
    only = await api.get(f"assets/{number}/auditlog?filter=sensor:&sort-by=event_datetime&per-page=1", people.root)
    assert [row["event"] for row in only.json["data"]] == ["sensor:created"]
    assert (await api.get(f"assets/{number}/auditlog?page=9", people.chief)).status == 404
    for user in (people.member, people.stranger):
        assert refused(await api.get(f"assets/{number}/auditlog", user))
    assert (await api.call("DELETE", f"assets/{number}", by=people.chief)).status == 204
    account = await api.get(f"accounts/{people.depot.number}/auditlog", people.chief)
    assert account.json[0]["event"] == "asset:deleted"
    async with api.process.database.reading(EVERY_ACCOUNT) as connection:
        events = await audit.list_events(connection, people.depot.account_id, about=("asset", str(number)))
    assert events[1].details == {"fields": ["description"]}


async def test_who_changes_a_public_asset_is_recorded_with_their_account(api: Api, people: People) -> None:
    number = await make(api, people.root)
    got = await api.get(f"assets/{number}/auditlog", people.reader)
    assert [row["event"] for row in got.json["data"]] == ["asset:created"]
    assert refused(await api.get(f"assets/{number}/auditlog", people.chief))
    events = (await api.get(f"accounts/{people.site.number}/auditlog", people.root)).json
    assert events[0]["event"] == "asset:created"


async def test_an_asset_of_an_account_that_was_deleted_is_gone(api: Api, people: People) -> None:
    account = await api.account("Short-lived")
    user = await api.user("short", account, ["account-admin"])
    number = await make(api, user, account)

    async with api.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        await administration.delete_account(work, TESTER, account)
    assert (await api.get(f"assets/{number}", people.root)).status == 404
