"""What charts of an asset are asked with, and what they are made of."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import model_validator

from services.gateway.dialects.flexibility.data_request_schemas import DurationText
from services.gateway.dialects.flexibility.moments import Moment
from services.gateway.dialects.flexibility.request_schemas import ParametersModel
from services.gateway.dialects.flexibility.schemas import AnswerModel
from shared.durations import MomentOutOfRange


class ChartWindow(ParametersModel):
    """From when to when: two of ``start``, ``end`` and ``duration``."""

    start: Moment | None = None
    end: Moment | None = None
    duration: DurationText | None = None
    prior: Moment | None = None
    """Only what was known by then."""

    @model_validator(mode="after")
    def _is_a_period(self) -> Self:
        if [self.start, self.end, self.duration].count(None) != 1:
            raise ValueError("Give two of start, end and duration.")
        start, end = self.period
        if end <= start:
            raise ValueError("end must be after start")
        return self

    @property
    def period(self) -> tuple[datetime, datetime]:
        """Both ends.

        Raises:
            ValueError: one is no date of the calendar.
        """
        try:
            if self.start is None:
                assert self.end is not None
                assert self.duration is not None
                return self.duration.negated().added_to(self.end), self.end
            if self.end is None:
                assert self.duration is not None
                return self.start, self.duration.added_to(self.start)
        except MomentOutOfRange as error:
            raise ValueError(error.message) from None
        return self.start, self.end


class ChartSensor(AnswerModel):
    """The sensor that a value is of."""

    id: int
    name: str
    unit: str
    asset_id: int
    asset_name: str


class ChartRow(AnswerModel):
    """A value in a chart."""

    event_start: int
    """In milliseconds since 1970."""
    event_value: float
    sensor: ChartSensor


class ChartSpecification(AnswerModel):
    """A Vega-Lite specification, whose data are those of ``chart_data``."""

    data: dict[str, object]
    vconcat: list[dict[str, object]]
