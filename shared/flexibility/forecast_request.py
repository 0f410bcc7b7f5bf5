"""What a forecasting job asks for: its arguments as the gateway writes them and the optimizer reads them. Pure.

Everything is resolved: defaults are filled in and durations are seconds. A request for several cycles is cut into one for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class RegressorReference:
    """A sensor that may explain the one to be forecast, by its past, by what is expected of its future, or by both."""

    sensor_id: int
    is_past: bool
    is_future: bool
    source_types: tuple[str, ...] = ()
    exclude_source_types: tuple[str, ...] = ()
    source_ids: tuple[int, ...] = ()
    source_account_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SnapRange:
    """Values within [low, high) become ``target``, in the sensor's unit."""

    target: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ForecastView:
    """One look ahead: from ``start`` until ``end``, with what was known of events before ``start``, believed at ``belief_time``."""

    start: datetime
    end: datetime
    belief_time: datetime


@dataclass(frozen=True, slots=True)
class ForecastRequest:
    """A forecast of one sensor, or one cycle of it.

    The model is trained once, at ``start``. It looks ahead there and, until ``end``, at each multiple of ``frequency_s``, for at most
    ``horizon_s`` each time and never beyond ``window_end``. Limits and snaps are in the sensor's unit. ``prior`` restricts what
    counts as known and is what the result is believed at; else that is ``start`` where the client gave one (``is_start_given``),
    else the moment of the request.
    """

    sensor_id: int
    start: datetime
    end: datetime
    window_end: datetime
    horizon_s: int
    frequency_s: int
    retrain_s: int
    prior: datetime | None = None
    is_start_given: bool = True
    is_probabilistic: bool = False
    train_start: datetime | None = None
    train_period_s: int = 30 * DAY_S
    max_training_period_s: int = 365 * DAY_S
    missing_threshold: float = 1.0
    ensure_positive: bool = False
    lower: float | None = None
    upper: float | None = None
    snaps: tuple[SnapRange, ...] = ()
    regressors: tuple[RegressorReference, ...] = ()
    model_params: Mapping[str, object] = field(default_factory=dict)

    def cycles(self) -> tuple[ForecastRequest, ...]:
        """One request for each training; a single one is this request itself."""
        length_s = max(self.retrain_s, self.frequency_s)
        count = int((self.end - self.start).total_seconds() // length_s)
        if count < 2:
            return (self,)
        starts = [self.start + index * timedelta(seconds=length_s) for index in range(count)]
        return tuple(replace(self, start=start, end=end) for start, end in pairwise([*starts, self.end]))

    def views(self, requested_at: datetime) -> tuple[ForecastView, ...]:
        """The looks ahead, in order.

        Later ones know more. Where all are believed at the same moment one event may have one of them only: each ends where the
        next begins.
        """
        frequency, horizon = timedelta(seconds=self.frequency_s), timedelta(seconds=self.horizon_s)
        count = max(1, -((self.start - self.end) // frequency))
        starts = [self.start + index * frequency for index in range(count)]
        is_told_apart = self.prior is None and self.is_start_given
        views = []
        for start, following in pairwise([*starts, self.end]):
            last = self.window_end if is_told_apart else following
            belief_time = self.prior or (start if self.is_start_given else requested_at)
            views.append(ForecastView(start, min(start + horizon, last), belief_time))
        return tuple(views)

    def as_arguments(self) -> dict[str, Any]:
        """The request as JSON; moments are ISO 8601 in UTC."""
        return {
            name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> ForecastRequest:
        """What ``as_arguments`` made."""
        given = dict(arguments)
        for name in ("start", "end", "window_end", "prior", "train_start"):
            if given.get(name) is not None:
                given[name] = datetime.fromisoformat(given[name])
        given["snaps"] = tuple(SnapRange(**snap) for snap in given.get("snaps", ()))
        given["regressors"] = tuple(_regressor(one) for one in given.get("regressors", ()))
        return cls(**given)


def _regressor(given: Mapping[str, Any]) -> RegressorReference:
    lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list | tuple)}
    return RegressorReference(**{**given, **lists})
