"""Triggers, jobs, schedules and forecasts as clients see them; what an optimizer would write, the tests write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import insert, select

from shared.contracts.flexibility import JobsFinished
from shared.db.models.flexibility import job_outputs, job_states, jobs
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import JobId
from tests.integration.gateway.flexibility.conftest import Api, invite, serving_flexibility
from tests.integration.gateway.flexibility.working import Site, new_asset
from tests.support.apis import Got
from tests.support.databases import TestDatabases

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = "2024-01-01T00:00:00+01:00"
DEVICE = {"soc-at-start": "0 kWh", "soc-min": "0 kWh", "soc-max": "100 kWh", "power-capacity": "100 kW"}
CONTEXT = {"consumption-price": "10 EUR/MWh"}
POLLED_ON = ("Scheduling job waiting", "Scheduling job in progress", "Scheduling job has an unknown status")
BAG = "combined_sensor_data_description"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(databases: TestDatabases) -> AsyncIterator[Site]:
    url = databases.create()
    async with serving_flexibility(url, rate_limits="off", flexibility_job_wait_s=0.0) as api:
        people = await invite(api)
        yield Site(api, people, await new_asset(api, people.chief, people.depot.number))
    databases.drop(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def power(site: Site) -> int:
    return await site.sensor(resolution="PT1H", attributes={"consumption_is_positive": True})


def body(sensor: int, **changes: Any) -> dict[str, Any]:
    model = [{"sensor": sensor} | DEVICE]
    given = {"start": START, "duration": "PT4H", "flex-model": model, "flex-context": CONTEXT}
    return {name: value for name, value in (given | changes).items() if value is not ...}


async def trigger(site: Site, by: Any = None, asset_id: int | None = None, **given: Any) -> Got:
    path = f"assets/{site.asset_id if asset_id is None else asset_id}/schedules/trigger"
    return await site.api.post(path, by or site.chief, **given)


async def accepted(site: Site, **given: Any) -> str:
    got = await trigger(site, **given)
    assert got.status == 202, got.text
    return str(got.json["schedule"])


async def stored_job(api: Api, job_id: str) -> Any:
    async with api.process.database.reading(EVERY_ACCOUNT) as connection:
        return (await connection.execute(select(jobs).where(jobs.c.job_id == UUID(job_id)))).one()


async def end(
    site: Site,
    job_id: str,
    state: str = "FINISHED",
    *,
    result: Mapping[str, Any] | None = None,
    failure: str | None = None,
    info: Mapping[str, Any] | None = None,
    outputs: Mapping[int, tuple[list[float], str, int]] | None = None,
) -> None:
    """What the optimizer writes in the end: values [unit] from the start on, by the hour, and the sign they are stored with."""
    account = site.people.depot.account_id
    now = datetime(2024, 1, 1, 12, tzinfo=UTC)
    ended = None if state in {"STARTED", "DEFERRED"} else now
    row = {"job_id": UUID(job_id), "account_id": account, "state": state, "started_at": now, "ended_at": ended}
    async with site.api.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(insert(job_states).values(**row, result=result, failure=failure, info=info))
        for sensor, (values, unit, sign) in (outputs or {}).items():
            output = {"job_id": UUID(job_id), "sensor_id": sensor, "account_id": account, "unit": unit}
            output |= {"start": datetime.fromisoformat(START), "resolution_s": 3600, "values": values}
            await work.connection.execute(insert(job_outputs).values(**output, stored_sign=sign))
        await work.outbox.add(account, JobsFinished(job_ids=(JobId(UUID(job_id)),)))


def check_refused(got: Got, *path: str, text: str) -> None:
    assert got.status == 422, got.text
    assert (got.json["result"], got.json["status"]) == ("Rejected", "UNPROCESSABLE_ENTITY")
    found: Any = got.json["message"]
    for key in path:
        assert isinstance(found, dict) and key in found, got.text
        found = found[key]
    assert text in str(found)


# ------------------------------------------------------------------ triggers


async def test_a_trigger_is_accepted_under_both_names_and_kept_as_it_was_given(site: Site, power: int) -> None:
    got = await trigger(site, **body(power, sequential=True, resolution="PT30M"))
    job = got.json["job"]
    assert (got.status, got.json) == (
        202,
        {
            "job": job,
            "job-url": f"/api/v3_0/jobs/{job}",
            "schedule": job,
            "message": "Request has been accepted for processing.",
            "status": "ACCEPTED",
        },
    )
    row = await stored_job(site.api, job)
    assert (row.kind, row.asset_id, row.account_id) == ("scheduling", site.asset_id, site.people.depot.account_id)
    assert row.requested_by == site.chief.number
    assert row.arguments.pop("belief_time") is not None
    assert row.arguments == {
        "trigger": "asset",
        "asset_id": site.asset_id,
        "sensor_id": None,
        "start": START,
        "duration": "PT4H",
        "resolution": "PT30M",
        "prior": None,
        "flex_model": [{"sensor": power} | DEVICE],
        "flex_context": CONTEXT,
        "sequential": True,
    }


async def test_a_sensor_is_triggered_by_itself(site: Site, power: int) -> None:
    given = {"start": START, "duration": "PT4H", "prior": START, "flex-model": DEVICE, "flex-context": CONTEXT}
    got = await site.api.post(f"sensors/{power}/schedules/trigger", site.people.member, **given)
    job = got.json["schedule"]
    assert (got.status, got.json["results-url"]) == (202, f"/api/v3_0/sensors/{power}/schedules/{job}")
    row = await stored_job(site.api, job)
    assert (row.arguments["trigger"], row.arguments["sensor_id"]) == ("sensor", power)
    assert row.arguments["belief_time"] == row.arguments["prior"] == "2023-12-31T23:00:00+00:00"


async def test_identical_triggers_share_a_job_unless_forced_or_failed(site: Site, power: int) -> None:
    given = body(power, duration="PT5H")
    first = await accepted(site, **given)
    assert await accepted(site, **given) == first
    assert await accepted(site, **given | {"start": "2023-12-31T23:00:00+00:00"}) == first, "the same moment"
    assert await accepted(site, **given | {"duration": "P0DT5H0M0S"}) == first, "as long"
    assert await accepted(site, **given | {"duration": "PT6H"}) != first
    assert await accepted(site, **given | {"prior": START}) != first
    for spelling in ("force-new-job-creation", "force_new_job_creation"):
        forced = await accepted(site, **given, **{spelling: True})
        assert forced != first
        first = forced
    assert await accepted(site, **given) == first, "the newest"
    await end(site, first, "FAILED", failure="no")
    assert await accepted(site, **given) != first


async def test_triggers_that_are_written_differently_and_ask_for_the_same_share_a_job(site: Site, power: int) -> None:
    by_default = await accepted(site, **body(power, duration=...))
    assert await accepted(site, **body(power, duration="PT48H")) == by_default
    assert await accepted(site, **body(power, duration="P2D")) == by_default
    a_month = await accepted(site, **body(power, duration="P1M"))
    assert await accepted(site, **body(power, duration="P0Y1MT0S")) == a_month != by_default
    assert await accepted(site, **body(power, duration="P31D")) != a_month, "months are those of a clock"
    by_half_hours = await accepted(site, **body(power, resolution="PT30M"))
    assert await accepted(site, **body(power, resolution="PT0.5H")) == by_half_hours
    assert await accepted(site, **body(power)) != by_half_hours


async def test_identical_triggers_at_the_same_moment_make_one_job(site: Site, power: int) -> None:
    answers = await asyncio.gather(*(accepted(site, **body(power, duration="PT7H")) for _ in range(5)))
    assert len(set(answers)) == 1


async def test_a_change_of_what_is_stored_makes_another_job(site: Site) -> None:
    battery = await new_asset(site.api, site.chief, site.people.depot.number, kind=5, parent=site.asset_id)
    sensor = await site.sensor(resolution="PT1H", generic_asset_id=battery)
    given = body(sensor, duration="PT8H")
    first = await accepted(site, **given)
    await new_asset(site.api, site.chief, site.people.depot.number, parent=site.asset_id)
    assert await accepted(site, **given) == first, "an asset that says nothing changes nothing"
    await site.api.patch(f"assets/{battery}", site.chief, flex_model={"soc-min": "1 kWh"})
    assert await accepted(site, **given) != first


@pytest.mark.parametrize(
    ("changes", "path", "text"),
    [
        ({"foo": 1}, ["foo"], "Unknown field."),
        ({"start": ...}, ["start"], "Missing data for required field."),
        ({"start": "2024-01-01T00:00:00"}, ["start"], "Not a valid aware datetime."),
        ({"duration": "PT0H"}, ["duration"], "above zero"),
        ({"duration": "-PT1H"}, ["duration"], "above zero"),
        ({"duration": "long"}, ["duration"], "ISO8601"),
        ({"resolution": "P1M"}, ["resolution"], "months"),
        ({"resolution": "PT0M"}, ["resolution"], "above zero"),
        ({"resolution": "PT1.5S"}, ["resolution"], "multiple of 1 minute"),
        ({"duration": "P9999Y"}, ["duration"], "out of the calendar"),
        ({"flex-context": "cheap"}, ["json"], "must be an object, or a list of objects."),
        ({"flex-context": {"price": 1}}, ["json", "flex-context", "price"], "Unknown field."),
        ({"flex-model": "none"}, ["json"], ""),
    ],
)
async def test_what_is_wrong_with_a_trigger_is_told_at_its_place(
    site: Site, power: int, changes: dict[str, Any], path: list[str], text: str
) -> None:
    check_refused(await trigger(site, **body(power, **changes)), *path, text=text)


async def test_what_is_wrong_with_a_flex_model_is_told_at_its_place(site: Site, power: int) -> None:
    def with_entry(**changes: Any) -> dict[str, Any]:
        return body(power, **{"flex-model": [{"sensor": power} | DEVICE | changes]})

    entry = ("json", "flex-model", "0")
    got = await trigger(site, **with_entry(**{"soc-minimum": "1 kWh"}))
    check_refused(got, *entry, "soc-minimum", text="Unknown field.")
    check_refused(await trigger(site, **with_entry(**{"soc-max": "10 kW"})), *entry, "soc-max", text="to 'MWh'")
    twice = [{"sensor": power} | DEVICE] * 2
    got = await trigger(site, **body(power, **{"flex-model": twice}))
    check_refused(got, "json", text=f"Sensor {power} should not occur more than once in the flex-model")
    elsewhere = await new_asset(site.api, site.chief, site.people.depot.number)
    other = await site.sensor(resolution="PT1H", generic_asset_id=elsewhere)
    got = await trigger(site, **body(other))
    check_refused(got, "json", text=f"Sensor {other} does not belong to asset {site.asset_id}")


async def test_stored_flex_models_do_without_one_in_the_request(site: Site) -> None:
    place = await new_asset(site.api, site.chief, site.people.depot.number, kind=5)
    out = await site.sensor(resolution="PT1H", generic_asset_id=place)
    model = {name: value for name, value in DEVICE.items() if name != "soc-at-start"}
    got = await site.api.patch(f"assets/{place}", site.chief, flex_model=model | {"consumption": {"sensor": out}})
    assert got.status == 200, got.text
    got = await trigger(site, asset_id=place, start=START, duration="PT4H")
    assert got.status == 202, got.text


async def test_what_a_trigger_is_about_has_to_be_there_and_the_callers(site: Site, power: int) -> None:
    check_refused(
        await trigger(site, asset_id=999_999_999, **body(power)), "id", text="No asset found with ID 999999999."
    )
    path = "sensors/999999999/schedules/trigger"
    check_refused(
        await site.api.post(path, site.chief, start=START), "path", "id", text="No sensor found with ID 999999999."
    )
    for caller in (site.people.stranger, site.people.reader):
        assert (await trigger(site, by=caller, **body(power))).status == 403
    got = await site.api.call(
        "POST",
        f"assets/{site.asset_id}/schedules/trigger",
        by=site.chief,
        data=b"{",
        headers={"Content-Type": "application/json"},
    )
    assert (got.status, got.json["status"]) == (400, 400)


async def test_a_reference_to_what_the_caller_may_not_read_is_told_with_its_path(site: Site, power: int) -> None:
    people = site.people
    theirs = await new_asset(site.api, people.stranger, people.other.number)
    price = await site.sensor("EUR/MWh", "PT1H", by=people.stranger, generic_asset_id=theirs)
    got = await trigger(site, **body(power, **{"flex-context": {"consumption-price": {"sensor": price}}}))
    assert (got.status, got.json["status"]) == (403, "INVALID_SENDER")
    assert got.json["message"].startswith("You cannot be authorized for this content or functionality.")
    assert "flex-context.consumption-price.sensor" in got.json["message"]


async def test_what_is_stored_is_no_way_to_what_the_caller_may_not_read(site: Site) -> None:
    people = site.people
    place = await new_asset(site.api, people.chief, people.depot.number, kind=5)
    out = await site.sensor(resolution="PT1H", generic_asset_id=place)
    elsewhere = await new_asset(site.api, people.stranger, people.other.number)
    theirs = await site.sensor(resolution="PT1H", by=people.stranger, generic_asset_id=elsewhere)
    said = body(
        out,
        **{
            "flex-model": [{"sensor": out, "consumption-capacity": "5 kW"} | DEVICE],
            "flex-context": CONTEXT | {"inflexible-consumption": []},
        },
    )
    # Somebody who may read both accounts has made it part of the one's configuration.
    for field, stored, path in (
        ("flex_context", {"inflexible-consumption": [{"sensor": theirs}]}, "flex-context.inflexible-consumption.0"),
        ("flex_model", {"consumption-capacity": {"sensor": theirs}}, "flex-model.0.consumption-capacity.sensor"),
    ):
        assert (await site.api.patch(f"assets/{place}", people.root, **{field: stored})).status == 200
        got = await trigger(site, asset_id=place, **body(out))
        assert (got.status, got.json["status"]) == (403, "INVALID_SENDER")
        assert f"sensor {theirs}, which is referenced in {path}" in got.json["message"]
        assert (await trigger(site, by=people.root, asset_id=place, **body(out))).status == 202
        assert (await trigger(site, asset_id=place, **said)).status == 202, "it is not read where the request says more"
        assert (await site.api.patch(f"assets/{place}", people.root, **{field: {}})).status == 200


async def test_a_trigger_tells_its_output_sensors_how_their_power_is_meant(site: Site, power: int) -> None:
    wrong = {"consumption_is_positive": True, "colour": "red"}
    use, make = await site.sensor(resolution="PT1H"), await site.sensor(resolution="PT1H", attributes=wrong)
    outputs = {"consumption": {"sensor": use}, "production": {"sensor": make}}
    given = body(power, **{"flex-model": [{"sensor": power} | DEVICE | outputs]})
    first = await accepted(site, **given)
    for sensor, told in ((use, {"consumption_is_positive": True}), (make, wrong | {"consumption_is_positive": False})):
        assert json.loads((await site.api.get(f"sensors/{sensor}", site.chief)).json["attributes"]) == told
    assert await accepted(site, **given) == first, "what a trigger says of signs makes it no other one"


async def test_a_change_of_attributes_makes_another_job(site: Site) -> None:
    sensor = await site.sensor(resolution="PT1H")
    given = body(sensor)
    first = await accepted(site, **given)
    await site.api.patch(f"sensors/{sensor}", site.chief, attributes={"is_strictly_non_positive": True})
    second = await accepted(site, **given)
    assert second != first
    await site.api.patch(f"assets/{site.asset_id}", site.chief, attributes={"capacity_in_mw": 1})
    assert await accepted(site, **given) != second


async def test_a_schedule_is_not_written_to_what_the_caller_may_only_read(site: Site, power: int) -> None:
    people = site.people
    public = await site.api.post("assets", people.root, name="Shared", generic_asset_type_id=6, account_id=None)
    net = await site.sensor(resolution="PT1H", by=people.root, generic_asset_id=public.json["id"])
    context = CONTEXT | {"aggregate-power": {"sensor": net}}
    got = await trigger(site, **body(power, **{"flex-context": context}))
    assert (got.status, got.json["status"]) == (403, "INVALID_SENDER")
    assert "aggregate-power" in got.json["message"]


async def test_only_schedulers_that_there_are_may_be_named(site: Site) -> None:
    for named, status in (
        ("StorageScheduler", 202),
        ({"module": "x", "class": "ProcessScheduler"}, 202),
        ("Oracle", 422),
    ):
        attributes = {"custom-scheduler": named}
        place = await new_asset(site.api, site.chief, site.people.depot.number, kind=5, attributes=attributes)
        sensor = await site.sensor(resolution="PT1H", generic_asset_id=place)
        got = await trigger(site, asset_id=place, **body(sensor))
        assert got.status == status, got.text
    check_refused(got, "json", "custom-scheduler", text="Oracle")


# ------------------------------------------------------------------ jobs and schedules


async def schedule(site: Site, sensor: int, job: str, by: Any = None, query: str = "") -> Got:
    return await site.api.get(f"sensors/{sensor}/schedules/{job}{query}", by or site.chief)


async def job_of(site: Site, job: str, by: Any = None) -> Got:
    return await site.api.get(f"jobs/{job}", by or site.chief)


async def test_a_job_is_told_as_it_stands(site: Site, power: int) -> None:
    job = await accepted(site, **body(power, duration="PT9H"))
    for sensor_answer in (await schedule(site, power, job), await job_of(site, job)):
        assert (sensor_answer.status, sensor_answer.json["status"]) == (202, "QUEUED")
        assert sensor_answer.json["message"] == "Scheduling job waiting to be processed."
        assert sensor_answer.headers["Content-Type"] == "application/json"
    await end(site, job, "STARTED")
    got = await job_of(site, job)
    assert (got.status, got.json["status"], got.json["result"]) == (202, "STARTED", None)
    assert (await schedule(site, power, job)).json == {"status": "STARTED", "message": "Scheduling job in progress."}


async def test_a_job_that_waits_for_others_is_deferred(site: Site, power: int) -> None:
    job = await accepted(site, **body(power, duration="PT10H"))
    await end(site, job, "DEFERRED")
    assert [(await job_of(site, job)).json["status"], (await schedule(site, power, job)).json["status"]] == [
        "DEFERRED"
    ] * 2


async def test_a_finished_job_has_all_its_particulars_in_both_spellings(site: Site, power: int) -> None:
    job = await accepted(site, **body(power, duration="PT11H"))
    result = {"num-beliefs": 8, "resolved": [], "unresolved": []}
    await end(site, job, result=result)
    got = await job_of(site, job, by=site.people.member)
    told = got.json
    assert (got.status, told["status"], told["message"]) == (200, "FINISHED", "Scheduling job has finished.")
    assert (told["result"], told["origin"], told["exc-info"]) == (result, "scheduling", None)
    assert told["started-at"] == "2024-01-01T12:00:00+00:00"
    for name in ("func-name", "enqueued-at", "started-at", "ended-at", "exc-info"):
        assert told[name] == told[name.replace("-", "_")]


async def test_a_schedule_is_told_in_the_unit_direction_and_length_that_is_asked_for(site: Site) -> None:
    stored_negative = await site.sensor(resolution="PT1H")
    job = await accepted(site, **body(stored_negative))
    info = {"scheduler": "StorageScheduler", "commitment_costs": {"electricity net energy": -8.0}}
    values = [100.0, -100.0, 0.0, -4.2]
    await end(site, job, info=info, outputs={stored_negative: (values, "kW", -1)})
    got = await schedule(site, stored_negative, job)
    assert (got.status, got.json) == (
        200,
        {
            "values": values,
            "start": START,
            "duration": "PT4H",
            "unit": "kW",
            "scheduler_info": info,
            "message": "Request has been processed. StorageScheduler was used.",
            "status": "PROCESSED",
        },
    )
    turned = [-100.0, 100.0, 0.0, 4.2]
    for query, expected, duration in (
        ("?duration=P0DT2H0M0S", values[:2], "PT2H"),
        ("?duration=PT90M", values[:1], "PT1H"),
        ("?unit=MW", [0.1, -0.1, 0.0, -0.0042], "PT4H"),
        ("?sign-convention=production-positive", turned, "PT4H"),
        ("?sign-convention=wysiwyg", turned, "PT4H"),
        ("?duration=P1Y", values, "PT4H"),
    ):
        told = (await schedule(site, stored_negative, job, query=query)).json
        assert told["values"] == pytest.approx(expected), query
        assert told["duration"] == duration
        assert "-0.0" not in str([value for value in told["values"] if not value])
    got = await schedule(site, stored_negative, job, query="?unit=kWh")
    assert (got.status, got.json["message"]) == (
        422,
        {"unit": ["Incompatible units: kW cannot be converted to kWh."]},
    )
    assert (await schedule(site, stored_negative, job, query="?sign-convention=up")).status == 422


async def test_at_most_two_days_of_a_schedule_are_told(site: Site) -> None:
    sensor = await site.sensor(resolution="PT1H")
    job = await accepted(site, **body(sensor, duration="PT72H"))
    await end(site, job, outputs={sensor: ([1.0] * 72, "kW", 1)})
    assert len((await schedule(site, sensor, job)).json["values"]) == 6
    told = (await schedule(site, sensor, job, query="?duration=P3D")).json
    assert (len(told["values"]), told["duration"]) == (48, "P2D")


@pytest.mark.parametrize("why", ["Missing: no price", "X: Scheduling job waiting for Godot"])
async def test_a_failed_schedule_says_why_and_is_not_polled_for(site: Site, why: str) -> None:
    sensor = await site.sensor(resolution="PT1H")
    job = await accepted(site, **body(sensor))
    await end(site, job, "FAILED", failure=why)
    got = await schedule(site, sensor, job)
    assert (got.status, got.json["result"], got.json["status"]) == (400, "Rejected", "UNKNOWN_SCHEDULE")
    message = got.json["message"]
    assert message.startswith("No known schedule for this time period. Scheduling job failed with ")
    assert message.endswith(". StorageScheduler was used.")
    assert not any(text in message for text in POLLED_ON)
    told = await job_of(site, job)
    assert (told.status, told.json["status"], told.json["exc-info"]) == (422, "FAILED", why)


async def test_what_is_known_of_a_failure_is_told_with_the_job_alone(site: Site) -> None:
    sensor = await site.sensor(resolution="PT1H")
    job = await accepted(site, **body(sensor))
    await end(
        site, job, "FAILED", failure="str: infeasible", info={"scheduler": "ProcessScheduler", "detail": "At noon."}
    )
    assert (await job_of(site, job)).json["exc-info"] == "str: infeasible\nAt noon."
    message = (await schedule(site, sensor, job)).json["message"]
    assert message.endswith("Scheduling job failed with str: infeasible. ProcessScheduler was used.")


async def test_what_is_no_job_and_what_is_another_ones_is_told_apart(site: Site, power: int) -> None:
    for text in ("nope", "00000000-0000-0000-0000-000000000000"):
        got = await schedule(site, power, text)
        assert (got.status, got.json) == (
            400,
            {
                "result": "Rejected",
                "status": "UNRECOGNIZED_UDI_EVENT",
                "message": f"The requested UDI event (id = {text}, type = job) is not known.",
            },
        )
        got = await job_of(site, text)
        assert (got.status, got.json) == (404, {"message": f"Job {text} not found.", "status": "ERROR"})
    job = await accepted(site, **body(power, duration="PT12H"))
    await end(site, job, outputs={power: ([1.0], "kW", 1)})
    other = await site.sensor(resolution="PT1H")
    got = await schedule(site, other, job)
    assert (got.status, got.json["status"]) == (400, "UNKNOWN_SCHEDULE")
    assert "not found in the database" in got.json["message"]
    for stranger in (site.people.stranger, site.people.adviser):
        assert (await schedule(site, power, job, by=stranger)).status == 403
        assert (await job_of(site, job, by=stranger)).status == 403
    assert (await site.api.get(f"jobs/{job}")).status == 401
    check_refused(await schedule(site, 999_999_999, job), "path", "id", text="No sensor found with ID 999999999.")


async def test_older_clients_may_be_told_400_while_a_schedule_is_not_ready(databases: TestDatabases) -> None:
    url = databases.create()
    settings: dict[str, Any] = {"flexibility_pending_as_400": True, "flexibility_job_wait_s": 0.0}
    async with serving_flexibility(url, **settings) as api:
        people = await invite(api)
        site = Site(api, people, await new_asset(api, people.chief, people.depot.number))
        sensor = await site.sensor(resolution="PT1H")
        job = await accepted(site, **body(sensor))
        got = await schedule(site, sensor, job)
        assert (got.status, got.json["status"]) == (400, "UNKNOWN_SCHEDULE")
        assert "Scheduling job waiting to be processed" in got.json["message"]
        await end(site, job, "STARTED")
        assert "Scheduling job in progress" in (await schedule(site, sensor, job)).json["message"]
    databases.drop(url)


async def test_one_question_about_a_job_waits_for_its_end_and_others_are_answered_at_once(
    databases: TestDatabases,
) -> None:
    url = databases.create()
    # As long as a request may take here at all: whoever waits is answered by the end of the job.
    async with serving_flexibility(url, flexibility_job_wait_s=20.0) as api:
        people = await invite(api)
        site = Site(api, people, await new_asset(api, people.chief, people.depot.number))
        sensor = await site.sensor(resolution="PT1H")
        job = await accepted(site, **body(sensor))
        asked = {asyncio.create_task(schedule(site, sensor, job)) for _ in range(3)}
        answered: set[asyncio.Task[Got]] = set()
        while len(answered) < 2:
            done, _ = await asyncio.wait(asked - answered, return_when=asyncio.FIRST_COMPLETED)
            answered |= done
        assert [task.result().status for task in answered] == [202, 202]
        (waiting,) = asked - answered
        assert not waiting.done()
        await end(site, job, outputs={sensor: ([1.0, 2.0], "kW", 1)})
        assert (await waiting).json["values"] == [1.0, 2.0]
    databases.drop(url)


# ------------------------------------------------------------------ forecasts


async def forecast(site: Site, sensor: int, by: Any = None, **given: Any) -> Got:
    return await site.api.post(f"sensors/{sensor}/forecasts/trigger", by or site.chief, **given)


async def test_a_forecast_is_accepted_and_told_when_it_is_there(site: Site) -> None:
    sensor = await site.sensor(resolution="PT1H")
    got = await forecast(site, sensor, start=START, duration="PT2H")
    job = got.json["job"]
    assert (got.status, got.json) == (
        202,
        {
            "job": job,
            "job-url": f"/api/v3_0/jobs/{job}",
            "message": "Request has been accepted for processing.",
            "status": "ACCEPTED",
            "forecast": job,
            "results-url": f"/api/v3_0/sensors/{sensor}/forecasts/{job}",
        },
    )
    path = f"sensors/{sensor}/forecasts/{job}"
    pending = await site.api.get(path, site.chief)
    assert (pending.status, pending.json) == (
        202,
        {"status": "QUEUED", "message": "Forecasting job waiting to be processed."},
    )
    await end(site, job, result={"num-beliefs": 2}, outputs={sensor: ([1.5, 2.5], "kW", 1)})
    done = await site.api.get(path, site.people.member)
    assert (done.status, done.json) == (
        200,
        {"start": START, "duration": "PT2H", "unit": "kW", "values": [1.5, 2.5]},
    )
    assert (await job_of(site, job)).json["result"] == {"num-beliefs": 2}
    other = await site.sensor(resolution="PT1H")
    got = await site.api.get(f"sensors/{other}/forecasts/{job}", site.chief)
    check_refused(got, "json", text=f"about sensor {sensor}")
    got = await site.api.get(f"sensors/{sensor}/forecasts/nope", site.chief)
    assert (got.status, got.json["message"]) == (422, {"json": "Job nope not found."})
    assert (await site.api.get(path, site.people.stranger)).status == 403


async def test_a_forecast_that_failed_or_stored_nothing_says_so(site: Site) -> None:
    sensor = await site.sensor(resolution="PT1H")
    failed, empty = [(await forecast(site, sensor, start=START, duration=f"PT{n}H")).json["job"] for n in (2, 3)]
    await end(site, failed, "FAILED", failure="ForecastImpossible: too little history")
    got = await site.api.get(f"sensors/{sensor}/forecasts/{failed}", site.chief)
    check_refused(got, "json", text="too little history")
    await end(site, empty)
    got = await site.api.get(f"sensors/{sensor}/forecasts/{empty}", site.chief)
    assert (got.status, got.json["status"]) == (400, "UNKNOWN_FORECAST")


async def test_several_cycles_are_several_jobs_and_one_that_waits_for_them(site: Site) -> None:
    sensor = await site.sensor(resolution="PT1H")
    config = {"train-period": "P10D", "retrain-frequency": "PT12H"}
    got = await forecast(
        site, sensor, start=START, duration="PT24H", **{"forecast-frequency": "PT12H", "config": config}
    )
    together = got.json["forecast"]
    told = await site.api.get(f"sensors/{sensor}/forecasts/{together}", site.chief)
    cycles = told.json["forecasts"]
    assert (told.status, len(set(cycles))) == (200, 2), "at once, while the cycles still run"
    rows = [await stored_job(site.api, job) for job in cycles]
    assert [row.position for row in rows] == [0, 1]
    assert {str(row.parent_job_id) for row in rows} == {together}
    assert [row.arguments["start"] for row in rows] == ["2023-12-31T23:00:00+00:00", "2024-01-01T11:00:00+00:00"]
    assert ((await job_of(site, together)).status, (await job_of(site, together)).json["status"]) == (202, "DEFERRED")
    for job in cycles:
        await end(site, job, result={"num-beliefs": 12}, outputs={sensor: ([0.0] * 12, "kW", 1)})
    done = await job_of(site, together)
    assert (done.status, done.json["status"], done.json["result"]) == (200, "FINISHED", {"num-beliefs": 24})


async def test_a_forecast_in_the_wrong_form_is_told_of_its_field(site: Site, power: int) -> None:
    for given, path, text in (
        ({"config": {"train-period": "PT24H"}}, [BAG, "config", "train-period"], "at least 2 days (48 hours)"),
        ({"end": START}, [BAG, "start"], "start must be before end"),
        ({"config": {"magic": 1}}, [BAG, "config", "magic"], "Unknown field."),
        ({"config": {"regressors": [999_999_999]}}, [BAG, "config", "regressors", "0", "sensor"], "999999999"),
    ):
        check_refused(await forecast(site, power, **{"start": START} | given), *path, text=text)
    check_refused(await forecast(site, 999_999_999), BAG, "sensor", text="No sensor found with ID 999999999.")
    assert (await forecast(site, power, by=site.people.stranger)).status == 403
    theirs = await new_asset(site.api, site.people.stranger, site.people.other.number)
    hidden = await site.sensor(by=site.people.stranger, generic_asset_id=theirs)
    got = await forecast(site, power, start=START, config={"past-regressors": [hidden]})
    assert (got.status, "config.past-regressors.0.sensor" in got.json["message"]) == (403, True)
