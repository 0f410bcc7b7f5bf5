"""From what a client asks for to a forecast with everything resolved: defaults filled in, limits in the sensor's unit. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.gateway.dialects.flexibility.data_store import Target
from services.gateway.dialects.flexibility.forecast_request_schemas import (
    DayOrMoment,
    ForecastConfig,
    Regressor,
    TriggerForecast,
)
from services.gateway.dialects.flexibility.moments import floored
from services.gateway.dialects.flexibility.posted_values import DATA
from services.gateway.dialects.flexibility.validation import Invalid, invalid_field
from shared.durations import Duration, MomentOutOfRange
from shared.flexibility.forecast_request import DAY_S, ForecastRequest, RegressorReference, SnapRange
from shared.flexibility.planning_defaults import PLANNING_HORIZON
from shared.units import QuantityUnreadable, UnitsIncompatible, UnknownUnit, parse_quantity, parse_unit

PLANNING_HORIZON_S = round(PLANNING_HORIZON.total_seconds())
LEAST_TRAINING_S, LEAST_RETRAINING_S = 2 * DAY_S, 3600
# Longer than this nobody looks ahead, and no cycle is worth while.
MOST_VALUES, MOST_CYCLES = 100_000, 200


@dataclass(frozen=True, slots=True)
class _Window:
    start: datetime
    end: datetime
    is_start_given: bool

    @property
    def length_s(self) -> int:
        return int((self.end - self.start).total_seconds())


def request_of(given: TriggerForecast, sensor: Target, now: datetime) -> ForecastRequest:
    """The forecast that is asked for.

    Raises:
        Invalid: something does not fit together; it is said of which field.
    """
    if given.sensor_to_save not in (None, sensor.sensor_id):
        raise _at("sensor-to-save", "A forecast is saved on the sensor in the path.")
    window = _window(given, sensor, now)
    horizon_s = _multiple(given.max_forecast_horizon, "max-forecast-horizon", sensor) or window.length_s
    frequency_s = _multiple(given.forecast_frequency, "forecast-frequency", sensor)
    window = _shortened(given, window, horizon_s)
    resolution_s = sensor.event_resolution_s or 3600
    if window.length_s > MOST_VALUES * resolution_s:
        raise _at("duration", f"That would be more than {MOST_VALUES} values.")
    config = given.config
    request = ForecastRequest(
        sensor_id=sensor.sensor_id,
        start=window.start,
        end=window.end,
        window_end=window.end,
        horizon_s=horizon_s,
        frequency_s=frequency_s or min(window.length_s, horizon_s),
        retrain_s=_retrain_s(config),
        prior=given.prior,
        is_start_given=window.is_start_given,
        is_probabilistic=given.probabilistic,
        train_start=None if config.train_start is None else _moment(config.train_start, sensor),
        train_period_s=_train_period_s(config),
        max_training_period_s=_max_training_period_s(config),
        missing_threshold=config.missing_threshold,
        ensure_positive=config.ensure_positive,
        lower=_limit(config.lower, "lower", sensor),
        upper=_limit(config.upper, "upper", sensor),
        snaps=tuple(SnapRange(snap.target, *snap.range) for snap in config.snap),
        regressors=_regressors(config),
        model_params=config.model_params,
    )
    if len(request.cycles()) > MOST_CYCLES:
        raise _at("forecast-frequency", f"That would be more than {MOST_CYCLES} cycles of training.")
    return request


def _window(given: TriggerForecast, sensor: Target, now: datetime) -> _Window:
    if given.start is not None and given.end is not None and given.duration is not None:
        raise _at("duration", "Provide 'duration' with either 'start' or 'end', but not with both.")
    end = None if given.end is None else _moment(given.end, sensor)
    zone = ZoneInfo(sensor.timezone)
    if given.start is not None:
        start = _moment(given.start, sensor)
    elif end is not None and given.duration is not None:
        start = _added(end, given.duration.negated(), zone)
    else:
        start = floored(now.astimezone(zone), timedelta(seconds=sensor.event_resolution_s or 1)).astimezone(UTC)
    if end is None:
        end = _added(start, given.duration or Duration(microseconds=PLANNING_HORIZON_S * 1_000_000), zone)
    if start >= end:
        raise _at("start", "start must be before end")
    return _Window(start, end, given.start is not None)


def _shortened(given: TriggerForecast, window: _Window, horizon_s: int) -> _Window:
    if given.max_forecast_horizon is None or horizon_s == window.length_s:
        return window
    field = "max-forecast-horizon"
    if horizon_s > window.length_s:
        raise _at(field, "max-forecast-horizon must not be longer than the window of the forecast.")
    if given.duration is not None:
        raise _at(field, "max-forecast-horizon must not be shorter than duration.")
    if given.forecast_frequency is not None:
        return window
    return _Window(window.start, window.start + timedelta(seconds=horizon_s), window.is_start_given)


def _regressors(config: ForecastConfig) -> tuple[RegressorReference, ...]:
    kinds = (
        (config.past_regressors, True, False),
        (config.future_regressors, False, True),
        (config.regressors, True, True),
    )
    return tuple(
        _reference(one, is_past=is_past, is_future=is_future) for listed, is_past, is_future in kinds for one in listed
    )


def _reference(given: Regressor, *, is_past: bool, is_future: bool) -> RegressorReference:
    return RegressorReference(
        sensor_id=given.sensor,
        is_past=is_past,
        is_future=is_future,
        source_types=tuple(given.source_types),
        exclude_source_types=tuple(given.exclude_source_types),
        source_ids=tuple(given.sources),
        source_account_ids=tuple(given.source_account),
    )


def _train_period_s(config: ForecastConfig) -> int:
    if config.train_period is None:
        return 30 * DAY_S
    seconds = _seconds(config.train_period, "train-period")
    if seconds < LEAST_TRAINING_S:
        raise _in_config("train-period", "train-period must be at least 2 days (48 hours)")
    return seconds


def _max_training_period_s(config: ForecastConfig) -> int:
    if config.max_training_period is None:
        return 365 * DAY_S
    seconds = _seconds(config.max_training_period, "max-training-period")
    if seconds < LEAST_TRAINING_S:
        raise _in_config("max-training-period", "max-training-period must be at least 2 days (48 hours)")
    return seconds


def _retrain_s(config: ForecastConfig) -> int:
    if config.retrain_frequency is None:
        return PLANNING_HORIZON_S
    seconds = _seconds(config.retrain_frequency, "retrain-frequency")
    if seconds < LEAST_RETRAINING_S:
        raise _in_config("retrain-frequency", "retrain-frequency must be at least 1 hour")
    return seconds


def _multiple(duration: Duration | None, field: str, sensor: Target) -> int | None:
    if duration is None:
        return None
    seconds, resolution_s = duration.seconds, sensor.event_resolution_s or 1
    if seconds is None or seconds <= 0 or seconds % resolution_s:
        raise _at(field, f"{field} must be a multiple of the sensor resolution")
    return int(seconds)


def _limit(given: float | str | None, field: str, sensor: Target) -> float | None:
    if given is None or isinstance(given, float):
        return given
    try:
        return parse_quantity(given, sensor.unit).to(parse_unit(sensor.unit))
    except (QuantityUnreadable, UnknownUnit, UnitsIncompatible) as error:
        raise _in_config(field, error.message) from None


def _moment(given: DayOrMoment, sensor: Target) -> datetime:
    if isinstance(given, datetime):
        return given.astimezone(UTC)
    assert isinstance(given, date)
    return datetime.combine(given, time(), ZoneInfo(sensor.timezone)).astimezone(UTC)


def _added(moment: datetime, duration: Duration, zone: ZoneInfo) -> datetime:
    try:
        return duration.added_to(moment, zone)
    except MomentOutOfRange as error:
        raise _at("duration", error.message) from None


def _seconds(duration: Duration, field: str) -> int:
    if duration.seconds is None:
        raise _in_config(field, f"{field} must not be in months or years.")
    return int(duration.seconds)


def _at(field: str, text: str) -> Invalid:
    return invalid_field(DATA, field, text)


def _in_config(field: str, text: str) -> Invalid:
    return Invalid(DATA, {"config": {field: [text]}})
