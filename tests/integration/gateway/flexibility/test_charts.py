"""Charts of assets: what they show, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from shared.beliefs.reading_store import SensorOf
from shared.ids import SensorId
from tests.integration.gateway.flexibility.conftest import Api, People
from tests.integration.gateway.flexibility.test_accounts import invalid, refused
from tests.integration.gateway.flexibility.test_assets import make
from tests.integration.gateway.flexibility.test_sensors import add
from tests.support.sensors import Sensors, stated

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = datetime(2026, 5, 1, tzinfo=UTC)
DAY_MS = int(DAY.timestamp()) * 1000
HOUR = "start=2026-05-01T00:00:00Z&duration=PT1H"


async def state(
    api: Api, people: People, sensor: int, values: list[float], belief_time: datetime | None = None
) -> None:
    store = Sensors(api.process.database)
    of = SensorOf(people.depot.account_id, SensorId(sensor), 900)
    await store.state(stated(of, await store.source(), DAY, values, belief_time))


async def test_a_chart_shows_what_the_asset_says_and_its_data_are_where_it_says(api: Api, people: People) -> None:
    asset = await make(api, people.chief, people.depot, name="Shown")
    power = await add(api, people.chief, asset, name="a power")
    price = await add(api, people.chief, asset, name="a price", unit="EUR/MWh")
    await add(api, people.chief, asset, name="not shown")
    await state(api, people, power, [1.0, 2.0, 3.0, 4.0, 5.0])
    shown = [{"title": "Both", "plots": [{"sensor": power}, {"sensor": price}]}, price]
    assert (await api.patch(f"assets/{asset}", people.chief, sensors_to_show=shown)).status == 200
    got = await api.get(f"assets/{asset}/chart?{HOUR}", people.member)
    assert got.status == 200
    assert [graph["title"] for graph in got.json["vconcat"]] == ["Both", "a price"]
    assert [graph["transform"][0]["filter"]["oneOf"] for graph in got.json["vconcat"]] == [[power, price], [price]]
    assert got.json["vconcat"][0]["encoding"]["y"]["title"] == "EUR/MWh / kW"
    url = urlsplit(got.json["data"]["url"])
    data = (await api.get(f"{url.path}?{url.query}", people.member)).json
    assert [(row["event_start"] - DAY_MS, row["event_value"]) for row in data] == [
        (0, 1.0),
        (900_000, 2.0),
        (1_800_000, 3.0),
        (2_700_000, 4.0),
    ]
    sensor = {"id": power, "name": "a power", "unit": "kW", "asset_id": asset, "asset_name": "Shown"}
    assert data[0]["sensor"] == sensor


async def test_without_a_word_of_what_to_show_each_sensor_of_the_asset_is_shown(api: Api, people: People) -> None:
    asset = await make(api, people.chief, people.depot)
    sensors = [await add(api, people.chief, asset) for _ in range(2)]
    got = await api.get(f"assets/{asset}/chart?{HOUR}", people.member)
    assert [graph["transform"][0]["filter"]["oneOf"] for graph in got.json["vconcat"]] == [[each] for each in sensors]


async def test_only_what_was_known_by_then(api: Api, people: People) -> None:
    asset = await make(api, people.chief, people.depot)
    sensor = await add(api, people.chief, asset)
    await state(api, people, sensor, [1.0], belief_time=DAY - timedelta(days=2))
    await state(api, people, sensor, [2.0], belief_time=DAY - timedelta(days=1))
    window = "end=2026-05-01T01:00:00Z&duration=PT1H"
    for prior, expected in (("", [2.0]), ("&prior=2026-04-29T12:00Z", [1.0]), ("&prior=2026-04-01T00:00Z", [])):
        data = (await api.get(f"assets/{asset}/chart_data?{window}{prior}", people.member)).json
        assert [row["event_value"] for row in data] == expected


async def test_sensors_of_others_are_not_shown(api: Api, people: People) -> None:
    theirs = await add(api, people.stranger, await make(api, people.stranger, people.other))
    public = await make(api, people.root)
    assert (await api.patch(f"assets/{public}", people.root, sensors_to_show=[theirs])).status == 200
    for path in ("chart", "chart_data", "chart_annotations"):
        assert (await api.get(f"assets/{public}/{path}?{HOUR}", people.member)).status == 200
    assert (await api.get(f"assets/{public}/chart?{HOUR}", people.member)).json["vconcat"] == []
    assert len((await api.get(f"assets/{public}/chart?{HOUR}", people.stranger)).json["vconcat"]) == 1
    private = await make(api, people.stranger, people.other)
    for path in ("chart", "chart_data", "chart_annotations"):
        assert refused(await api.get(f"assets/{private}/{path}?{HOUR}", people.member))


async def test_notes_of_the_period_about_the_asset_its_sensors_and_its_account(api: Api, people: People) -> None:
    account = await api.account("Noted")
    chief = await api.user("noted", account, ["account-admin"])
    asset = await make(api, chief, account)
    sensor = await add(api, chief, asset)
    note = {"start": "2026-05-01T00:00:00Z", "end": "2026-05-02T00:00:00Z", "prior": "2026-04-01T00:00:00Z"}
    for path, hour in ((f"assets/{asset}", 2), (f"sensors/{sensor}", 1), (f"accounts/{account.number}", 0)):
        more = {"content": path, "start": f"2026-05-01T0{hour}:00:00Z"}
        assert (await api.post(f"{path}/annotations", chief, **(note | more))).status == 201
    later = {"content": "later", "start": "2026-06-01T00:00:00Z", "end": "2026-06-02T00:00:00Z"}
    assert (await api.post(f"assets/{asset}/annotations", chief, **(note | later))).status == 201
    window = "start=2026-05-01T00:00:00Z&end=2026-05-01T12:00:00Z"
    got = (await api.get(f"assets/{asset}/chart_annotations?{window}", chief)).json
    assert [row["content"] for row in got] == [f"accounts/{account.number}", f"sensors/{sensor}", f"assets/{asset}"]
    early = await api.get(f"assets/{asset}/chart_annotations?{window}&prior=2026-03-01T00:00:00Z", chief)
    assert early.json == []


@pytest.mark.parametrize(
    ("query", "field", "text"),
    [
        ("", "_schema", "Give two of start, end and duration."),
        ("start=2026-05-01T00:00Z", "_schema", "Give two of start, end and duration."),
        (f"{HOUR}&end=2026-05-01T01:00Z", "_schema", "Give two of start, end and duration."),
        ("start=2026-05-01T00:00Z&duration=PT0H", "_schema", "end must be after start"),
        ("start=2026-05-01T00:00Z&duration=soon", "duration", "Cannot parse 'soon' as ISO8601 duration."),
        ("start=9999-12-31T00:00Z&duration=P1Y", "_schema", "9999-12-31T00:00:00+00:00 and that duration lead out"),
    ],
)
async def test_a_chart_needs_a_period(api: Api, people: People, query: str, field: str, text: str) -> None:
    asset = await make(api, people.chief, people.depot)
    found = invalid(await api.get(f"assets/{asset}/chart?{query}", people.chief), "query")
    assert list(found) == [field]
    assert found[field][0].startswith(text)


async def test_a_chart_has_its_bounds(api: Api, people: People) -> None:
    asset = await make(api, people.chief, people.depot)
    await add(api, people.chief, asset, event_resolution="PT1M")
    got = await api.get(f"assets/{asset}/chart_data?start=2026-01-01T00:00Z&duration=P70D", people.chief)
    assert "at most 100000 values" in invalid(got, "query")["_schema"][0]
    assert (await api.get(f"assets/{asset}/chart_data?start=2026-01-01T00:00Z&duration=P60D", people.chief)).json == []
