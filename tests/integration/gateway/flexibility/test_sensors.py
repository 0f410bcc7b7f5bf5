"""Sensors: who sees, makes, changes and deletes which, and what is said of what cannot be."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import pytest_asyncio

from shared.identity.principals import User
from tests.integration.gateway.flexibility.conftest import Api, People
from tests.integration.gateway.flexibility.test_accounts import invalid, refused
from tests.integration.gateway.flexibility.test_assets import NOT_THERE, make

pytestmark = pytest.mark.asyncio(loop_scope="module")

names = (f"power {number}" for number in itertools.count())


async def add(api: Api, by: User, asset: int, **values: Any) -> int:
    """A sensor; its name is made up unless it is given."""
    body = {"name": next(names), "unit": "kW", "event_resolution": "PT15M", "generic_asset_id": asset} | values
    got = await api.post("sensors", by, **body)
    assert got.status == 201, got
    number: int = got.json["id"]
    return number


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def assets(api: Api, people: People) -> dict[str, int]:
    """A depot with a hall in it, the shop's building, and a public asset."""
    depot = await make(api, people.chief, people.depot, name="Depot Noord")
    return {
        "depot": depot,
        "hall": await make(api, people.chief, name="Hall", parent_asset_id=depot),
        "shop": await make(api, people.shopkeeper, people.shop),
        "public": await make(api, people.root),
    }


async def listed(api: Api, by: User, query: str = "") -> list[int]:
    got = await api.get(f"sensors{query}", by)
    assert got.status == 200, got
    return [row["id"] for row in (got.json if isinstance(got.json, list) else got.json["data"])]


async def test_one_sensor_in_full(api: Api, people: People, assets: dict[str, int]) -> None:
    made = await api.call(
        "POST",
        "sensors",
        by=people.member,
        headers={"Host": "api.Example.com:8443"},
        json={
            "name": "in full",
            "unit": "kW",
            "event_resolution": "PT15M",
            "generic_asset_id": assets["hall"],
            "timezone": "Europe/Amsterdam",
            "attributes": {"consumption_is_positive": True},
        },
    )
    expected = {
        "id": made.json["id"],
        "name": "in full",
        "unit": "kW",
        "event_resolution": "PT15M",
        "timezone": "Europe/Amsterdam",
        "generic_asset_id": assets["hall"],
        "attributes": '{"consumption_is_positive": true}',
        "entity_address": f"ea1.2024-01.com.example.api:fm1.{made.json['id']}",
    }
    assert (made.status, made.json) == (201, expected)
    got = await api.call("GET", f"sensors/{made.json['id']}", by=people.chief, headers={"Host": "api.example.com"})
    assert (got.status, got.json) == (200, expected | {"status": 200})
    asset = await api.get(f"assets/{assets['hall']}", people.member)
    assert {"id": made.json["id"], "name": "in full"} in asset.json["sensors"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("PT0M", "P0D"),
        ("P0D", "P0D"),
        ("P0DT6H0M0S", "PT6H"),
        ("P1DT0H0M0S", "P1D"),
        ("PT60M", "PT1H"),
        ("PT900S", "PT15M"),
        ("P1W", "P7D"),
    ],
)
async def test_resolutions_may_be_written_in_any_way(
    api: Api, people: People, assets: dict[str, int], given: str, told: str
) -> None:
    number = await add(api, people.member, assets["hall"], event_resolution=given)
    assert (await api.get(f"sensors/{number}", people.member)).json["event_resolution"] == told


@pytest.mark.parametrize("unit", ["%", "dimensionless", "°C", "EUR", "kVA", "EUR/MWh", "kW", " MW "])
async def test_units_of_many_kinds(api: Api, people: People, assets: dict[str, int], unit: str) -> None:
    number = await add(api, people.member, assets["hall"], unit=unit)
    assert (await api.get(f"sensors/{number}", people.member)).json["unit"] == unit.strip()


