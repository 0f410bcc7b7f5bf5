"""What goes into schedule and forecast tasks and what comes out; picklable, and without numpy, since the service holds them too."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.flexibility.collection import Trigger
from shared.flexibility.facts import AssetFacts, SensorFacts
from shared.flexibility.forecast_request import ForecastRequest


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one sensor in their order: starts [µs since 1970, UTC] and values in the sensor's unit."""

    starts_us: array[int]
    values: array[float]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for one sensor: ``values`` in its unit, ``step_s`` apart from ``start`` on, NaN where there is none."""

    sensor_id: int
    start: datetime
    step_s: int
    unit: str
    values: array[float]
    stored_sign: int = 1


# ------------------------------------------------------------------ schedules


@dataclass(frozen=True, slots=True)
class ScheduleInput:
    """What a schedule is made from, but for the series.

    ``step`` is the number of the step that is planned where one device is planned after the other; None: all together.
    """

    trigger: Trigger
    end: datetime
    resolution_s: int | None
    assets: Mapping[int, AssetFacts]
    sensors: Mapping[int, SensorFacts]
    step: int | None = None


@dataclass(frozen=True, slots=True)
class WantedEvents:
    """Events of a sensor that begin in [start, end), and which sources count; empty: all."""

    sensor_id: int
    start: datetime
    end: datetime
    source_types: tuple[str, ...] = ()
    exclude_source_types: tuple[str, ...] = ()
    source_ids: tuple[int, ...] = ()
    source_account_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PreparedSchedule:
    """What to read for a schedule, and what was made of its input so far, for the child that goes on with it.

    ``step_count``: in how many steps the whole of it is planned where one device is planned after the other.
    """

    wanted: tuple[WantedEvents, ...]
    step_count: int
    prepared: bytes


@dataclass(frozen=True, slots=True)
class SolverLimits:
    """How long the solver may look for the best schedule [s], and the relative gap to it that is good enough."""

    time_limit_s: float
    mip_gap: float


@dataclass(frozen=True, slots=True)
class FoundSchedule:
    """A schedule, as far as it is told to clients."""

    found: tuple[Found, ...]
    scheduler: str
    result: Mapping[str, Any]  # Any: JSON
    info: Mapping[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class NoSchedule:
    """Why there is none, in words for the client."""

    error_type: str
    message: str
    info: Mapping[str, Any]  # Any: JSON


# ------------------------------------------------------------------ forecasts


@dataclass(frozen=True, slots=True)
class ForecastInput:
    """What a forecast is made from. ``regressors`` has the events of the request's regressors, in their order."""

    request: ForecastRequest
    requested_at: datetime
    step_s: int
    unit: str
    timezone: str
    events: Events
    regressors: tuple[Events, ...]


@dataclass(frozen=True, slots=True)
class FoundView:
    """One look ahead: for each quantile its values, all from ``start`` on and believed at ``belief_time``."""

    start: datetime
    belief_time: datetime
    quantiles: tuple[tuple[float, array[float]], ...]


@dataclass(frozen=True, slots=True)
class FoundForecast:
    """A forecast: what is believed at each look ahead, the latest value of each event, and how good it may be."""

    views: tuple[FoundView, ...]
    latest: Found
    error: float | None
    naive_error: float | None
    warnings: tuple[str, ...]
