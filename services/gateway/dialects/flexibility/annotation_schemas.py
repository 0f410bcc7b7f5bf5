"""Notes about periods of sensors, assets and accounts: what clients send, and get."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from services.gateway.dialects.flexibility.fields import without_nul
from services.gateway.dialects.flexibility.moments import Moment
from services.gateway.dialects.flexibility.request_schemas import BodyModel
from services.gateway.dialects.flexibility.schemas import AnswerModel
from services.gateway.dialects.flexibility.schemas import Moment as MomentText

AnnotationType = Literal["alert", "holiday", "label", "feedback", "warning", "error"]
LONGEST_CONTENT = 1024


class NewAnnotation(BodyModel):
    """A note about a period."""

    content: Annotated[str, Field(max_length=LONGEST_CONTENT), AfterValidator(without_nul)]
    start: Moment
    end: Moment
    type: AnnotationType = "label"
    prior: Moment | None = None
    """Since when it is known; without it, from now on."""

    @model_validator(mode="after")
    def _end_is_after_start(self) -> Self:
        if self.end <= self.start:
            raise ValueError("end must be after start")
        return self


class AnnotationInfo(AnswerModel):
    """A note, with its times in UTC."""

    id: int
    content: str
    start: MomentText
    end: MomentText
    prior: MomentText
    source: int
    """The id of the data source: whoever noted it."""
    type: str
