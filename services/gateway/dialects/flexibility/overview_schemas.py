"""What clients ask and get about data on the whole: who states them, figures of them, and whether they are up to date."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from services.gateway.dialects.flexibility.moments import Moment
from services.gateway.dialects.flexibility.request_schemas import ParametersModel
from services.gateway.dialects.flexibility.schemas import AnswerModel


class ListSources(ParametersModel):
    """Which sources."""

    only_latest: bool = False
    """Only the newest version of each."""


class GetStats(ParametersModel):
    """Of which events, and in which order."""

    sort: bool = True
    """By source; otherwise as they were found."""
    event_start_time: Moment | None = None
    event_end_time: Moment | None = None
    fresh: bool = False
    """Figures are always fresh."""


class SourceAnswer(AnswerModel):
    """Somebody who states values."""

    id: int
    name: str
    type: str
    description: str
    model: str | None = None
    version: str | None = None
    account_id: int | None = None
    user_id: int | None = None


class Sources(AnswerModel):
    """Everybody who states values."""

    sources: list[SourceAnswer]
    types: list[str]
    status: int = 200


class Stats(AnswerModel):
    """Figures by source: "First event start", "Last event end", "Last recorded", "Min value", "Max value", "Mean value",
    "Sum over values" and "Number of values".
    """

    model_config = ConfigDict(extra="allow")

    status: int = 200


class SensorStatus(AnswerModel):
    """How up to date the data of one kind of source are."""

    id: int
    name: str
    resolution: str
    asset_name: str
    relation: str
    staleness: str | None
    """How long ago the last event ended."""
    stale: bool
    staleness_since: datetime | None
    reason: str
    source_type: Literal["measured", "forecaster", "scheduler"]


class SensorStatuses(AnswerModel):
    """How up to date a sensor is."""

    sensors_data: list[SensorStatus]
    status: int = Field(default=200)


Figures = dict[str, dict[str, Any] | int]
