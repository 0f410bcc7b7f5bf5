"""What clients send to have forecasts made."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import WithJsonSchema

from services.gateway.dialects.flexibility.data_request_schemas import DurationText
from services.gateway.dialects.flexibility.fields import Number, Text
from services.gateway.dialects.flexibility.moments import Moment, read_moment
from services.gateway.dialects.flexibility.request_schemas import BodyModel

MOST_REGRESSORS = 100
_DATE_LENGTH = len("2024-06-21")


def _day_or_moment(given: object) -> object:
    """A day by itself is one by the sensor's clock."""
    if isinstance(given, str) and len(given.strip()) == _DATE_LENGTH:
        try:
            return date.fromisoformat(given.strip())
        except ValueError:
            raise ValueError("Not a valid datetime.") from None
    return given if isinstance(given, date) else read_moment(given)


def _as_reference(given: object) -> object:
    return {"sensor": given} if isinstance(given, int) and not isinstance(given, bool) else given


def _as_snaps(given: object) -> object:
    """Also as one object: from the target to the ends of its range."""
    if not isinstance(given, dict):
        return given
    try:
        return [{"target": float(target), "range": ends} for target, ends in given.items()]
    except ValueError:
        raise ValueError("Not a valid number.") from None


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("Not a valid number.")
    return value


DayOrMoment = Annotated[
    datetime | date,
    BeforeValidator(_day_or_moment),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}),
]
Finite = Annotated[float, AfterValidator(_finite)]


class Regressor(BodyModel):
    """A sensor that may explain the one to be forecast, and whose statements of it count."""

    sensor: Number
    source_types: list[Text] = Field(default=[], alias="source-types", max_length=MOST_REGRESSORS)
    exclude_source_types: list[Text] = Field(default=[], alias="exclude-source-types", max_length=MOST_REGRESSORS)
    sources: list[Number] = Field(default=[], max_length=MOST_REGRESSORS)
    source_account: list[Number] = Field(default=[], alias="source-account", max_length=MOST_REGRESSORS)


class SnapTo(BodyModel):
    """Values within [first, second) become the target."""

    target: Finite
    range: tuple[Finite, Finite]


RegressorReference = Annotated[Regressor, BeforeValidator(_as_reference)]
Regressors = Annotated[list[RegressorReference], Field(max_length=MOST_REGRESSORS)]


class ForecastConfig(BodyModel):
    """How to learn, and what is done to the result."""

    train_start: DayOrMoment | None = Field(default=None, alias="train-start")
    train_period: DurationText | None = Field(default=None, alias="train-period")
    """30 days by default, 2 at least."""
    max_training_period: DurationText | None = Field(default=None, alias="max-training-period")
    """365 days by default."""
    retrain_frequency: DurationText | None = Field(default=None, alias="retrain-frequency")
    """48 hours by default."""
    past_regressors: Regressors = Field(default=[], alias="past-regressors")
    future_regressors: Regressors = Field(default=[], alias="future-regressors")
    regressors: Regressors = Field(default=[])
    """Both past and future."""
    annotation_regressors: list[Any] = Field(default=[], alias="annotation-regressors", max_length=0)
    """There are none yet."""
    missing_threshold: Annotated[float, Field(ge=0, le=1)] = Field(default=1.0, alias="missing-threshold")
    ensure_positive: bool = Field(default=False, alias="ensure-positive")
    lower: Finite | Text | None = None
    """A number in the sensor's unit, or a quantity."""
    upper: Finite | Text | None = None
    snap: Annotated[list[SnapTo], BeforeValidator(_as_snaps)] = Field(default=[], max_length=MOST_REGRESSORS)
    model_params: dict[str, Any] = Field(default={}, alias="model-params")


class TriggerForecast(BodyModel):
    """A forecast of a sensor."""

    model_config = ConfigDict(protected_namespaces=())

    start: DayOrMoment | None = None
    """By default the beginning of the event that is under way."""
    end: DayOrMoment | None = None
    duration: DurationText | None = None
    """48 hours by default."""
    prior: Moment | None = None
    """Only what was known before this counts, and the forecast is as of then."""
    max_forecast_horizon: DurationText | None = Field(default=None, alias="max-forecast-horizon")
    """How far ahead one forecast looks; by default over the whole window."""
    forecast_frequency: DurationText | None = Field(default=None, alias="forecast-frequency")
    """How far apart the moments are from which it is looked ahead."""
    sensor_to_save: Number | None = Field(default=None, alias="sensor-to-save")
    probabilistic: bool = False
    """Whether the quantiles 0.1 and 0.9 are forecast as well."""
    config: ForecastConfig = ForecastConfig()
