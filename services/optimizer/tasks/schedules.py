"""Schedules: from a configuration as it was posted and stored to what it needs, and from that and the series to what it finds."""

from __future__ import annotations

import math
import pickle
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from services.optimizer.scheduling.building.input_series import InputSeries, SeriesKey
from services.optimizer.scheduling.building.needed_series import NeededSeries, needs_of
from services.optimizer.scheduling.building.window import Window
from services.optimizer.scheduling.planning import PlanFailed, Planned, PlanRequest
from services.optimizer.scheduling.planning import plan as find_plan
from services.optimizer.scheduling.results.outputs import SensorOutput
from services.optimizer.tasks.device_steps import one_step, steps_of
from services.optimizer.tasks.flexibility_values import (
    Events,
    Found,
    FoundSchedule,
    NoSchedule,
    PreparedSchedule,
    ScheduleInput,
    SolverLimits,
    WantedEvents,
)
from shared.flexibility.collection import Collected, collect
from shared.flexibility.facts import AssetFacts, SensorFacts
from shared.flexibility.planning_defaults import PROCESS_SCHEDULER, STORAGE_SCHEDULER

_US = 1_000_000


@dataclass(frozen=True)
class _Prepared:
    """What ``plan`` goes on with."""

    collected: Collected
    window: Window
    warnings: tuple[str, ...]
    keys: tuple[SeriesKey, ...]
    assets: dict[int, AssetFacts]
    sensors: dict[int, SensorFacts]


def prepare(given: ScheduleInput) -> PreparedSchedule:
    """Collect the configuration and say which series it needs.

    Raises:
        FlexConfigInvalid: what is stored has changed since the schedule was asked for, and is no good any more.
    """
    whole = collect(given.trigger, given.assets, given.sensors)
    collected = whole if given.step is None else one_step(whole, given.step)
    needs = needs_of(
        collected, given.sensors, start=given.trigger.start, end=given.end, resolution_s=given.resolution_s
    )
    prepared = _Prepared(
        collected,
        needs.window,
        needs.warnings,
        tuple(needed.key for needed in needs.series),
        dict(given.assets),
        dict(given.sensors),
    )
    wanted = tuple(_wanted(needed) for needed in needs.series)
    return PreparedSchedule(wanted, len(steps_of(whole)), pickle.dumps(prepared))


def plan(given: PreparedSchedule, series: tuple[Events, ...], limits: SolverLimits) -> FoundSchedule | NoSchedule:
    """Find the least-cost schedule. ``series`` are those that were wanted, in their order."""
    prepared: _Prepared = pickle.loads(given.prepared)  # noqa: S301  # of our own making
    inputs = {
        key: _input(events, prepared.sensors[key.sensor_id]) for key, events in zip(prepared.keys, series, strict=True)
    }
    request = PlanRequest(
        collected=prepared.collected,
        window=prepared.window,
        sensors=prepared.sensors,
        assets=prepared.assets,
        inputs=inputs,
        warnings=(*prepared.collected.warnings, *prepared.warnings),
        time_limit_s=limits.time_limit_s,
        mip_gap=limits.mip_gap,
    )
    planned = find_plan(request)
    scheduler = _scheduler_of(prepared.collected)
    if isinstance(planned, PlanFailed):
        info = {"scheduler": scheduler, "detail": planned.detail, "warnings": list(planned.warnings)}
        return NoSchedule(planned.error_type, planned.message, info)
    return _found(planned, scheduler)


def _wanted(needed: NeededSeries) -> WantedEvents:
    key = needed.key
    return WantedEvents(
        key.sensor_id,
        needed.start,
        needed.end,
        key.source_types,
        key.exclude_source_types,
        key.source_ids,
        key.source_account_ids,
    )


def _input(events: Events, sensor: SensorFacts) -> InputSeries:
    starts_us = np.array(events.starts_us, dtype=np.int64)
    return InputSeries(starts_us // _US, np.array(events.values), sensor.resolution_s, sensor.unit)


def _scheduler_of(collected: Collected) -> str:
    devices = [one.entry for one in collected.devices]
    return PROCESS_SCHEDULER if devices and all(entry.process is not None for entry in devices) else STORAGE_SCHEDULER


def _found(planned: Planned, scheduler: str) -> FoundSchedule:
    # Where time ran out before any bound was known there is no gap to tell.
    gap = planned.gap if math.isfinite(planned.gap) else None
    info = {
        "scheduler": scheduler,
        "commitment_costs": dict(planned.commitment_costs),
        "currency": planned.currency,
        "gap": gap,
        "warnings": list(planned.warnings),
    }
    result = {
        "num-beliefs": planned.num_beliefs,
        "resolved": list(planned.resolved),
        "unresolved": list(planned.unresolved),
        "gap": gap,
        "warnings": list(planned.warnings),
    }
    return FoundSchedule(tuple(_outputs(planned.outputs)), scheduler, result, info)


def _outputs(outputs: Iterable[SensorOutput]) -> Iterable[Found]:
    for output in outputs:
        values = array("d", output.values.tolist())
        yield Found(output.sensor_id, output.start, output.step_s, output.unit, values, output.stored_sign)
