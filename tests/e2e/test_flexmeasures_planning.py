"""FlexMeasures' own Python client from posted values to schedules and forecasts, against real services: every method that plans or measures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from flexmeasures_client import FlexMeasuresClient
from flexmeasures_client.exceptions import InsufficientServerVersionError, JobFailedError

from tests.support.stack import ServiceProcess, Stack

if TYPE_CHECKING:
    from tests.support.databases import TestDatabases

PASSWORD = "correct horse battery 7"
EMAIL, ACCOUNT = "planner@site.example", "Site BV"
START, KNOWN = "2024-01-01T00:00:00+00:00", "2023-12-31T00:00:00+00:00"
PRICES, BEST = [10.0, 50.0, 20.0, 60.0], [100.0, -100.0, 100.0, -100.0]
DEVICE = {"soc-at-start": "0 kWh", "soc-min": "0 kWh", "soc-max": "100 kWh", "power-capacity": "100 kW"}
QUICK = {"request_retry_interval": 0.05, "job_polling_interval": 0.05, "job_polling_max_interval": 0.5}


@dataclass(frozen=True)
class Planner:
    """Somebody who plans two batteries behind one connection."""

    gateway: ServiceProcess
    account_id: int
    site: int
    batteries: tuple[int, int]
    powers: tuple[int, int]
    price: int


@pytest.fixture(scope="module")
def planning(tmp_path_factory: pytest.TempPathFactory, databases: TestDatabases, broker_url: str) -> Iterator[Stack]:
    """A gateway, telemetry and an optimizer on the run's servers."""
    settings = {"FLEXIBILITY_TRIGGERS_PER_5_MINUTES": "unlimited"}
    made = Stack(tmp_path_factory.mktemp("planning"), databases.create(), broker_url, settings=settings)
    try:
        made.run("optimizer", "telemetry", "gateway")
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def gateway(planning: Stack) -> ServiceProcess:
    (made,) = planning.of_kind("gateway")
    return made


@pytest.fixture(scope="module")
def planner(gateway: ServiceProcess) -> Planner:
    account = gateway.printed("account", "create", ACCOUNT)
    gateway.printed(
        *("user", "create", EMAIL, "--account", ACCOUNT, "--role", "account-admin", "--password-stdin"),
        stdin=f"{PASSWORD}\n",
    )
    return asyncio.run(build_site(gateway, account["account_id"]))


async def build_site(gateway: ServiceProcess, account_id: int) -> Planner:
    async with client_of(gateway) as client:
        site = (await client.add_asset("Site", account_id, 52, 5, 6))["id"]
        price = (await client.add_sensor("price", "PT1H", "EUR/MWh", site))["id"]
        batteries, powers = [], []
        for name in ("North", "South"):
            battery = await client.add_asset(name, account_id, 52, 5, 5, parent_asset_id=site)
            power = await client.add_sensor(
                "power", "PT1H", "kW", battery["id"], attributes={"consumption_is_positive": True}
            )
            batteries.append(battery["id"])
            powers.append(power["id"])
        stored = await client.post_sensor_data(
            price, start=START, duration="PT4H", values=PRICES, unit="EUR/MWh", prior=KNOWN
        )
        assert stored == ({"message": "Request has been processed.", "status": "PROCESSED"}, 200)
    return Planner(gateway, account_id, site, (batteries[0], batteries[1]), (powers[0], powers[1]), price)


@asynccontextmanager
async def client_of(gateway: ServiceProcess) -> AsyncIterator[FlexMeasuresClient]:
    client = FlexMeasuresClient(email=EMAIL, password=PASSWORD, host=urlsplit(gateway.url).netloc, **QUICK)
    try:
        with gateway.explained():
            yield client
    finally:
        await client.close()


@pytest.fixture
async def client(planner: Planner) -> AsyncIterator[FlexMeasuresClient]:
    async with client_of(planner.gateway) as made:
        yield made


def context(planner: Planner) -> dict[str, Any]:
    return {"consumption-price": {"sensor": planner.price}}


# ------------------------------------------------------------------ data


