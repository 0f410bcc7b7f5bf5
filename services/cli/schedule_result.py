"""The result of ``busbar schedule``: one object for machines, tables for people."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, ConfigDict

from services.cli.schedule_site import Site
from services.optimizer.scheduling.planning import Planned
from services.optimizer.scheduling.results.outputs import SensorOutput
from services.optimizer.scheduling.results.wishes import WishItem
from shared.durations import format_duration
from shared.flexibility.collection import Collected, CollectedEntry

_TIME = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class SolverLimits:
    """How long the best schedule may be looked for [s], and the relative gap to it that is good enough."""

    time_limit_s: float
    mip_gap: float


class SensorSchedule(BaseModel):
    """What is planned for a sensor: values ``resolution`` apart from ``start`` on; of powers, consumption is positive."""

    model_config = ConfigDict(frozen=True)

    sensor: str
    asset: str
    start: str
    resolution: str
    unit: str
    values: list[float | None]


class ScheduleResult(BaseModel):
    """A schedule and what it costs. Costs are in ``currency``, by the names of commitments, as the API tells them."""

    model_config = ConfigDict(frozen=True)

    schedules: list[SensorSchedule]
    costs: dict[str, float]
    currency: str
    resolved: list[dict[str, Any]]  # Any: JSON, as below
    unresolved: list[dict[str, Any]]
    gap: float | None  # None where nothing is known of how far it is from the best
    warnings: list[str]
    version: str
    input_sha256: str


def result_of(site: Site, planned: Planned) -> ScheduleResult:
    """The result of a plan."""
    return ScheduleResult(
        schedules=[_schedule(site, one) for one in planned.outputs],
        costs={site.names.worded(name): round(cost, 9) + 0.0 for name, cost in planned.commitment_costs.items()},
        currency=planned.currency,
        resolved=[_wish(site, one) for one in planned.resolved],
        unresolved=[_wish(site, one) for one in planned.unresolved],
        gap=planned.gap if math.isfinite(planned.gap) else None,
        warnings=[site.names.worded(text) for text in planned.warnings],
        version=version("busbar"),
        input_sha256=hashlib.sha256(site.file.content).hexdigest(),
    )


def text_of(site: Site, collected: Collected, planned: Planned, result: ScheduleResult) -> str:
    """The result as people read it: a table for each device, one for each other sensor, and what it comes to."""
    lines = [*_tables(site, collected, planned), *_summary(result)]
    return "".join(f"{line}\n" for line in lines)


def _schedule(site: Site, output: SensorOutput) -> SensorSchedule:
    sensor = site.made.sensors[output.sensor_id]
    return SensorSchedule(
        sensor=sensor.name,
        asset=site.made.assets[sensor.asset_id].name,
        start=output.start.astimezone(site.start.tzinfo).isoformat(),
        resolution=format_duration(output.step_s),
        unit=output.unit,
        values=[None if math.isnan(value) else value for value in output.values.tolist()],
    )


def _wish(site: Site, item: WishItem) -> dict[str, Any]:  # Any: JSON
    return {
        key: site.made.assets[value].name if key == "asset" and isinstance(value, int) else _here(site, value)
        for key, value in item.items()
    }


def _here(site: Site, wishes: object) -> object:
    """Wishes with their moments as the start is written."""
    if not isinstance(wishes, list):
        return wishes
    zone = site.start.tzinfo
    return [{**one, "datetime": datetime.fromisoformat(one["datetime"]).astimezone(zone).isoformat()} for one in wishes]


# ------------------------------------------------------------------ for people


def _tables(site: Site, collected: Collected, planned: Planned) -> Iterator[str]:
    left = {one.sensor_id: one for one in planned.outputs}
    stock_of = {index: stock.soc_sensor_id for stock in collected.stocks for index in stock.device_indices}
    for index in collected.device_indices:
        device = collected.entries[index]
        powers = [left.pop(number) for number in _power_sensors(device) if number in left]
        soc = next((one for one in planned.outputs if one.sensor_id == stock_of.get(index)), None)
        left.pop(-1 if soc is None else soc.sensor_id, None)
        yield from _table(site, _title(site, device, powers), [*powers, *([] if soc is None else [soc])])
    for output in left.values():
        yield from _table(site, site.made.sensors[output.sensor_id].name, [output])


def _power_sensors(device: CollectedEntry) -> Iterable[int]:
    entry = device.entry
    named = (entry.sensor_id, entry.consumption_sensor_id, entry.production_sensor_id)
    return dict.fromkeys(one for one in named if one is not None)


def _title(site: Site, device: CollectedEntry, powers: Sequence[SensorOutput]) -> str:
    """The asset that the device is: that of its sensor, where an entry names a sensor alone."""
    asset_id = site.made.sensors[powers[0].sensor_id].asset_id if powers else device.asset_id
    return site.made.assets[asset_id].name


def _table(site: Site, title: str, outputs: Sequence[SensorOutput]) -> Iterator[str]:
    """The rows of all moments that any of the outputs has a value for."""
    columns = [_by_moment(one) for one in outputs]
    heads = [f"{site.made.sensors[one.sensor_id].name} [{one.unit}]" for one in outputs]
    widths = [max(len(head), 12) for head in heads]
    yield title
    yield "  ".join([f"{'time':<16}", *(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))])
    for moment in sorted({moment for column in columns for moment in column}):
        cells = [f"{_cell(column.get(moment)):>{width}}" for column, width in zip(columns, widths, strict=True)]
        yield "  ".join([moment.astimezone(site.start.tzinfo).strftime(_TIME), *cells])
    yield ""


def _by_moment(output: SensorOutput) -> dict[datetime, float]:
    step = timedelta(seconds=output.step_s)
    return {output.start + k * step: value for k, value in enumerate(output.values.tolist())}


def _cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.3f}"


def _summary(result: ScheduleResult) -> Iterator[str]:
    for name, cost in result.costs.items():
        if cost:
            yield _row("cost", f"{cost:.6g} {result.currency} {name}")
    for kind, items in (("resolved", result.resolved), ("unresolved", result.unresolved)):
        yield from (_row(kind, text) for item in items for text in _wishes(item))
    yield _row("gap", "unknown" if result.gap is None else f"{100 * result.gap:.4f} %")


def _wishes(item: dict[str, Any]) -> Iterator[str]:  # Any: JSON
    for name, wishes in item.items():
        for wish in wishes if name != "asset" else ():
            (what,) = (key for key in wish if key != "datetime")
            yield f"{item['asset']}: {name} at {wish['datetime']}, {what} {wish[what]}"


def _row(name: str, text: str) -> str:
    return f"{name:<13}{text}"