async def test_a_sensor_that_is_not_there_is_a_422_in_the_path(api: Api, people: People) -> None:
    text = {"id": [f"No sensor found with ID {NOT_THERE}."]}
    for method, body in (("GET", ...), ("PATCH", {"name": "x"}), ("DELETE", ...)):
        assert invalid(await api.call(method, f"sensors/{NOT_THERE}", by=people.root, json=body), "path") == text
    assert "id" in invalid(await api.get(f"sensors/{'9' * 30}", people.root), "path")
    assert invalid(await api.get("sensors/one", people.root), "path") == {"id": ["Not a valid integer."]}


# ------------------------------------------------------------------ who may do what


@pytest.mark.parametrize(
    ("who", "reads", "creates", "manages"),
    [
        ("chief", {"depot", "public"}, {"depot"}, {"depot"}),
        ("member", {"depot", "public"}, {"depot"}, set()),
        ("stranger", {"public"}, set(), set()),
        ("shopkeeper", {"shop", "public"}, {"shop"}, {"shop"}),
        ("adviser", {"shop", "public"}, {"shop"}, {"shop"}),
        ("reader", {"depot", "shop", "public"}, set(), set()),
        ("root", {"depot", "shop", "public"}, {"depot", "shop", "public"}, {"depot", "shop", "public"}),
    ],
)
async def test_who_reads_makes_changes_and_deletes_which_sensors(
    api: Api, people: People, assets: dict[str, int], who: str, reads: set[str], creates: set[str], manages: set[str]
) -> None:
    user: User = getattr(people, who)
    for name in ("depot", "shop", "public"):
        number = await add(api, people.root, assets[name])
        got = await api.get(f"sensors/{number}", user)
        assert got.status == 200 if name in reads else refused(got), name
        body = {"name": next(names), "unit": "kW", "event_resolution": "PT1H", "generic_asset_id": assets[name]}
        made = await api.post("sensors", user, **body)
        assert made.status == 201 if name in creates else refused(made), name
        changed = await api.patch(f"sensors/{number}", user, name=next(names))
        assert changed.status == 200 if name in manages else refused(changed), name
        gone = await api.call("DELETE", f"sensors/{number}", by=user)
        if name in manages:
            assert (gone.status, gone.body, gone.kind) == (204, b"", "application/json")
            assert invalid(await api.get(f"sensors/{number}", user), "path")
        else:
            assert refused(gone), name


# ------------------------------------------------------------------ lists


async def test_which_sensors_are_listed(api: Api, people: People, assets: dict[str, int]) -> None:
    numbers = {name: await add(api, people.root, assets[name]) for name in assets}
    own = await listed(api, people.member)
    assert own == sorted(own)
    assert {numbers["depot"], numbers["hall"]} <= set(own)
    assert not {numbers["shop"], numbers["public"]} & set(own)
    below = await listed(api, people.member, f"?asset_id={assets['depot']}")
    assert {numbers["depot"], numbers["hall"]} <= set(below)
    assert numbers["depot"] not in await listed(api, people.member, f"?asset={assets['hall']}")
    assert numbers["public"] in await listed(api, people.member, "?include_public_assets=True")
    assert numbers["public"] in await listed(api, people.member, f"?asset={assets['public']}")
    assert numbers["shop"] not in await listed(api, people.adviser)
    assert numbers["shop"] in await listed(api, people.adviser, "?include_consultancy_clients=True")
    assert numbers["shop"] not in await listed(api, people.chief, "?include_consultancy_clients=True")
    assert numbers["shop"] in await listed(api, people.adviser, f"?account={people.shop.number}")