async def test_the_client_posts_and_reads_values(client: FlexMeasuresClient, planner: Planner) -> None:
    sensor = (await client.add_sensor("measured", "PT15M", "kW", planner.site))["id"]
    await client.post_sensor_data(sensor, start=START, duration="PT1H", values=[4.5, 5, None, 6.25], unit="kW")
    found = await client.get_sensor_data(sensor, start=START, duration="PT1H", unit="MW", resolution="PT30M")
    assert found["values"] == pytest.approx([0.00475, 0.00625])
    assert (found["unit"], found["duration"]) == ("MW", "PT1H")
    with pytest.warns(DeprecationWarning):
        await client.post_measurements(sensor, start=START, duration="PT15M", values=[9.0], unit="kW")
    found = await client.get_sensor_data(sensor, start=START, duration="PT1H", unit="kW", resolution="PT15M")
    assert found["values"] == [9.0, 5.0, None, 6.25]
    await client.delete_sensor_data(sensor, confirm_first=False, start=START, until="2024-01-01T00:15:00+00:00")
    await client.delete_sensor_data(sensor, confirm_first=False, start="2024-01-01T00:45:00+00:00")
    found = await client.get_sensor_data(sensor, start=START, duration="PT1H", unit="kW", resolution="PT15M")
    assert found["values"] == [None, 5.0, None, None]
    await client.delete_sensor(sensor, confirm_first=False)


async def test_the_client_uploads_a_file(client: FlexMeasuresClient, planner: Planner, tmp_path: Path) -> None:
    sensor = (await client.add_sensor("uploaded", "PT1H", "EUR/kWh", planner.site))["id"]
    file = tmp_path / "prices.csv"
    file.write_text("time,price\n2024-03-02T00:00:00+01:00,61.2\n2024-03-02T01:00:00+01:00,58.9\n", "utf-8")
    _, status = await client.post_sensor_data(
        sensor, file_path=str(file), unit="EUR/MWh", belief_time_measured_instantly=True
    )
    assert status in {200, 202}
    day = "2024-03-02T00:00:00+01:00"

    async def read() -> list[float | None]:
        found = await client.get_sensor_data(sensor, start=day, duration="PT2H", unit="EUR/kWh", resolution="PT1H")
        values: list[float | None] = found["values"]
        return values

    async with asyncio.timeout(20):
        while None in (values := await read()):
            await asyncio.sleep(0.05)
    assert values == pytest.approx([0.0612, 0.0589])


# ------------------------------------------------------------------ schedules


async def test_the_client_plans_one_sensor(client: FlexMeasuresClient, planner: Planner) -> None:
    found = await client.trigger_and_get_schedule(
        start=START, duration="PT4H", flex_model=DEVICE, flex_context=context(planner), sensor_id=planner.powers[0]
    )
    assert found["values"] == pytest.approx(BEST, abs=1e-4)
    assert (found["unit"], found["duration"]) == ("kW", "PT4H")


async def test_the_client_plans_a_site(client: FlexMeasuresClient, planner: Planner) -> None:
    model = [{"sensor": power, **DEVICE} for power in planner.powers]
    found = await client.trigger_and_get_schedule(
        start=START,
        duration="PT4H",
        flex_model=model,
        flex_context=context(planner),
        asset_id=planner.site,
        unit="MW",
    )
    assert [schedule["sensor"] for schedule in found] == list(planner.powers)
    for schedule in found:
        assert schedule["values"] == pytest.approx([value / 1000 for value in BEST], abs=1e-7)
        assert schedule["unit"] == "MW"


async def test_the_client_waits_for_a_job_and_reads_part_of_its_schedule(
    client: FlexMeasuresClient, planner: Planner
) -> None:
    job_id = await client.trigger_schedule(
        start=START,
        duration="PT4H",
        flex_model=DEVICE,
        flex_context=context(planner),
        sensor_id=planner.powers[0],
        prior="2024-01-01T00:00:00+00:00",
    )
    job = await client.wait_for_job(job_id)
    assert (job["status"], job["result"]["num-beliefs"]) == ("FINISHED", 4)
    assert (await client.get_job_status(job_id))["status"] == "FINISHED"
    found = await client.get_schedule(planner.powers[0], job_id, duration="PT2H", unit="W")
    assert found["values"] == pytest.approx([100_000, -100_000], abs=0.1)
    assert found["unit"] == "W"


async def test_an_unknown_schedule_is_an_error_with_the_servers_text(
    client: FlexMeasuresClient, planner: Planner
) -> None:
    with pytest.raises(ValueError, match="is not known"):
        await client.get_schedule(planner.powers[0], "00000000-0000-0000-0000-000000000000")


