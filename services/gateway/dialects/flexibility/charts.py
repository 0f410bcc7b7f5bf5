"""Charts of an asset: what they look like, the values in them, and the notes beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility import annotation_store, asset_store, sensor_store
from services.gateway.dialects.flexibility.access import readable_asset
from services.gateway.dialects.flexibility.annotating import annotation_info_of
from services.gateway.dialects.flexibility.annotation_store import Annotated, AnnotationRow
from services.gateway.dialects.flexibility.asset_store import AssetRow
from services.gateway.dialects.flexibility.chart_schemas import ChartRow, ChartSensor, ChartWindow
from services.gateway.dialects.flexibility.chart_specifications import Graph, graphs_of, specification_of
from services.gateway.dialects.flexibility.errors import UnknownAsset
from services.gateway.dialects.flexibility.listing import reply_of
from services.gateway.dialects.flexibility.permissions import Caller, caller_of, may_read_thing
from services.gateway.dialects.flexibility.reading import Given, number_in_path, parameters_of
from services.gateway.dialects.flexibility.sensor_store import SensorRow
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.validation import QUERY, WHOLE, invalid_field
from services.gateway.dialects.flexibility.wire import V3_ROOT, list_reply, mapping_reply
from services.gateway.http.call import Call, Reply
from shared.beliefs import BeliefFilter, Series
from shared.beliefs.reading_store import SensorOf, read_beliefs
from shared.db.unit_of_work import EVERY_ACCOUNT

# More than this no chart shows, and nobody waits for.
MOST_VALUES = 100_000
MOST_NOTES = 1000
# What sensors of values at moments are taken to have.
USUAL_STEP_S = 300


@dataclass(frozen=True, slots=True)
class _Shown:
    """The graphs of an asset, and those of their sensors that the caller may read."""

    asset: AssetRow
    graphs: Sequence[Graph]
    sensors: Sequence[SensorRow]


async def show_chart(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """What the chart of an asset looks like."""
    number, window = number_in_path(call, UnknownAsset), parameters_of(ChartWindow, call)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        shown = await _shown(connection, caller_of(call.identity), number)
    start, end = window.period
    wanted = {"start": start.isoformat(), "end": end.isoformat()}
    if window.prior is not None:
        wanted["prior"] = window.prior.isoformat()
    specification = specification_of(
        shown.graphs,
        titles={sensor.sensor_id: sensor.name for sensor in shown.sensors},
        units={sensor.sensor_id: sensor.unit for sensor in shown.sensors},
        url=f"{V3_ROOT}/assets/{number}/chart_data?{urlencode(wanted)}",
    )
    return mapping_reply(specification, status=200)


async def show_chart_data(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """The values in the chart of an asset."""
    number, window = number_in_path(call, UnknownAsset), parameters_of(ChartWindow, call)
    start, end = window.period
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        shown = await _shown(connection, caller_of(call.identity), number)
        steps = (sensor.event_resolution_s or USUAL_STEP_S for sensor in shown.sensors)
        if sum((end - start).total_seconds() / step for step in steps) > MOST_VALUES:
            text = f"A chart has at most {MOST_VALUES} values: ask for a shorter period, or show fewer sensors."
            raise invalid_field(QUERY, WHOLE, text)
        found = []
        for sensor in shown.sensors:
            of = SensorOf(sensor.account_id, sensor.sensor_id, sensor.event_resolution_s)
            found.append((sensor, await read_beliefs(connection, of, start, end, BeliefFilter(prior=window.prior))))
    size = sum(len(series) for _, series in found)
    return await reply_of(size, lambda: list_reply([row for each in found for row in _rows_of(*each)]))


async def show_chart_annotations(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """The notes about an asset, about what it shows and about its account, by their beginning."""
    number, window = number_in_path(call, UnknownAsset), parameters_of(ChartWindow, call)
    start, end = window.period
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        shown = await _shown(connection, caller_of(call.identity), number)
        account_id = shown.asset.account_id
        about = [Annotated(account_id, asset_id=number)]
        about += [Annotated(sensor.account_id, sensor_id=sensor.sensor_id) for sensor in shown.sensors]
        if account_id is not None:
            about.append(Annotated(account_id, annotated_account_id=account_id))
        found: list[AnnotationRow] = []
        for each in about:
            found += await annotation_store.list_annotations(
                connection, each, start=start, end=end, prior=window.prior, limit=MOST_NOTES
            )
    found.sort(key=lambda row: (row.start, row.annotation_id))
    return list_reply([annotation_info_of(row) for row in found[:MOST_NOTES]])


async def _shown(connection: AsyncConnection, caller: Caller, number: int) -> _Shown:
    """What an asset shows, or where nothing is said each of its own sensors by itself."""
    row = await readable_asset(connection, caller, number)
    graphs = graphs_of(orjson.loads(row.sensors_to_show))
    if not graphs:
        own = (await asset_store.sensors_of(connection, [number]))[number]
        graphs = [Graph(sensor.name, (sensor.sensor_id,)) for sensor in own]
    numbers = sorted({sensor_id for graph in graphs for sensor_id in graph.sensor_ids})
    found = await sensor_store.find_sensors(connection, numbers)
    readable = [found[number] for number in numbers if number in found and may_read_thing(caller, found[number].owner)]
    return _Shown(row, graphs, readable)


def _rows_of(sensor: SensorRow, series: Series) -> list[ChartRow]:
    of = ChartSensor(
        id=sensor.sensor_id,
        name=sensor.name,
        unit=sensor.unit,
        asset_id=sensor.asset_id,
        asset_name=sensor.asset_name,
    )
    return [
        ChartRow(event_start=start_us // 1000, event_value=value, sensor=of)
        for start_us, value in zip(series.starts_us, series.values, strict=True)
    ]
