"""Plans worked examples of schedules from raw flex-models and flex-contexts and from series in memory, without a database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from services.optimizer.scheduling.building.input_series import InputSeries, SeriesKey
from services.optimizer.scheduling.building.needed_series import Needs, needs_of
from services.optimizer.scheduling.building.window import epoch_s
from services.optimizer.scheduling.planning import PlanFailed, Planned, PlanRequest, plan
from services.optimizer.scheduling.results.outputs import SensorOutput
from shared.durations import parse_duration
from shared.flexibility.collection import Collected, Trigger, collect
from shared.flexibility.facts import AssetFacts, SensorFacts

DATA = Path(__file__).resolve().parents[1] / "data" / "flexibility"
START = datetime(2024, 1, 1, tzinfo=UTC)
SITE = 1

# An empty battery.
BASE = {"soc-at-start": "0 kWh", "soc-min": "0 kWh", "soc-max": "100 kWh", "power-capacity": "100 kW"}


@dataclass
class Site:
    """A site with assets, sensors and their series, as a schedule would find them in the store."""

    start: datetime = START
    assets: dict[int, AssetFacts] = field(default_factory=lambda: {SITE: AssetFacts(SITE, None, "site", "building")})
    sensors: dict[int, SensorFacts] = field(default_factory=dict)
    series: dict[int, tuple[list[int], list[float]]] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)

    def asset(self, name: str, asset_type: str = "battery", **facts: Any) -> int:
        """Adds an asset below the site."""
        asset_id = len(self.assets) + 1
        self.assets[asset_id] = AssetFacts(asset_id, SITE, name, asset_type, **facts)
        return asset_id

    def sensor(
        self,
        name: str,
        unit: str = "kW",
        step_s: int = 3600,
        *,
        asset_id: int = SITE,
        consumption_is_positive: bool = False,
        timezone: str = "UTC",
    ) -> int:
        """Adds a sensor. Sensors are numbered from 101 on, so that none has the id of an asset."""
        sensor_id = 101 + len(self.sensors)
        attributes = {"consumption_is_positive": True} if consumption_is_positive else {}
        self.sensors[sensor_id] = SensorFacts(sensor_id, asset_id, name, unit, step_s, timezone, attributes)
        self.names[name] = sensor_id
        return sensor_id

    def store(
        self, sensor_id: int, values: Sequence[float | None], start: datetime | None = None, step_s: int | None = None
    ) -> None:
        """Stores values one after the other; None is no value."""
        first, step = epoch_s(start or self.start), step_s or self.sensors[sensor_id].resolution_s
        known = [(first + k * step, value) for k, value in enumerate(values) if value is not None]
        self.series[sensor_id] = ([at for at, _ in known], [value for _, value in known])

    def store_at(self, name: str, values: Mapping[datetime, float]) -> None:
        """Stores values at moments."""
        ordered = sorted(values)
        self.series[self.names[name]] = ([epoch_s(moment) for moment in ordered], [values[one] for one in ordered])

    def collected(self, flex_model: object, flex_context: object) -> Collected:
        """The configuration of a trigger: on the site for a list of flex-models, on the sensor "power" for a single one."""
        sensor_id = self.names["power"] if isinstance(flex_model, Mapping) else None
        asset_id = SITE if sensor_id is None else self.sensors[sensor_id].asset_id
        model, context = named(flex_model, self.names), named(flex_context, self.names)
        return collect(Trigger(asset_id, self.start, model, context, sensor_id), self.assets, self.sensors)

    def read(self, needs: Needs) -> dict[SeriesKey, InputSeries]:
        """What is stored of what is needed."""
        found = {}
        for one in needs.series:
            starts, values = self.series.get(one.key.sensor_id, ([], []))
            inside = [k for k, at in enumerate(starts) if epoch_s(one.start) <= at < epoch_s(one.end)]
            sensor = self.sensors[one.key.sensor_id]
            found[one.key] = InputSeries(
                np.array([starts[k] for k in inside], dtype=np.int64),
                np.array([values[k] for k in inside], dtype=float),
                sensor.resolution_s,
                sensor.unit,
            )
        return found

    def request(
        self, flex_model: object, flex_context: object, duration: str = "PT4H", resolution: str | None = None
    ) -> PlanRequest:
        """What planning is asked."""
        collected = self.collected(flex_model, flex_context)
        resolution_s = None if resolution is None else int(parse_duration(resolution).seconds or 0)
        end = parse_duration(duration).added_to(self.start)
        needs = needs_of(collected, self.sensors, start=self.start, end=end, resolution_s=resolution_s)
        return PlanRequest(collected, needs.window, self.sensors, self.assets, self.read(needs), needs.warnings)

    def plan(
        self, flex_model: object, flex_context: object, duration: str = "PT4H", resolution: str | None = None
    ) -> Planned:
        """The schedule; the test fails where there is none."""
        outcome = plan(self.request(flex_model, flex_context, duration, resolution))
        assert isinstance(outcome, Planned), outcome
        return outcome

    def output(self, planned: Planned, name: str) -> SensorOutput:
        """What is written on the sensor of that name."""
        return next(one for one in planned.outputs if one.sensor_id == self.names[name])


def named(node: object, names: Mapping[str, int]) -> Any:
    """JSON with "$name" replaced by the id of the sensor of that name."""
    if isinstance(node, str) and node.startswith("$"):
        return names[node[1:]]
    if isinstance(node, Mapping):
        return {key: named(value, names) for key, value in node.items()}
    return [named(value, names) for value in node] if isinstance(node, list) else node


def segments(values: list[float], unit: str, start: datetime = START, step_minutes: float = 60) -> list[dict[str, str]]:
    """A list with one segment for each step."""
    step = timedelta(minutes=step_minutes)
    return [
        {
            "value": f"{value} {unit}",
            "start": (start + k * step).isoformat(),
            "end": (start + (k + 1) * step).isoformat(),
        }
        for k, value in enumerate(values)
    ]


def examples() -> dict[str, dict[str, Any]]:
    """The worked examples by name; their file tells what they mean."""
    document = json.loads((DATA / "worked_examples.json").read_text())
    return {one["name"]: one for one in document["examples"]}


class Example:
    """A worked example, set up as a site."""

    def __init__(self, example: Mapping[str, Any]) -> None:
        self.example = example
        self.step_s = int(60 * example.get("step_minutes", 60))
        self.site = Site()
        self.stock_of: dict[str, int] = {}
        self._add_sensors()

    def outcome(self) -> Planned | PlanFailed:
        """Plans it."""
        entries = [self._entry(k, one) for k, one in enumerate(self.example["model"])]
        context = self._written(self.example["context"])
        duration = f"PT{4 * self.step_s // 60}M"
        return plan(self.site.request(entries, context, duration, self.example.get("request", {}).get("resolution")))

    def _add_sensors(self) -> None:
        example, site = self.example, self.site
        power = {"consumption_is_positive": True} | example.get("power_sensor", {})
        step_s = int(60 * power.get("step_minutes", self.step_s / 60))
        for name in example.get("devices", ["power"]):
            asset_id = site.asset(name)
            site.sensor(
                name,
                power.get("unit", "kW"),
                step_s,
                asset_id=asset_id,
                consumption_is_positive=power["consumption_is_positive"],
            )
        for name, one in example.get("sensors", {}).items():
            site.sensor(
                name,
                one["unit"],
                0 if one.get("instantaneous") else self.step_s,
                consumption_is_positive=one.get("consumption_is_positive", False),
            )
        for name, one in example.get("series", {}).items():
            site.sensor(
                name, one["unit"], self.step_s, consumption_is_positive=one.get("consumption_is_positive", False)
            )
            site.store(site.names[name], one["values"])

    def _entry(self, position: int, entry: Mapping[str, Any]) -> dict[str, Any]:
        own = {key: self._written(value) for key, value in entry.items() if key != "base" and value is not None}
        sensor = {} if "sensor" in entry else {"sensor": "$" + self.example.get("devices", ["power"])[position]}
        return sensor | (BASE if entry.get("base") else {}) | own

    def _written(self, node: Any) -> Any:
        """JSON as a request has it: hours become times, steps become segments."""
        if isinstance(node, list):
            return [self._written(one) for one in node]
        if not isinstance(node, Mapping):
            return node
        if "each" in node:
            return segments(node["each"], node["unit"], step_minutes=self.step_s / 60)
        if "at" in node:
            return {"value": node["value"], "datetime": hour(node["at"])}
        if "from" in node:
            return {"value": node["value"], "start": hour(node["from"]), "end": hour(node["to"])}
        return {key: self._written(value) for key, value in node.items()}


def hour(hours: float, start: datetime = START) -> str:
    """The time so many hours after the start."""
    return (start + timedelta(hours=hours)).isoformat()