async def test_asset_and_account_must_belong_together(api: Api, people: People, assets: dict[str, int]) -> None:
    together = f"sensors?asset={assets['shop']}&account="
    assert (await api.get(f"{together}{people.shop.number}", people.adviser)).status == 200
    got = await api.get(f"{together}{people.consultants.number}", people.adviser)
    assert (got.status, got.json) == (
        422,
        {"message": "Please provide either an account or an asset ID, not both", "status": 422},
    )
    assert refused(await api.get(f"sensors?asset={assets['shop']}", people.chief))
    assert refused(await api.get(f"sensors?account={people.shop.number}", people.chief))
    assert invalid(await api.get(f"sensors?asset={NOT_THERE}", people.chief), "query") == {
        "asset": [f"No asset found with ID {NOT_THERE}."]
    }
    assert (await api.get("sensors?account=999999", people.chief)).status == 404


async def test_sensors_of_a_unit(api: Api, people: People) -> None:
    asset = await make(api, people.chief, people.depot)
    kilowatt = await add(api, people.member, asset, unit="kW")
    await add(api, people.member, asset, unit="kVA")
    await add(api, people.member, asset, unit="MW")
    assert await listed(api, people.member, f"?asset={asset}&unit=kW") == [kilowatt]
    assert await listed(api, people.member, f"?asset={asset}&unit=%20kW") == [kilowatt]
    assert await listed(api, people.member, f"?asset={asset}&unit=kilowatt") == [kilowatt], (
        "the same unit, otherwise written"
    )
    assert await listed(api, people.member, f"?asset={asset}&unit=GW") == []
    assert invalid(await api.get("sensors?unit=blub", people.member), "query") == {
        "unit": ["Unit 'blub' cannot be handled."]
    }


async def test_any_word_of_the_filter_finds_a_sensor(api: Api, people: People) -> None:
    asset = await make(api, people.chief, people.depot, name="Silo")
    first = await add(api, people.member, asset, name="moisture")
    second = await add(api, people.member, asset, name="humidity")

    async def found(words: str) -> list[int]:
        got = (await api.get(f"sensors?asset={asset}&page=1&per-page=10&filter={words}", people.member)).json
        assert (got["num-records"], got["filtered-records"]) == (2, len(got["data"]))
        return [row["id"] for row in got["data"]]

    assert await found("moist+humid") == [first, second]
    assert await found("moist+nothing") == [first]
    assert await found("silo") == await found("depot") == [first, second]
    assert await found(str(second)) == [second]
    assert await found("nothing") == []
    assert (await api.get(f"sensors?asset={asset}&page=2", people.member)).status == 404


async def test_the_sensors_of_an_asset_come_in_pages(api: Api, people: People, assets: dict[str, int]) -> None:
    asset = await make(api, people.chief, people.depot)
    below = await make(api, people.chief, parent_asset_id=asset)
    await add(api, people.member, below)
    first = await add(api, people.member, asset, name="b", event_resolution="PT1H")
    second = await add(api, people.member, asset, name="a", event_resolution="PT5M")
    got = (await api.get(f"assets/{asset}/sensors", people.member)).json
    assert [row["id"] for row in got["data"]] == [first, second]
    assert (got["num-records"], got["filtered-records"], got["status"]) == (2, 2, 200)
    for order in ("name", "resolution"):
        ordered = (await api.get(f"assets/{asset}/sensors?sort-by={order}&per-page=1", people.member)).json
        assert [row["id"] for row in ordered["data"]] == [second]
    assert refused(await api.get(f"assets/{asset}/sensors", people.stranger))
    assert (await api.get(f"assets/{assets['public']}/sensors", people.stranger)).status == 200


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        ({"unit": "blub"}, "unit", "Unit 'blub' cannot be handled."),
        ({"unit": ""}, "unit", "Unit '' cannot be handled."),
        ({"unit": None}, "unit", "Field may not be null."),
        ({"event_resolution": "PT10S"}, "event_resolution", "FlexMeasures only support multiples of 1 minute."),
        ({"event_resolution": "15 min"}, "event_resolution", "Cannot parse '15 min' as ISO8601 duration."),
        ({"generic_asset_id": NOT_THERE}, "generic_asset_id", f"No asset found with ID {NOT_THERE}."),
        ({"timezone": "Mars"}, "timezone", "Timezone Mars doesn't exist."),
        (
            {"timezone": "Europe/Amsterdm"},
            "timezone",
            "Timezone Europe/Amsterdm doesn't exist. Did you mean Europe/Amsterdam",
        ),
        ({"name": ""}, "name", "Shorter than minimum length 1."),
        ({"name": "x" * 121}, "name", "Longer than maximum length 120."),
        ({"attributes": 7}, "attributes", "Not a valid mapping type."),
        ({"colour": 1}, "colour", "Unknown field."),
        ({"entity_address": "x"}, "entity_address", "Unknown field."),
    ],
)
async def test_a_sensor_that_cannot_be(
    api: Api, people: People, assets: dict[str, int], change: dict[str, Any], field: str, text: str
) -> None:
    good = {"name": next(names), "unit": "kW", "event_resolution": "PT15M", "generic_asset_id": assets["hall"]}
    found = invalid(await api.post("sensors", people.chief, **(good | change)))
    assert list(found) == [field]
    assert found[field][0].startswith(text)


