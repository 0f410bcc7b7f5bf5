"""How the route tables of this API are made: the answers that many routes share, and routes with parameters or with a body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pydantic import BaseModel

from services.gateway.dialects.flexibility.reading import Given, ModelBody, ParametersInBody, ParametersInQuery
from services.gateway.dialects.flexibility.schemas import (
    ErrorAnswer,
    InvalidAnswer,
    RejectedAnswer,
    StatedAnswer,
    UnplacedInvalidAnswer,
)
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import CONTENT_TYPE
from services.gateway.http.call import Call, Reply
from services.gateway.http.routes import RETRY_AFTER, Answer, NoQuery, Route

B = TypeVar("B", bound=BaseModel)


def answer(status: int, description: str, model: type[BaseModel], *, is_list: bool = False) -> Answer:
    """A JSON answer."""
    return Answer(status, description, CONTENT_TYPE, model, is_list)


LATER = Answer(
    503,
    "Something that is needed is away; try again.",
    CONTENT_TYPE,
    StatedAnswer,
    headers=RETRY_AFTER,
)
TOO_OFTEN = Answer(429, "Too many requests.", CONTENT_TYPE, RejectedAnswer, headers=RETRY_AFTER)
USUAL = (
    answer(401, "No valid credential.", StatedAnswer),
    answer(403, "The credential does not reach so far.", RejectedAnswer),
    TOO_OFTEN,
    LATER,
)
BAD_REQUEST = answer(400, "The body is not JSON.", ErrorAnswer)
TOO_LARGE = answer(413, "The body is too large.", RejectedAnswer)
INVALID = answer(422, "The request does not have the form described here.", InvalidAnswer)
INVALID_UNPLACED = answer(422, "The same, without a location.", UnplacedInvalidAnswer)
GONE = Answer(204, "Deleted.")
NO_ACCOUNT = answer(404, "There is no such account.", ErrorAnswer)
NO_ASSET = answer(404, "There is no such asset.", ErrorAnswer)
NO_PAGE = answer(404, "There is no such page, or account.", ErrorAnswer)


def parameters_route(
    path: str,
    handler: Callable[[Flexibility, Call[Given, Given]], Awaitable[Reply]],
    model: type[BaseModel],
    summary: str,
    tag: str,
    answers: Sequence[Answer],
) -> Route[Flexibility, Given, Given]:
    """A GET whose parameters may also stand in a body."""
    all_answers = (*answers, BAD_REQUEST, TOO_LARGE, INVALID, *USUAL)
    return Route("GET", path, handler, ParametersInQuery(model), ParametersInBody(), summary, tag, all_answers)


def body_route(
    method: str,
    path: str,
    handler: Callable[[Flexibility, Call[None, B]], Awaitable[Reply]],
    model: type[B],
    summary: str,
    tag: str,
    answers: Sequence[Answer],
) -> Route[Flexibility, None, B]:
    """A route with a JSON object as its body. Of changes, a body that is left out is one without fields."""
    all_answers = (*answers, BAD_REQUEST, TOO_LARGE, INVALID, *USUAL)
    body = ModelBody(model, may_be_left_out=method == "PATCH")
    return Route(method, path, handler, NoQuery(), body, summary, tag, all_answers)
