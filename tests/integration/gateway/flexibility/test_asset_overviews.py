"""What is shown of an asset on the whole: its key figures and its jobs."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from sqlalchemy import insert

from shared.beliefs.reading_store import SensorOf
from shared.db.models.flexibility import FAILED, FINISHED, INGESTION, SCHEDULING, job_states, jobs
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import SensorId, uuid7
from tests.integration.gateway.flexibility.conftest import Api, People
from tests.integration.gateway.flexibility.test_accounts import invalid, refused
from tests.integration.gateway.flexibility.test_assets import make
from tests.integration.gateway.flexibility.test_sensors import add
from tests.support.sensors import Sensors, stated

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = datetime(2026, 5, 1, tzinfo=UTC)
WINDOW = "start=2026-05-01T00:00:00%2B00:00&end=2026-05-01T01:00:00Z"


async def test_key_figures_are_of_the_period_alone(api: Api, people: People) -> None:
    asset = await make(api, people.chief, people.depot)
    sensor, empty = await add(api, people.chief, asset), await add(api, people.chief, asset, unit="%")
    store = Sensors(api.process.database)
    of = SensorOf(people.depot.account_id, SensorId(sensor), 900)
    await store.state(stated(of, await store.source(), DAY, [1.0, 2.0, 3.0, 6.5, 100.0]))
    shown = [{"title": name, "sensor": sensor, "function": name} for name in ("sum", "min", "max", "mean")]
    shown.append({"title": "none", "sensor": empty, "function": "sum"})
    assert (await api.patch(f"assets/{asset}", people.chief, sensors_to_show_as_kpis=shown)).status == 200
    got = await api.get(f"assets/{asset}/kpis?{WINDOW}", people.member)
    assert (got.status, got.json["status"]) == (200, 200)
    assert got.json["data"][0] == {
        "title": "sum",
        "unit": "kW",
        "sensor": sensor,
        "downsample_value": 12.5,
        "downsample_function": "sum",
    }
    assert [row["downsample_value"] for row in got.json["data"]] == [12.5, 1.0, 6.5, 3.125, None]
    assert (await api.call("DELETE", f"sensors/{sensor}", by=people.chief)).status == 204
    got = await api.get(f"assets/{asset}/kpis?{WINDOW}", people.member)
    assert [row["title"] for row in got.json["data"]] == ["none"], "of a sensor that is gone nothing is told"


async def test_key_figures_of_others_are_told_to_nobody_else(api: Api, people: People) -> None:
    theirs = await add(api, people.stranger, await make(api, people.stranger, people.other))
    public = await make(api, people.root)
    shown = [{"title": "secret", "sensor": theirs, "function": "sum"}]
    assert (await api.patch(f"assets/{public}", people.root, sensors_to_show_as_kpis=shown)).status == 200
    assert (await api.get(f"assets/{public}/kpis?{WINDOW}", people.member)).json["data"] == []
    assert len((await api.get(f"assets/{public}/kpis?{WINDOW}", people.stranger)).json["data"]) == 1
    private = await make(api, people.stranger, people.other)
    assert refused(await api.get(f"assets/{private}/kpis?{WINDOW}", people.member))


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", {"start": "Missing data for required field.", "end": "Missing data for required field."}),
        ("start=2026-05-01&end=x", {"start": "Not a valid aware datetime.", "end": "Not a valid datetime."}),
        ("start=2026-05-01T01:00Z&end=2026-05-01T01:00Z", {"_schema": "end must be after start"}),
    ],
)
async def test_key_figures_need_a_period(api: Api, people: People, query: str, fields: dict[str, str]) -> None:
    asset = await make(api, people.chief, people.depot)
    got = await api.get(f"assets/{asset}/kpis?{query}", people.chief)
    assert invalid(got, "query") == {field: [text] for field, text in fields.items()}


async def asked(api: Api, people: People, kind: str, *, state: str | None = None, **about: Any) -> str:
    """A job of the depot, as it stands."""
    job_id = uuid7()
    row = {"job_id": job_id, "account_id": people.depot.account_id, "kind": kind, "arguments": {"start": "x"}} | about
    async with api.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(insert(jobs).values(**row))
        if state is not None:
            failure = "infeasible" if state == FAILED else None
            values = {"job_id": job_id, "account_id": people.depot.account_id, "state": state, "failure": failure}
            await work.connection.execute(insert(job_states).values(**values))
    return str(job_id)


async def test_the_jobs_of_an_asset_and_of_its_sensors(api: Api, people: People) -> None:
    asset = await make(api, people.chief, people.depot, name="Works")
    sensor = await add(api, people.chief, asset, name="its power")
    first = await asked(api, people, SCHEDULING, asset_id=asset, state=FAILED)
    second = await asked(api, people, SCHEDULING, sensor_id=sensor)
    await asked(api, people, INGESTION, sensor_id=sensor, state=FINISHED)
    waiting = await asked(api, people, INGESTION, sensor_id=sensor)
    await asked(api, people, SCHEDULING, asset_id=await make(api, people.chief, people.depot))
    got = await api.get(f"assets/{asset}/jobs", people.member)
    assert got.status == 200
    assert {key: got.json[key] for key in ("redis_connection_err", "message_broker_err", "status")} == {
        "redis_connection_err": None,
        "message_broker_err": None,
        "status": 200,
    }
    assert [row["job_id"] for row in got.json["jobs"]] == [waiting, second, first]
    assert got.json["jobs"][2] == {
        "job_id": first,
        "queue": "scheduling",
        "asset_or_sensor_type": "asset",
        "entity": f"asset: Works (Id: {asset})",
        "status": "FAILED",
        "err": "infeasible",
        "enqueued_at": got.json["jobs"][2]["enqueued_at"],
        "metadata": '{"start": "x"}',
        "metadata_hash": hashlib.sha256(b'{"start": "x"}').hexdigest(),
    }
    assert datetime.fromisoformat(got.json["jobs"][2]["enqueued_at"]).tzinfo is not None
    assert (got.json["jobs"][1]["entity"], got.json["jobs"][1]["status"]) == (
        f"sensor: its power (Id: {sensor})",
        "QUEUED",
    )
    assert orjson.loads(got.json["jobs"][1]["metadata"]) == {"start": "x"}
    assert refused(await api.get(f"assets/{asset}/jobs", people.stranger))
