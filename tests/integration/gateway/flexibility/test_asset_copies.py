"""Copies of assets: where they go, what they are called, and what their configuration names."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.integration.gateway.flexibility.conftest import Api, People
from tests.integration.gateway.flexibility.test_accounts import invalid, refused
from tests.integration.gateway.flexibility.test_assets import NOT_THERE, make
from tests.integration.gateway.flexibility.test_sensors import add

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def copied(api: Api, by: Any, number: int, query: str = "") -> Any:
    """The copy of an asset, as it is shown."""
    got = await api.call("POST", f"assets/{number}/copy{query}", by=by)
    assert got.status == 201, got
    assert set(got.json) == {"asset", "message", "status"}
    assert got.json["status"] == 201
    return (await api.get(f"assets/{got.json['asset']}", by)).json


async def test_a_copy_has_everything_but_data_and_names_copies_where_the_original_names_its_own(
    api: Api, people: People
) -> None:
    site = await make(api, people.chief, people.depot, name="Site", latitude=52.3, description="d", external_id="e")
    battery = await make(api, people.chief, parent_asset_id=site, name="Battery", generic_asset_type_id=5)
    power = await add(api, people.chief, battery, name="power", attributes={"a": 1}, timezone="Europe/Paris")
    price = await add(api, people.chief, site, name="price", unit="EUR/MWh", event_resolution="PT1H")
    outside = await add(api, people.chief, await make(api, people.chief, people.depot), unit="EUR/MWh")
    changes = {
        "flex_context": {"consumption-price": {"sensor": price}, "production-price": {"sensor": outside}},
        "sensors_to_show": [
            {"title": "t", "plots": [{"sensors": [power, price]}, {"asset": battery, "flex-model": "x"}]}
        ],
        "sensors_to_show_as_kpis": [{"title": "k", "sensor": power, "function": "sum"}],
    }
    assert (await api.patch(f"assets/{site}", people.chief, **changes)).status == 200
    model = {"consumption": {"sensor": power}, "soc-max": "10 kWh", "group": {"asset": site}}
    assert (await api.patch(f"assets/{battery}", people.chief, flex_model=model)).status == 200

    twin = await copied(api, people.chief, site)
    assert (twin["name"], twin["account_id"], twin["parent_asset_id"]) == ("Site (Copy)", people.depot.number, None)
    assert (twin["latitude"], twin["description"], twin["external_id"]) == (52.3, "d", "e")
    assert [child["name"] for child in twin["child_assets"]] == ["Battery"]
    kid = (await api.get(f"assets/{twin['child_assets'][0]['id']}", people.chief)).json
    (new_power,) = kid["sensors"]
    (new_price,) = twin["sensors"]
    assert (new_power["name"], new_price["name"]) == ("power", "price")
    assert {new_power["id"], new_price["id"]} & {power, price} == set()
    named = {"consumption": {"sensor": new_power["id"]}, "group": {"asset": twin["id"]}}
    assert orjson.loads(kid["flex_model"]) == model | named
    assert orjson.loads(twin["flex_context"]) == {
        "consumption-price": {"sensor": new_price["id"]},
        "production-price": {"sensor": outside},
    }
    shown = [{"sensors": [new_power["id"], new_price["id"]]}, {"asset": kid["id"], "flex-model": "x"}]
    assert orjson.loads(twin["sensors_to_show"]) == [{"title": "t", "plots": shown}]
    assert orjson.loads(twin["sensors_to_show_as_kpis"])[0]["sensor"] == new_power["id"]
    sensor = (await api.get(f"sensors/{new_power['id']}", people.chief)).json
    assert (sensor["unit"], sensor["event_resolution"], sensor["timezone"]) == ("kW", "PT15M", "Europe/Paris")
    assert sensor["attributes"] == '{"a": 1, "consumption_is_positive": true}'
    events = (await api.get(f"assets/{twin['id']}/auditlog", people.chief)).json["data"]
    assert [event["event"] for event in events] == ["asset:copied"]


async def test_copies_are_counted_in_their_names(api: Api, people: People) -> None:
    number = await make(api, people.chief, people.depot, name="x" * 80)
    names = [(await copied(api, people.chief, number))["name"] for _ in range(3)]
    assert names == ["x" * 73 + " (Copy)", "x" * 71 + " (Copy 2)", "x" * 71 + " (Copy 3)"]


async def test_where_a_copy_goes(api: Api, people: People) -> None:
    depot = await make(api, people.chief, people.depot)
    shop = await make(api, people.shopkeeper, people.shop)
    hall = await make(api, people.chief, parent_asset_id=depot, name="Hall")
    beside = await copied(api, people.member, hall)
    assert (beside["name"], beside["parent_asset_id"]) == ("Hall (Copy)", depot)
    top = await copied(api, people.chief, hall, f"?account={people.depot.number}")
    assert (top["account_id"], top["parent_asset_id"]) == (people.depot.number, None)
    below = await copied(api, people.root, hall, f"?parent={shop}")
    assert (below["account_id"], below["parent_asset_id"]) == (people.shop.number, shop)
    both = await copied(api, people.root, hall, f"?parent={shop}&account={people.shop.number}")
    assert (both["account_id"], both["parent_asset_id"]) == (people.shop.number, shop)
    inside = await copied(api, people.chief, depot, f"?parent={hall}")
    assert inside["parent_asset_id"] == hall
    assert "Hall" in {child["name"] for child in inside["child_assets"]}


async def test_what_the_target_may_not_read_is_named_no_more(api: Api, people: People) -> None:
    battery = await make(api, people.chief, people.depot)
    private = await add(api, people.chief, await make(api, people.chief, people.depot), unit="EUR/MWh")
    public = await add(api, people.root, await make(api, people.root), unit="EUR/MWh")
    context = {
        "consumption-price": {"sensor": private},
        "production-price": {"sensor": public},
        "site-power-capacity": "5 kW",
    }
    shown = [private, {"title": "t", "plots": [{"sensor": private}, {"sensor": public}]}, [private]]
    got = await api.patch(f"assets/{battery}", people.chief, flex_context=context, sensors_to_show=shown)
    assert got.status == 200
    twin = await copied(api, people.root, battery, f"?account={people.shop.number}")
    assert orjson.loads(twin["flex_context"]) == {
        "production-price": {"sensor": public},
        "site-power-capacity": "5 kW",
    }
    assert orjson.loads(twin["sensors_to_show"]) == [{"title": "t", "plots": [{"sensor": public}]}]


async def test_who_may_copy_what_where(api: Api, people: People) -> None:
    depot = await make(api, people.chief, people.depot)
    public = await make(api, people.root)
    path = f"assets/{depot}/copy"
    assert refused(await api.call("POST", path, by=people.stranger))
    assert refused(await api.call("POST", path, by=people.reader)), "who reads everything changes nothing"
    assert refused(await api.call("POST", path, by=people.member)), "to the top of the account"
    assert refused(await api.call("POST", f"{path}?account={people.shop.number}", by=people.chief))
    assert refused(await api.call("POST", f"assets/{public}/copy", by=people.chief)), "to be public too"
    mine = await copied(api, people.chief, public, f"?account={people.depot.number}")
    assert mine["account_id"] == people.depot.number


async def test_targets_that_are_not_there_or_do_not_fit(api: Api, people: People) -> None:
    depot = await make(api, people.chief, people.depot)
    got = await api.call("POST", f"assets/{NOT_THERE}/copy", by=people.root)
    assert (got.status, got.json["status"]) == (404, 404)
    assert (await api.call("POST", f"assets/{depot}/copy?account=999999", by=people.chief)).status == 404
    got = await api.call("POST", f"assets/{depot}/copy?parent={NOT_THERE}", by=people.chief)
    assert invalid(got, "query") == {"parent": [f"No asset found with ID {NOT_THERE}."]}
    got = await api.call("POST", f"assets/{depot}/copy?parent={depot}&account={people.shop.number}", by=people.root)
    assert invalid(got, "query") == {"parent": ["The parent asset must belong to the same account."]}