@pytest.mark.parametrize("resolution", ["P1M", "P1Y", "-PT15M", "P400D"])
async def test_a_resolution_has_a_fixed_length_of_at_most_a_year(
    api: Api, people: People, assets: dict[str, int], resolution: str
) -> None:
    body = {"name": next(names), "unit": "kW", "event_resolution": resolution, "generic_asset_id": assets["hall"]}
    (text,) = invalid(await api.post("sensors", people.chief, **body))["event_resolution"]
    assert resolution in text
    assert "ISO8601" in text


async def test_what_must_be_given(api: Api, people: People) -> None:
    missing = ["Missing data for required field."]
    assert invalid(await api.post("sensors", people.chief)) == {
        "name": missing,
        "unit": missing,
        "event_resolution": missing,
        "generic_asset_id": missing,
    }


async def test_a_name_is_taken_on_its_asset_only(api: Api, people: People, assets: dict[str, int]) -> None:
    await add(api, people.member, assets["hall"], name="taken")
    await add(api, people.member, assets["depot"], name="taken")
    text = {"name": ["The asset has a sensor named 'taken' already."]}
    body = {"name": "taken", "unit": "kW", "event_resolution": "PT15M", "generic_asset_id": assets["hall"]}
    assert invalid(await api.post("sensors", people.member, **body)) == text
    other = await add(api, people.member, assets["hall"])
    assert invalid(await api.patch(f"sensors/{other}", people.chief, name="taken")) == text


async def test_what_is_patched_and_what_may_not_be(api: Api, people: People, assets: dict[str, int]) -> None:
    number = await add(api, people.member, assets["hall"])
    for field in ("id", "generic_asset_id", "entity_address"):
        got = await api.patch(f"sensors/{number}", people.chief, **{field: 1})
        assert invalid(got) == {field: ["Unknown field."]}
    assert invalid(await api.patch(f"sensors/{number}", people.chief)) == {"_schema": ["No JSON data provided."]}
    changes = {"name": next(names), "unit": "MW", "timezone": "Asia/Tokyo", "event_resolution": "PT1H"}
    got = await api.patch(f"sensors/{number}", people.chief, attributes='{"a": 1}', **changes)
    assert (got.status, got.json["status"]) == (200, 200)
    assert got.json.items() >= (changes | {"attributes": '{"a": 1}'}).items()


async def test_a_knowledge_horizon_that_cannot_be_understood(api: Api, people: People, assets: dict[str, int]) -> None:
    number = await add(api, people.member, assets["hall"], attributes={"knowledge_horizon": "PT2H"})
    for attributes in ({"knowledge_horizon": "soon"}, {"knowledge_horizon": {"days": 1, "time": "25:00"}}):
        assert "attributes" in invalid(await api.patch(f"sensors/{number}", people.chief, attributes=attributes))