async def test_what_the_client_itself_makes_of_a_storage_is_accepted(
    client: FlexMeasuresClient, planner: Planner
) -> None:
    model = client.create_storage_flex_model(
        "kWh",
        0,
        soc_max=100,
        soc_min=0,
        roundtrip_efficiency=1,
        soc_targets=[{"value": 100, "datetime": "2024-01-01T03:00:00+00:00"}],
    )
    old = client.create_storage_flex_context(
        consumption_price_sensor=planner.price, production_price_sensor=planner.price
    )
    await client.update_asset(
        planner.batteries[0], {"flex_model": {"power-capacity": "100 kW"}}, parse_json_fields=False
    )
    found = await client.trigger_and_get_schedule(
        start=START, duration="PT4H", flex_model=model, flex_context=old, sensor_id=planner.powers[0]
    )
    assert found["values"] == pytest.approx(BEST, abs=1e-4)


async def test_the_client_names_a_scheduler(client: FlexMeasuresClient, planner: Planner) -> None:
    model = [{"sensor": planner.powers[1], **DEVICE}]
    request = {"start": START, "duration": "PT4H", "flex_model": model, "flex_context": context(planner)}
    # The client warns of how it uses itself here.
    with pytest.warns(FutureWarning):
        job_id = await client.trigger_schedule(**request, asset_id=planner.batteries[1], scheduler="StorageScheduler")
    assert (await client.wait_for_job(job_id))["status"] == "FINISHED"
    with pytest.warns(FutureWarning), pytest.raises(ValueError, match="FortuneTeller"):
        await client.trigger_schedule(**request, asset_id=planner.batteries[1], scheduler="FortuneTeller")
    await client.update_asset(planner.batteries[1], {"attributes": {}}, parse_json_fields=False)


async def test_a_client_that_takes_the_server_for_an_old_one_is_served_too(
    client: FlexMeasuresClient, planner: Planner
) -> None:
    client.server_version = "0.26.0"
    job_id = await client.trigger_schedule(
        start=START, duration="PT4H", flex_model=DEVICE, flex_context=context(planner), sensor_id=planner.powers[0]
    )
    await client.wait_for_job(job_id)
    assert (await client.get_schedule(planner.powers[0], job_id))["values"] == pytest.approx(BEST, abs=1e-4)


async def test_a_schedule_that_fails_is_an_error_with_the_reason(client: FlexMeasuresClient, planner: Planner) -> None:
    with pytest.raises(JobFailedError, match=r"(?i)consumption price"):
        await client.trigger_and_get_schedule(
            start=START,
            duration="PT4H",
            flex_model=[{"sensor": planner.powers[1], **DEVICE}],
            flex_context={},
            asset_id=planner.site,
        )


async def test_reports_are_not_offered_and_that_is_said(client: FlexMeasuresClient, planner: Planner) -> None:
    with pytest.raises((InsufficientServerVersionError, ConnectionError)):
        await client.trigger_report(planner.site, "PandasReporter", {})
    with pytest.raises((InsufficientServerVersionError, ConnectionError)):
        await client.trigger_and_await_report(planner.site, "PandasReporter", {})


async def test_units_are_converted_by_the_client(client: FlexMeasuresClient) -> None:
    assert client.convert_units([1.5], "MW", "kW") == [1500]


# ------------------------------------------------------------------ forecasts


async def test_the_client_forecasts_a_sensor(client: FlexMeasuresClient, planner: Planner) -> None:
    curve = [max(0.0, 10 * math.sin((hour - 6) * math.pi / 12)) for hour in range(24)]
    sensor = (await client.add_sensor("sun", "PT1H", "kW", planner.site, timezone="UTC"))["id"]
    start = "2024-06-21T00:00:00+00:00"
    await client.post_sensor_data(
        sensor, start="2024-06-01T00:00:00+00:00", duration="P20D", values=curve * 20, unit="kW", prior=start
    )
    found = await client.trigger_and_get_forecast(
        sensor, start=start, duration="PT24H", train_period="P14D", max_forecast_horizon="PT24H"
    )
    assert (found["unit"], len(found["values"])) == ("kW", 24)
    error = sum(abs(value - expected) for value, expected in zip(found["values"], curve, strict=True)) / 24
    assert error <= 0.5, "the bound that is promised for a clean daily curve"
    job_id = await client.trigger_forecast(
        sensor, start="2024-06-20T00:00:00+00:00", duration="PT12H", train_period="P14D", max_forecast_horizon="PT12H"
    )
    await client.wait_for_job(job_id)
    assert len((await client.get_forecast(sensor, job_id))["values"]) == 12
