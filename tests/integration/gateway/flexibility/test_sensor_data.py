"""Values in and out, as clients of FlexMeasures know it: on real Postgres and RabbitMQ, with telemetry storing what is posted."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from aiohttp import FormData

from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import audit
from shared.identity.principals import User
from tests.integration.gateway.flexibility.working import DAY, Site, later, new_asset, working
from tests.support.apis import Got
from tests.support.databases import TestDatabases
from tests.support.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

BAG, UPLOAD = "combined_sensor_data_description", "combined_sensor_data_upload"
JSON = {"Content-Type": "application/json"}
NONE = None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(databases: TestDatabases, broker_url: str) -> AsyncIterator[Site]:
    url = databases.create()
    async with working(url, broker_url, flexibility_max_data_bytes=400_000) as running:
        yield running
    databases.drop(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quarters(site: Site) -> int:
    """A sensor with the values 1 to 8 in the first two hours of a day."""
    sensor = await site.sensor()
    await site.stored(sensor, DAY, "PT2H", [1, 2, 3, 4, 5, 6, 7, 8])
    return sensor


def check_invalid(got: Got, *path: str, text: str = "", location: str = BAG) -> None:
    assert got.status == 422, got.text
    assert (got.json["result"], got.json["status"]) == ("Rejected", "UNPROCESSABLE_ENTITY")
    assert got.headers["Content-Type"] == "application/json"
    found: Any = got.json["message"][location]
    for key in path:
        found = found[key]
    assert text in str(found)


def check_versions(got: Got) -> None:
    assert got.headers["Content-Type"] == "application/json"
    assert (got.headers["FlexMeasures-Version"], got.headers["API-Version"]) == ("1.0.0", "v3_0")


# ------------------------------------------------------------------ reading


async def test_an_answer_has_what_clients_need(site: Site, quarters: int) -> None:
    got = await site.read(quarters, DAY, "PT1H")
    check_versions(got)
    assert got.json == {
        "start": DAY,
        "duration": "PT1H",
        "resolution": "PT15M",
        "unit": "kW",
        "values": [1.0, 2.0, 3.0, 4.0],
        "message": "Request has been processed.",
        "status": "PROCESSED",
    }


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [
        ("PT15M", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("PT30M", [1.5, 3.5, 5.5, 7.5]),
        ("P0DT1H0M0S", [2.5, 6.5]),
        ("PT45M", [2, 5, NONE]),
        ("PT5M", [value for value in range(1, 9) for _ in range(3)]),
        ("PT10M", [1, 1.5, 2, 3, 3.5, 4, 5, 5.5, 6, 7, 7.5, 8]),
        ("PT20M", [1.25, 2.5, 3.75, 5.25, 6.5, 7.75]),
    ],
)
async def test_values_are_read_at_any_resolution(
    site: Site, quarters: int, resolution: str, expected: list[float | None]
) -> None:
    assert await site.values(quarters, DAY, "PT2H", resolution=resolution) == expected


async def test_an_answer_is_dense_and_as_long_as_was_asked(site: Site, quarters: int) -> None:
    got = await site.read(quarters, DAY, "PT50M")
    assert (got.json["values"], got.json["duration"]) == ([1, 2, 3, 4], "PT50M")
    assert await site.values(quarters, later(-30), "PT3H") == [NONE, NONE, 1, 2, 3, 4, 5, 6, 7, 8, NONE, NONE]
    assert await site.values(quarters, later(5), "PT1H") == [NONE] * 4
    assert await site.values(quarters, later(5), "PT30M", resolution="PT5M") == [1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize(
    ("unit", "more", "expected"),
    [
        ("MW", {}, [0.001, 0.002, 0.003, 0.004]),
        ("kWh", {}, [0.25, 0.5, 0.75, 1.0]),
        ("kWh", {"resolution": "PT1H"}, [2.5]),
        ("kVA", {}, [1, 2, 3, 4]),
    ],
)
async def test_values_are_read_in_any_unit_that_fits(
    site: Site, quarters: int, unit: str, more: dict[str, str], expected: list[float]
) -> None:
    assert await site.values(quarters, DAY, "PT1H", unit, **more) == pytest.approx(expected, abs=1e-12)


async def test_energy_is_read_as_power(site: Site) -> None:
    sensor = await site.sensor("kWh")
    await site.stored(sensor, DAY, "PT1H", [1, 2, 3, 4], "kWh")
    assert await site.values(sensor, DAY, "PT1H", "kW") == [4, 8, 12, 16]
    assert await site.values(sensor, DAY, "PT1H", "kW", resolution="PT1H") == [10]


@pytest.mark.parametrize(
    ("given", "field", "text"),
    [
        ({"unit": "EUR"}, "unit", "Required unit for this sensor is kW, got incompatible unit: EUR"),
        ({"unit": "parsecs per sunday"}, "unit", "incompatible unit"),
        ({"unit": None}, "unit", "Missing data for required field."),
        ({"start": None}, "start", "Missing data for required field."),
        ({"duration": None}, "duration", "Missing data for required field."),
        ({"colour": "red"}, "colour", "Unknown field."),
        ({"source": "999999"}, "source", "No data source found with id 999999."),
        ({"source": "x"}, "source", "Not a valid integer."),
        ({"source-type": "forecaster"}, "source-type", "forecaster"),
        ({"source-account": "999999"}, "source-account", "999999"),
        ({"start": "2024-03-01T00:00:00"}, "start", "Not a valid aware datetime."),
        ({"start": "soon"}, "start", "Not a valid datetime."),
        ({"duration": "an hour"}, "duration", "an hour"),
        ({"duration": "an hour"}, "duration", "ISO8601"),
        ({"duration": "-PT1H"}, "duration", "negative"),
        ({"duration": "P9000Y"}, "duration", ""),
        ({"duration": "P100Y"}, "duration", "1000000"),
        ({"resolution": "PT0S"}, "resolution", "above zero"),
        ({"resolution": "P1M"}, "resolution", "months"),
        ({"horizon": "P1M"}, "horizon", "months"),
        ({"type": "GetFortune"}, "type", "Must be one of"),
    ],
)
async def test_a_wish_in_the_wrong_form_is_told_of_its_field(
    site: Site, quarters: int, given: dict[str, str | None], field: str, text: str
) -> None:
    whole = {"start": DAY, "duration": "PT1H", "unit": "kW"} | given
    query = urlencode({name: value for name, value in whole.items() if value is not None})
    check_invalid(await site.api.get(f"sensors/{quarters}/data?{query}", site.chief), field, text=text)


async def test_a_plus_that_was_not_encoded_is_understood(site: Site, quarters: int) -> None:
    path = f"sensors/{quarters}/data?start=2024-03-01T00:00:00+01:00&duration=PT30M&unit=kW"
    assert (await site.api.get(path, site.chief)).json["values"] == [1, 2]


async def test_parameters_may_stand_in_a_body_and_under_earlier_names(site: Site, quarters: int) -> None:
    body = {"event_starts_after": DAY, "duration": "PT30M", "unit": "kW", "type": "GetSensorDataRequest"}
    got = await site.api.call("GET", f"sensors/{quarters}/data", by=site.chief, json=body)
    assert got.json["values"] == [1, 2]
    token = await site.api.token(site.chief)
    path = f"/api/v3_0/sensors/{quarters}/data?auth_token={token}"
    got = await site.api.call("GET", path, json=body)
    assert got.json["values"] == [1, 2], "the credential is none of the parameters"


async def test_sensors_are_named_by_entity_address_too(site: Site, quarters: int) -> None:
    address = (await site.api.get(f"sensors/{quarters}", site.chief)).json["entity_address"]
    body = {"sensor": address, "start": DAY, "duration": "PT30M", "unit": "kW"}
    assert (await site.api.call("GET", "sensors/data", by=site.chief, json=body)).json["values"] == [1, 2]
    sensor = await site.sensor()
    address = (await site.api.get(f"sensors/{sensor}", site.chief)).json["entity_address"]
    body |= {"sensor": address, "values": [3, 4], "type": "PostSensorDataRequest"}
    assert (await site.api.post("sensors/data", site.chief, **body)).status == 200
    assert await site.values(sensor, DAY, "PT30M") == [3, 4]
    for wrong in (address.replace("fm1", "fm0"), "5", ""):
        got = await site.api.call("GET", "sensors/data", by=site.chief, json=body | {"sensor": wrong})
        assert got.status == 422


async def test_moments_are_sampled_and_kept(site: Site) -> None:
    soc = await site.sensor("kWh", "PT0M")
    for start, values in ((DAY, [10]), (later(15), 11), (later(22), [12])):
        await site.stored(soc, start, "PT0M", values, "kWh")
    found = await site.values(soc, DAY, "PT30M", "kWh", resolution="PT1M")
    assert (len(found), found[0], found[15], found[22]) == (30, 10, 11, 12)
    got = await site.read(soc, DAY, "PT30M", "kWh")
    assert (got.json["resolution"], got.json["values"][0], len(got.json["values"])) == ("PT0H", 10, 6)


async def test_whose_sensor_it_is_decides_who_reads(site: Site, quarters: int) -> None:
    people = site.people
    for reader in (people.member, people.root, people.reader):
        assert await site.values(quarters, DAY, "PT30M", by=reader) == [1, 2]
    for other in (people.stranger, people.adviser, people.shopkeeper):
        got = await site.read(quarters, DAY, "PT30M", by=other)
        assert (got.status, got.json["status"]) == (403, "INVALID_SENDER")
    unknown = await site.read(999_999_999, DAY, "PT30M")
    assert (unknown.status, unknown.json) == (404, {"message": "Sensor 999999999 not found", "status": 404})
    assert (await site.api.get("sensors/none/data?unit=kW", site.chief)).status == 422
    assert (await site.api.get(f"sensors/{quarters}/data")).status == 401


async def test_consultants_work_for_their_clients_and_everybody_reads_what_is_public(site: Site) -> None:
    people = site.people
    shop = await new_asset(site.api, people.shopkeeper, people.shop.number)
    sensor = await site.sensor(by=people.shopkeeper, generic_asset_id=shop)
    await site.stored(sensor, DAY, "PT30M", [1, 2], by=people.adviser)
    assert await site.values(sensor, DAY, "PT30M", by=people.shopkeeper) == [1, 2]
    assert (await site.post(sensor, DAY, "PT15M", [1], by=people.reader)).status == 403
    public = await site.api.post("assets", people.root, name="Public", generic_asset_type_id=6, account_id=None)
    price = await site.sensor("EUR/MWh", by=people.root, generic_asset_id=public.json["id"])
    await site.stored(price, DAY, "PT30M", [50, 60], "EUR/MWh", by=people.root)
    assert await site.values(price, DAY, "PT30M", "EUR/kWh", by=people.stranger) == pytest.approx([0.05, 0.06])
    assert (await site.post(price, DAY, "PT15M", [1], "EUR/MWh")).status == 403
    assert (await site.api.call("DELETE", f"sensors/{price}/data", by=people.chief)).status == 403
    assert (await site.api.call("DELETE", f"sensors/{price}/data", by=people.root)).status == 204
    assert await site.values(price, DAY, "PT30M", "EUR/kWh") == [NONE, NONE]


# ------------------------------------------------------------------ posting


@pytest.mark.parametrize(
    ("duration", "values", "unit", "expected"),
    [
        ("PT30M", [1, 2.5], "kWh", [4, 10]),
        ("PT30M", [0.001, 0.002], "MW", [1, 2]),
        ("PT2H", [3, 6], "kW", [3] * 4 + [6] * 4),
        ("PT30M", [1, 2, 3, 4, 5, 9], "kW", [2, 6]),
        ("PT1H", [8], "kWh", [8] * 4),
        ("PT30M", 7, "kW", [7, 7]),
        ("PT45M", [1, NONE, 3], "kW", [1, NONE, 3]),
        ("P0DT0H30M0S", [1, 2], "kVA", [1, 2]),
    ],
)
async def test_values_are_fitted_to_the_sensor(
    site: Site, duration: str, values: object, unit: str, expected: list[float | None]
) -> None:
    sensor = await site.sensor()
    await site.stored(sensor, DAY, duration, values, unit)
    assert await site.values(sensor, DAY, f"PT{15 * len(expected)}M") == pytest.approx(expected)


async def test_a_start_off_the_grid_is_floored_unless_sensor_or_asset_say_otherwise(site: Site) -> None:
    sensor = await site.sensor()
    await site.stored(sensor, later(7), "PT30M", [11, 12])
    assert await site.values(sensor, DAY, "PT30M") == [11, 12]
    exact = await site.sensor(attributes={"floor_datetimes_to_resolution": False})
    await site.stored(exact, later(7), "PT30M", [11, 12])
    assert await site.values(exact, later(7), "PT30M") == [11, 12]
    strict = await new_asset(
        site.api, site.chief, site.people.depot.number, attributes={"floor_datetimes_to_resolution": False}
    )
    inherited = await site.sensor(generic_asset_id=strict)
    await site.stored(inherited, later(7), "PT15M", [11])
    assert await site.values(inherited, later(7), "PT15M") == [11]


async def test_a_frequency_rounds_moments(site: Site) -> None:
    sensor = await site.sensor("kWh", "PT0M", attributes={"frequency": "5min"})
    await site.stored(sensor, later(2), "PT0M", [5], "kWh")
    assert await site.values(sensor, DAY, "PT10M", "kWh", resolution="PT5M") == [5, NONE]
    got = await site.post(sensor, DAY, "PT4M", [1, 2], "kWh")
    check_invalid(got, "_schema", text="Cannot save multiple instantaneous values that overlap")


async def test_a_null_erases_nothing(site: Site) -> None:
    sensor = await site.sensor()
    await site.stored(sensor, DAY, "PT45M", [1, NONE, 3])
    await site.stored(sensor, DAY, "PT45M", [NONE, 2, NONE])
    assert await site.values(sensor, DAY, "PT45M") == [1, 2, 3]


@pytest.mark.parametrize(
    ("given", "field", "text"),
    [
        ({"duration": "PT35M", "values": [1, 2, 3, 4]}, "_schema", "Resolution of 0:08:45 is incompatible"),
        ({"duration": "PT0H"}, "_schema", ""),
        ({"unit": "°C"}, "unit", "Required unit for this sensor is kW, got incompatible unit: °C"),
        ({"unit": "nonsense!"}, "unit", "incompatible unit"),
        ({"start": None}, "start", "Missing data for required field."),
        ({"values": None}, "values", "Missing data for required field."),
        ({"values": []}, "values", ""),
        ({"values": ["a"]}, "values", "Not a valid number"),
        ({"values": {"a": 1}}, "values", ""),
        ({"colour": 1}, "colour", "Unknown field."),
        ({"start": "2024-03-01T00:00:00"}, "start", "Not a valid aware datetime."),
        ({"start": 5}, "start", "Not a valid datetime."),
        ({"duration": 5}, "duration", "ISO8601"),
        ({"prior": DAY, "horizon": "PT0H"}, "_schema", "prior"),
        ({"type": "PostFortune"}, "type", "Must be one of"),
    ],
)
async def test_a_posting_in_the_wrong_form_is_told_of_its_field(
    site: Site, quarters: int, given: dict[str, Any], field: str, text: str
) -> None:
    whole = {"start": DAY, "duration": "PT1H", "unit": "kW", "values": [1, 2, 3, 4]} | given
    body = {name: value for name, value in whole.items() if value is not None}
    check_invalid(await site.api.post(f"sensors/{quarters}/data", site.chief, **body), field, text=text)


async def test_bodies_that_are_no_json_or_too_large_are_refused(site: Site, quarters: int) -> None:
    path = f"sensors/{quarters}/data"
    for data in (b"{", b"", b"\xff\xfe"):
        got = await site.api.call("POST", path, by=site.chief, data=data, headers=JSON)
        assert (got.status, got.json["status"], type(got.json["message"])) == (400, 400, str)
    check_invalid(
        await site.api.call("POST", path, by=site.chief, data=b"[]", headers=JSON), "_schema", location="json"
    )
    got = await site.api.call("POST", path, by=site.chief, data=b"x", headers={"Content-Type": "text/plain"})
    assert got.status == 400
    got = await site.post(quarters, DAY, "P2000D", [1.2345678] * 60_000)
    check_versions(got)
    assert (got.status, got.json) == (
        413,
        {
            "result": "Rejected",
            "status": "PAYLOAD_TOO_LARGE",
            "message": "Request body exceeds the configured limit of 400000 bytes.",
        },
    )
    assert (await site.read(quarters, DAY, "PT15M")).status == 200


async def test_members_post_and_strangers_do_not(site: Site) -> None:
    sensor = await site.sensor()
    await site.stored(sensor, DAY, "PT15M", [1], by=site.people.member)
    got = await site.post(sensor, DAY, "PT15M", [1], by=site.people.stranger)
    assert (got.status, got.json["status"]) == (403, "INVALID_SENDER")
    got = await site.post(999_999_999, DAY, "PT15M", [1])
    assert (got.status, got.json) == (404, {"message": "Sensor 999999999 not found", "status": 404})


# ------------------------------------------------------------------ what is known, and since when


async def test_what_was_known_already_is_no_news_and_is_never_replaced(site: Site) -> None:
    sensor, known = await site.sensor(), later(-60)
    got = await site.post(sensor, DAY, "PT1H", [1, 2, 3, 4], prior=known)
    assert (got.status, got.json) == (200, {"message": "Request has been processed.", "status": "PROCESSED"})
    for prior in (later(-60), later(-30)):
        got = await site.post(sensor, DAY, "PT1H", [1, 2, 3, 4], prior=prior)
        assert (got.status, got.json) == (
            200,
            {
                "results": "PROCESSED",
                "status": "ALREADY_RECEIVED_AND_SUCCESSFULLY_PROCESSED",
                "message": "Some of the data has already been received and successfully processed.",
            },
        )
    got = await site.post(sensor, DAY, "PT1H", [1, 2, 3, 5], prior=known)
    assert (got.status, got.json["results"], got.json["status"]) == (403, "Rejected", "INVALID_REPLACEMENT")
    assert isinstance(got.json["message"], str)
    assert await site.values(sensor, DAY, "PT1H") == [1, 2, 3, 4], "nothing of it is kept"


async def test_the_latest_statement_counts_and_earlier_ones_can_be_read(site: Site) -> None:
    sensor = await site.sensor()
    await site.stored(sensor, DAY, "PT30M", [1, 2], prior=later(-120))
    await site.stored(sensor, DAY, "PT30M", [9, 2], prior=later(-60))
    assert await site.values(sensor, DAY, "PT30M") == [9, 2]
    assert await site.values(sensor, DAY, "PT30M", prior=later(-90)) == [1, 2]
    assert await site.values(sensor, DAY, "PT30M", beliefs_before=later(-600)) == [NONE, NONE]


async def test_a_measurement_overrules_the_forecast_which_can_be_read(site: Site) -> None:
    sensor = await site.sensor()
    await site.stored(sensor, DAY, "PT30M", [5, 5], horizon="PT6H")
    await site.stored(sensor, DAY, "PT30M", [7, 5], horizon="PT0H")
    assert await site.values(sensor, DAY, "PT30M") == [7, 5]
    assert await site.values(sensor, DAY, "PT30M", horizon="PT1H") == [5, 5]


async def test_two_corrections_within_a_second_are_both_kept(site: Site) -> None:
    sensor = await site.sensor()
    for value in (1, 2, 3):
        await site.stored(sensor, DAY, "PT15M", [value])
        assert await site.values(sensor, DAY, "PT15M") == [value], "after 200 it is there to be read"


async def test_each_user_is_a_source(site: Site) -> None:
    sensor = await site.sensor()
    await site.stored(sensor, DAY, "PT30M", [1, 1])
    await site.stored(sensor, DAY, "PT15M", [2], by=site.people.member)
    assert await site.values(sensor, DAY, "PT30M") == [2, 1]
    listed = (await site.api.get("sources?only_latest=true", site.chief)).json
    assert listed["status"] == 200
    assert {"user", "scheduler", "forecaster", "reporter"} <= set(listed["types"])
    (mine,) = [one for one in listed["sources"] if one.get("user_id") == site.people.member.number]
    assert (mine["type"], mine["account_id"], mine["name"]) == ("user", site.people.depot.number, "member")
    assert "model" not in mine
    assert await site.values(sensor, DAY, "PT30M", source=mine["id"]) == [2, NONE]
    assert await site.values(sensor, DAY, "PT30M", **{"source-type": "user"}) == [2, 1]
    assert await site.values(sensor, DAY, "PT30M", source_account=site.people.depot.number) == [2, 1]
    theirs = (await site.api.get("sources", site.people.stranger)).json["sources"]
    assert mine["id"] not in [one["id"] for one in theirs]
    refused = await site.api.call(
        "DELETE", f"sensors/{sensor}/data", by=site.people.member, json={"source": mine["id"]}
    )
    assert refused.status == 403
    gone = await site.api.call("DELETE", f"sensors/{sensor}/data", by=site.chief, json={"source": mine["id"]})
    check_versions(gone)
    assert (gone.status, gone.body) == (204, b"")
    assert await site.values(sensor, DAY, "PT30M") == [1, 1]


async def test_data_are_deleted_by_window_or_altogether(site: Site) -> None:
    sensor = await site.sensor()
    await site.stored(sensor, DAY, "PT1H", [1, 2, 3, 4])
    path = f"sensors/{sensor}/data"
    for window in ({"start": later(60), "until": DAY}, {"start": DAY, "until": later(5)}):
        check_invalid(await site.api.call("DELETE", path, by=site.chief, json=window), "until", location="json")
    window = {"start": later(15), "until": later(45)}
    assert (await site.api.call("DELETE", path, by=site.chief, json=window)).status == 204
    assert await site.values(sensor, DAY, "PT1H") == [1, NONE, NONE, 4]
    assert (await site.api.call("DELETE", path, by=site.people.stranger)).status == 403
    assert (await site.api.call("DELETE", path, by=site.chief)).status == 204
    assert await site.values(sensor, DAY, "PT1H") == [NONE] * 4
    assert (await site.api.call("DELETE", "sensors/999999999/data", by=site.chief)).status == 404


async def test_a_deletion_that_names_what_to_delete_wrongly_deletes_nothing(site: Site) -> None:
    sensor = await site.sensor()
    await site.stored(sensor, DAY, "PT1H", [1, 2, 3, 4])
    path = f"sensors/{sensor}/data"
    got = await site.api.call("DELETE", path, by=site.chief, json={"source": 999_999_999})
    check_invalid(got, "source", text="No data source found with id 999999999.", location="json")
    got = await site.api.call("DELETE", f"{path}?from={DAY}", by=site.chief)
    check_invalid(got, "from", text="Unknown field.", location="json")
    assert await site.values(sensor, DAY, "PT1H") == [1, 2, 3, 4]


async def test_who_deleted_which_data_is_on_record(site: Site) -> None:
    sensor = await site.sensor()
    await site.stored(sensor, DAY, "PT1H", [1, 2, 3, 4])
    assert (await site.api.call("DELETE", f"sensors/{sensor}/data", by=site.chief, json={"start": DAY})).status == 204
    log = (await site.api.get(f"assets/{site.asset_id}/auditlog?page=1&per-page=1", site.chief)).json["data"]
    assert [(row["event"], row["active_user_id"]) for row in log] == [("sensor:data:deleted", site.chief.number)]
    async with site.api.process.database.reading(EVERY_ACCOUNT) as connection:
        (newest, *_) = await audit.list_events(connection, site.people.depot.account_id, about=("sensor", str(sensor)))
    assert (newest.details["beliefs"], newest.details["start"]) == (4, DAY)


async def test_what_to_delete_may_be_named_in_the_query(site: Site) -> None:
    sensor = await site.sensor()
    await site.stored(sensor, DAY, "PT1H", [1, 2, 3, 4])
    query = urlencode({"start": later(15), "until": later(45)})
    assert (await site.api.call("DELETE", f"sensors/{sensor}/data?{query}", by=site.chief)).status == 204
    assert await site.values(sensor, DAY, "PT1H") == [1, NONE, NONE, 4]


async def test_a_client_may_label_a_body_as_json_and_leave_it_out(site: Site) -> None:
    sensor = await site.sensor()
    await site.stored(sensor, DAY, "PT15M", [1])
    got = await site.api.call("DELETE", f"sensors/{sensor}/data", by=site.chief, data=b"", headers=JSON)
    assert got.status == 204, got.text
    for data, headers in ((b"", JSON), (None, {})):
        got = await site.api.call("PATCH", f"sensors/{sensor}", by=site.chief, data=data, headers=headers)
        check_invalid(got, "_schema", text="No JSON data provided.", location="json")


async def test_gaps_may_be_written_as_python_writes_them(site: Site) -> None:
    sensor = await site.sensor()

    async def post(values: bytes) -> Got:
        body = b'{"start": "%s", "duration": "PT45M", "unit": "kW", "values": %s}' % (DAY.encode(), values)
        return await site.api.call("POST", f"sensors/{sensor}/data", by=site.chief, data=body, headers=JSON)

    assert (await post(b"[1.5, NaN, 2]")).status == 200
    assert await site.values(sensor, DAY, "PT45M") == [1.5, NONE, 2]
    for too_large in (b"[1, Infinity, 2]", b"[1, 1e999, 2]", b"[1, 1" + b"0" * 400 + b", 2]"):
        check_invalid(await post(too_large), "values", text="A number is too large.")


async def test_what_others_post_is_told_apart_by_whoever_reads_the_sensor(site: Site) -> None:
    people = site.people
    asset = await new_asset(site.api, people.shopkeeper, people.shop.number)
    looked_after = await site.sensor(by=people.shopkeeper, generic_asset_id=asset)
    public = await site.api.post("assets", people.root, name="Market", generic_asset_type_id=6, account_id=None)
    shared = await site.sensor(by=people.root, generic_asset_id=public.json["id"])
    for sensor, poster, reader in (
        (looked_after, people.adviser, people.shopkeeper),
        (shared, people.root, people.member),
    ):
        await site.stored(sensor, DAY, "PT15M", [7], by=poster)
        ((name, _), *_) = (await site.api.get(f"sensors/{sensor}/stats", reader)).json.items()
        assert name.startswith(f"{poster.username} (ID: ")
        number = int(name.removesuffix(")").rpartition(" ")[2])
        assert await site.values(sensor, DAY, "PT15M", by=reader, source=number) == [7]
        assert await site.values(sensor, DAY, "PT15M", by=reader, **{"source-type": "user"}) == [7]
        form = FormData(quote_fields=False)
        form.add_field("uploaded-files", f"t,v\n{later(15)},8\n".encode(), filename="a.csv", content_type="text/csv")
        assert (await sent(site, sensor, form, poster)).status == 200
        assert await site.values(sensor, DAY, "PT30M", by=reader, source=number) == [7, 8], "a user is one source"
        listed = (await site.api.get("sources", reader)).json["sources"]
        assert [one["id"] for one in listed if one.get("user_id") == poster.number] == [number]


async def test_figures_are_told_by_source(site: Site) -> None:
    sensor = await site.sensor()
    await site.stored(sensor, DAY, "PT1H", [1, 2, 3, 6], prior=later(60))
    got = await site.api.get(f"sensors/{sensor}/stats?sort=false", site.chief)
    told = got.json
    assert told.pop("status") == 200
    ((name, figures),) = told.items()
    assert "(ID: " in name
    assert figures == {
        "First event start": "2024-02-29T23:00:00+00:00",
        "Last event end": "2024-03-01T00:00:00+00:00",
        "Last recorded": "2024-03-01T00:00:00+00:00",
        "Min value": 1,
        "Max value": 6,
        "Mean value": 3,
        "Sum over values": 12,
        "Number of values": 4,
    }
    assert (await site.api.get(f"sensors/{sensor}/stats", site.people.stranger)).status == 403
    assert (await site.api.get("sensors/999999999/stats", site.chief)).status == 422


async def test_a_status_tells_whether_data_are_up_to_date(site: Site) -> None:
    sensor = await site.sensor()

    async def status() -> dict[str, Any]:
        got = await site.api.get(f"sensors/{sensor}/status", site.chief)
        assert got.json["status"] == 200
        (measured,) = got.json["sensors_data"]
        assert (measured["id"], measured["resolution"], measured["source_type"]) == (sensor, "PT15M", "measured")
        found: dict[str, Any] = measured
        return found

    assert ((await status())["stale"], (await status())["staleness"]) == (True, None)
    await site.stored(sensor, DAY, "PT15M", [1])
    assert (await status())["stale"]
    now = site.api.process.clock.now().replace(minute=0, second=0, microsecond=0).isoformat()
    await site.stored(sensor, now, "PT15M", [1])
    assert not (await status())["stale"]


# ------------------------------------------------------------------ much at once


async def test_a_year_is_accepted_and_comes_back_whole(site: Site) -> None:
    sensor, start = await site.sensor(timezone="UTC"), "2025-01-01T00:00:00+00:00"
    values = [round(50 + 40 * math.sin(at / 15.28), 3) for at in range(35_040)]
    got = await site.post(sensor, start, "PT8760H", values)
    job = got.json["job"]
    assert (got.status, got.json) == (
        202,
        {
            "status": "ACCEPTED",
            "message": "Sensor data has been accepted for processing.",
            "job": job,
            "job-url": f"/api/v3_0/jobs/{job}",
        },
    )
    await eventually(lambda: is_done(site, job), within=20)
    assert await site.values(sensor, start, "P365D") == values
    days = await site.values(sensor, start, "P365D", resolution="P1D")
    assert days == pytest.approx([sum(values[96 * day : 96 * day + 96]) / 96 for day in range(365)])
    done = (await site.api.get(f"jobs/{job}", site.people.member)).json
    assert (done["status"], done["origin"], done["result"]["num-beliefs"]) == ("FINISHED", "ingestion", 35_040)


async def is_done(site: Site, job: str) -> bool:
    got = await site.api.get(f"jobs/{job}", site.chief)
    assert got.status in {200, 202}
    return got.status == 200


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", 23),
        ("2025-10-26T00:00:00+02:00", "2025-10-27T00:00:00+01:00", 25),
    ],
)
async def test_days_on_which_clocks_change_have_their_hours(site: Site, start: str, end: str, hours: int) -> None:
    sensor = await site.sensor(resolution="PT1H")
    await site.stored(sensor, start, f"PT{hours}H", list(range(hours)))
    assert await site.values(sensor, start, f"PT{hours}H") == list(range(hours))
    assert await site.values(sensor, later(-60, end), "PT2H") == [hours - 1, NONE]


# ------------------------------------------------------------------ files


async def upload(site: Site, sensor: int, name: str, content: bytes, kind: str = "text/csv", **fields: str) -> Got:
    form = FormData(quote_fields=False)
    form.add_field("uploaded-files", content, filename=name, content_type=kind)
    for field, value in fields.items():
        form.add_field(field.replace("_", "-"), value)
    return await sent(site, sensor, form)


async def sent(site: Site, sensor: int, form: FormData, by: User | None = None) -> Got:
    headers = {"Authorization": await site.api.token(by or site.chief)}
    url = f"http://127.0.0.1:{site.api.client.port}/api/v3_0/sensors/{sensor}/data/upload"
    async with site.api.client.session.post(url, data=form, headers=headers) as response:
        return Got(response.status, response.headers.copy(), await response.read())


async def test_a_file_is_stored(site: Site) -> None:
    sensor = await site.sensor()
    got = await upload(site, sensor, "a.CSV", b"when,kw\n2024-03-01 00:00,1\n2024-03-01 00:15,2\n2024-03-01 00:30,3\n")
    check_versions(got)
    assert (got.status, got.json["status"]) == (200, "PROCESSED")
    assert await site.values(sensor, DAY, "PT45M") == [1, 2, 3]


async def test_several_files_have_a_unit_and_a_belief_time(site: Site) -> None:
    sensor = await site.sensor()
    form = FormData(quote_fields=False)
    for at in range(2):
        row = f"when,mw\n{later(15 * at)},0.00{at + 1}\n".encode()
        form.add_field("uploaded-files", row, filename=f"{at}.csv", content_type="text/csv")
    form.add_field("unit", "MW")
    form.add_field("belief-time-measured-instantly", "on")
    got = await sent(site, sensor, form)
    assert (got.status, got.json["status"]) == (200, "PROCESSED")
    assert await site.values(sensor, DAY, "PT30M", prior=later(60)) == [1, 2], "known at the end of each event"


@pytest.mark.parametrize(
    ("name", "content", "kind", "fields", "field", "text"),
    [
        ("f.txt", b"a,b\n", "text/plain", {}, "uploaded-files", "Invalid filename: f.txt. Only CSV or Excel files are"),
        ("f.csv", b"a,b\n", "image/png", {}, "uploaded-files", "Invalid content type: image/png."),
        ("f.csv", f"a,b\n{DAY},many\n".encode(), "text/csv", {}, "uploaded-files", "f.csv"),
        ("f.csv", f"a,b,c\n{DAY},1,x\n".encode(), "text/csv", {}, "uploaded-files", "f.csv"),
        ("f.csv", f"a,b\n{DAY},1\n".encode(), "text/csv", {"unit": "EUR"}, "unit", "got incompatible unit: EUR"),
        (
            "f.csv",
            f"a,b\n{DAY},1\n".encode(),
            "text/csv",
            {"belief_time_measured_instantly": "perhaps"},
            "belief-time-measured-instantly",
            "Not a valid boolean.",
        ),
    ],
)
async def test_a_file_that_cannot_be_taken_is_refused_with_the_reason(
    site: Site, quarters: int, name: str, content: bytes, kind: str, fields: dict[str, str], field: str, text: str
) -> None:
    got = await upload(site, quarters, name, content, kind, **fields)
    check_invalid(got, field, text=text, location=UPLOAD)


async def test_a_form_without_a_file_and_a_file_too_large_are_refused(site: Site, quarters: int) -> None:
    check_invalid(await sent(site, quarters, FormData({"unit": "kW"})), "uploaded-files", location=UPLOAD)
    got = await upload(site, quarters, "f.csv", b"a,b\n" + b"2024-03-01T00:00:00Z,1\n" * 20_000)
    assert (got.status, got.json["status"]) == (413, "PAYLOAD_TOO_LARGE")
