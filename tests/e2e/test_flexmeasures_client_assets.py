"""FlexMeasures' own Python client, as its vendor publishes it: assets and sensors from their making to their end."""

from __future__ import annotations

import pytest
from flexmeasures_client import FlexMeasuresClient

from tests.e2e.test_flexmeasures_client import Planner, client, client_of, planner

__all__ = ["client", "planner"]

BATTERY, BUILDING = 5, 6
SITE = (52.37, 4.89, BUILDING)


async def test_the_client_finds_the_types_of_assets(client: FlexMeasuresClient) -> None:
    found = {row["name"]: row["id"] for row in await client.get_asset_types()}
    assert (found["battery"], found["building"]) == (BATTERY, BUILDING)


async def test_a_tree_of_assets_lives_and_dies_by_the_client(client: FlexMeasuresClient, planner: Planner) -> None:
    site = await client.add_asset("Depot", planner.account_id, *SITE, attributes={"colour": "green"})
    model = {"soc-min": "1 kWh", "soc-max": "10 kWh", "power-capacity": "5 kW"}
    context = {"site-power-capacity": "17.25 kVA"}
    battery = await client.add_asset(
        *("Battery", planner.account_id, 52.37, 4.89, BATTERY),
        parent_asset_id=site["id"],
        flex_model=model,
        flex_context=context,
        sensors_to_show=[],
    )
    got = await client.get_asset(battery["id"], parse_json_fields=True)
    assert (got["flex_model"], got["flex_context"], got["attributes"]) == (model, context, {})
    assert (got["parent_asset_id"], got["generic_asset_type"]["name"]) == (site["id"], "battery")
    assert got["owner"]["id"] == planner.account_id
    above = await client.get_asset(site["id"], parse_json_fields=False)
    assert [child["id"] for child in above["child_assets"]] == [battery["id"]]
    assert above["attributes"] == '{"colour": "green"}'

    await client.update_asset(battery["id"], {"attributes": {"a": 1}, "name": "Battery B"}, parse_json_fields=True)
    changed = await client.update_asset(battery["id"], {"attributes": {"b": 2}}, parse_json_fields=True)
    assert (changed["attributes"], changed["name"]) == ({"b": 2}, "Battery B")

    own = await client.get_assets(parse_json_fields=True)
    assert [row["id"] for row in own] == [site["id"], battery["id"]]
    tree = await client.get_assets(
        root=site["id"], depth=1, fields=["id", "flex_model"], sort_dir="desc", parse_json_fields=True
    )
    assert tree == [{"id": battery["id"], "flex_model": model}, {"id": site["id"], "flex_model": {}}]

    await client.delete_asset(site["id"], confirm_first=False)
    assert await client.get_assets(parse_json_fields=True) == []


async def test_sensors_live_and_die_by_the_client(client: FlexMeasuresClient, planner: Planner) -> None:
    site = await client.add_asset("Sensor site", planner.account_id, *SITE)
    power = await client.add_sensor(
        *("power", "PT15M", "kW", site["id"]),
        timezone="Europe/Amsterdam",
        attributes={"consumption_is_positive": True},
    )
    price = await client.add_sensor("price", "PT1H", "EUR/MWh", site["id"])
    got = await client.get_sensor(power["id"], parse_json_fields=True)
    assert (got["unit"], got["event_resolution"], got["timezone"]) == ("kW", "PT15M", "Europe/Amsterdam")
    assert (got["generic_asset_id"], got["attributes"]) == (site["id"], {"consumption_is_positive": True})
    assert [row["id"] for row in await client.get_sensors(asset_id=site["id"], parse_json_fields=True)] == [
        power["id"],
        price["id"],
    ]
    changed = await client.update_sensor(price["id"], {"name": "day-ahead price"}, parse_json_fields=True)
    assert changed["name"] == "day-ahead price"
    await client.delete_sensor(price["id"], confirm_first=False)
    assert [row["id"] for row in await client.get_sensors(parse_json_fields=True)] == [power["id"]]
    await client.delete_asset(site["id"], confirm_first=False)
    assert await client.get_sensors(parse_json_fields=True) == []


async def test_the_client_raises_what_the_server_says_of_a_field(planner: Planner) -> None:
    async with client_of(planner) as client:
        with pytest.raises(ValueError, match="No asset type found with ID 99"):
            await client.add_asset("x", planner.account_id, 0, 0, 99)
        with pytest.raises(ValueError, match="No sensor found with ID 999999"):
            await client.get_sensor(999999, parse_json_fields=True)
        with pytest.raises(ConnectionError):
            await client.get_asset(999999, parse_json_fields=True)
