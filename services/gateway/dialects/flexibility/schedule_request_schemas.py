"""What clients send to have schedules made, and how they want to read them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.json_schema import WithJsonSchema

from services.gateway.dialects.flexibility.data_request_schemas import DurationText
from services.gateway.dialects.flexibility.fields import Text
from services.gateway.dialects.flexibility.moments import Moment
from services.gateway.dialects.flexibility.request_schemas import BodyModel, ParametersModel

SignConvention = Literal["consumption-positive", "production-positive", "wysiwyg"]

# Looked at where flex-models and flex-contexts are read.
_Free = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]})]


class TriggerSensor(BodyModel):
    """A schedule of one sensor."""

    start: Moment
    """Where the first step begins."""
    duration: DurationText | None = None
    """How long the schedule is; 48 hours by default."""
    resolution: DurationText | None = None
    """How long a step is; by default as long as the finest of the sensors that are scheduled has it."""
    prior: Moment | None = None
    """Only what was known before this counts; by default all that is known now."""
    flex_model: _Free = Field(default=None, alias="flex-model")
    """What the devices can do."""
    flex_context: _Free = Field(default=None, alias="flex-context")
    """Prices, limits of the connection, fixed loads."""
    force_new_job_creation: bool = Field(default=False, alias="force-new-job-creation")
    """Whether a new job is wanted though there is one for the same request."""


class TriggerAsset(TriggerSensor):
    """A schedule of an asset and everything below it."""

    sequential: bool = False
    """Whether devices are scheduled one after the other."""


class GetSchedule(ParametersModel):
    """How a schedule is to be told."""

    duration: DurationText | None = None
    """How much of it; 6 hours by default, and at most 48."""
    unit: Text | None = None
    """By default the sensor's."""
    sign_convention: SignConvention = Field(default="consumption-positive", alias="sign-convention")
    """Which direction is positive; ``wysiwyg`` is as it is stored."""
