"""Requests that do not have the form that their route declares, and the problem document that says so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field, ValidationError

from services.gateway.http.call import PROBLEM, Reply
from shared.errors import InvalidInput

VALIDATION_TITLE = "One or more validation errors occurred."
MOST_SHOWN = 200
BAD_REQUEST_TYPE = "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.1"


class BindingFailed(InvalidInput):
    """Body, form or query do not have the declared form; ``errors`` has the texts by field or JSON path.

    ``values`` has what was given, shortened, by the same paths where that is known. It may be a secret.
    """

    code = "binding_failed"

    def __init__(self, errors: Mapping[str, Sequence[str]], *, values: Mapping[str, str] | None = None) -> None:
        super().__init__("; ".join(text for texts in errors.values() for text in texts))
        self.errors = {name: list(texts) for name, texts in errors.items()}
        self.values = dict(values or {})


class UnsupportedMediaType(InvalidInput):
    """The content type of the body is none that the route reads."""

    code = "unsupported_media_type"


class BodyTooLarge(InvalidInput):
    """The body is larger than the route reads."""

    code = "body_too_large"


class ValidationProblem(BaseModel):
    """A request does not have the form that the API declares."""

    type: str = Field(description="A URI that names the kind of problem.")
    title: str
    status: int
    traceId: str = Field(description="The W3C trace context of the request, for whoever reads the logs.")  # noqa: N815
    errors: dict[str, list[str]] = Field(description="What is wrong, by field or JSON path.")


def errors_of(failure: ValidationError) -> dict[str, list[str]]:
    """What pydantic found, by JSON path (``$`` is the whole)."""
    errors: dict[str, list[str]] = {}
    for error in failure.errors(include_url=False, include_context=False, include_input=False):
        # What pydantic puts before the words of our own validators tells a client nothing.
        errors.setdefault(_path(error["loc"]), []).append(error["msg"].removeprefix("Value error, "))
    return errors


def values_of(failure: ValidationError) -> dict[str, str]:
    """The single values that pydantic found wrong, by JSON path; a whole object or list is not repeated."""
    return {
        _path(error["loc"]): json.dumps(error["input"], ensure_ascii=False)[:MOST_SHOWN]
        for error in failure.errors(include_url=False, include_context=False)
        if error["input"] is None or isinstance(error["input"], str | int | float)
    }


def _path(location: tuple[int | str, ...]) -> str:
    return "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in location)


def problem_reply(failure: BindingFailed, *, trace_id: str) -> Reply:
    """The problem document of a request in the wrong form."""
    problem = ValidationProblem(
        type=BAD_REQUEST_TYPE, title=VALIDATION_TITLE, status=400, traceId=trace_id, errors=failure.errors
    )
    return Reply(400, problem.model_dump_json().encode(), PROBLEM)
