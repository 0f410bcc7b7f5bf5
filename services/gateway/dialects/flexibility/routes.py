"""The routes of the flexibility API: the table from which requests are dispatched and the OpenAPI document is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from services.gateway.dialects.flexibility import accounts, entrance, users
from services.gateway.dialects.flexibility.entrance import V3_ROOT
from services.gateway.dialects.flexibility.reading import Given, ModelBody, ParametersInBody, ParametersInQuery
from services.gateway.dialects.flexibility.request_schemas import (
    AccountPatch,
    Credentials,
    ListAccounts,
    ListUserEvents,
    ListUsers,
    NewAccount,
    NewUser,
    UserPatch,
)
from services.gateway.dialects.flexibility.schemas import (
    AccountAnswer,
    AccountEvent,
    AccountInfo,
    AccountPage,
    AuthToken,
    CreatedUser,
    Done,
    ErrorAnswer,
    InvalidAnswer,
    ListedUser,
    OpenApiDocument,
    Ready,
    RejectedAnswer,
    Services,
    SignInErrors,
    StatedAnswer,
    UserAnswer,
    UserEventPage,
    UserPage,
    Versions,
)
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import CONTENT_TYPE, object_reply
from services.gateway.http.call import Call, Reply
from services.gateway.http.routes import RETRY_AFTER, Answer, NoQuery, Route, plain_route

ENTRANCE, ACCOUNTS, USERS = "Entrance", "Accounts", "Users"
TAGS = (
    (ENTRANCE, "Versions, health, and the token with which everything else begins."),
    (ACCOUNTS, "Organisations; everything belongs to one."),
    (USERS, "Who may sign in, and with which roles."),
)

B = TypeVar("B", bound=BaseModel)


def _answer(status: int, description: str, model: type[BaseModel], *, is_list: bool = False) -> Answer:
    return Answer(status, description, CONTENT_TYPE, model, is_list)


_LATER = Answer(
    503,
    "Something that is needed is away; try again.",
    CONTENT_TYPE,
    StatedAnswer,
    headers=RETRY_AFTER,
)
_TOO_OFTEN = Answer(429, "Too many requests.", CONTENT_TYPE, RejectedAnswer, headers=RETRY_AFTER)
_USUAL = (
    _answer(401, "No valid credential.", StatedAnswer),
    _answer(403, "The credential does not reach so far.", RejectedAnswer),
    _TOO_OFTEN,
    _LATER,
)
_BAD_REQUEST = _answer(400, "The body is not JSON.", ErrorAnswer)
_TOO_LARGE = _answer(413, "The body is too large.", RejectedAnswer)
_INVALID = _answer(422, "The request does not have the form described here.", InvalidAnswer)
_NO_ACCOUNT = _answer(404, "There is no such account.", ErrorAnswer)
_NO_USER = _answer(404, "There is no such user.", ErrorAnswer)
_NO_PAGE = _answer(404, "There is no such page, or account.", ErrorAnswer)


def _parameters_route(
    path: str,
    handler: Callable[[Flexibility, Call[Given, Given]], Awaitable[Reply]],
    model: type[BaseModel],
    summary: str,
    tag: str,
    answers: Sequence[Answer],
) -> Route[Flexibility, Given, Given]:
    """A GET whose parameters may also stand in a body."""
    all_answers = (*answers, _BAD_REQUEST, _TOO_LARGE, _INVALID, *_USUAL)
    return Route("GET", path, handler, ParametersInQuery(model), ParametersInBody(), summary, tag, all_answers)


def _body_route(
    method: str,
    path: str,
    handler: Callable[[Flexibility, Call[None, B]], Awaitable[Reply]],
    model: type[B],
    summary: str,
    tag: str,
    answers: Sequence[Answer],
) -> Route[Flexibility, None, B]:
    all_answers = (*answers, _BAD_REQUEST, _TOO_LARGE, _INVALID, *_USUAL)
    return Route(method, path, handler, NoQuery(), ModelBody(model), summary, tag, all_answers)


async def list_services(_: Flexibility, __: Call[None, None]) -> Reply:
    """All endpoints of version 3.0."""
    return object_reply(entrance.services_of(V3_ROUTES))


# Any: routes differ in their queries and bodies.
ENTRANCE_ROUTES: tuple[Route[Flexibility, Any, Any], ...] = (
    plain_route(
        "GET",
        "/api",
        entrance.list_versions,
        "The versions of this API",
        ENTRANCE,
        (_answer(200, "Those that are alive.", Versions),),
        is_public=True,
    ),
    Route(
        "POST",
        "/api/requestAuthToken",
        entrance.request_auth_token,
        NoQuery(),
        ModelBody(Credentials),
        "Exchange a password for a token",
        ENTRANCE,
        (
            _answer(200, "A token for the Authorization header; it is valid for six hours.", AuthToken),
            _answer(401, "Wrong password, or inactive user.", SignInErrors),
            _answer(404, "There is no such user.", SignInErrors),
            _BAD_REQUEST,
            _TOO_LARGE,
            _INVALID,
            _TOO_OFTEN,
            _LATER,
        ),
        is_public=True,
    ),
    plain_route(
        "GET",
        "/api/ops/ping",
        entrance.ping,
        "Whether the process answers",
        ENTRANCE,
        (_answer(200, "It does.", Done),),
        is_public=True,
    ),
)

V3_ROUTES: tuple[Route[Flexibility, Any, Any], ...] = (
    plain_route(
        "GET",
        V3_ROOT,
        list_services,
        "The endpoints of this version",
        ENTRANCE,
        (_answer(200, "Those there are.", Services), _TOO_OFTEN),
        is_public=True,
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/health/ready",
        entrance.report_readiness,
        "Whether requests can be worked on",
        ENTRANCE,
        (_answer(200, "They can.", Ready), _answer(503, "They cannot.", Ready)),
        is_public=True,
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/docs",
        entrance.show_docs,
        "This document as a page",
        ENTRANCE,
        (Answer(200, "The page.", "text/html"), _TOO_OFTEN),
        is_public=True,
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/openapi.json",
        entrance.show_openapi,
        "This document",
        ENTRANCE,
        (_answer(200, "An OpenAPI document.", OpenApiDocument), _TOO_OFTEN),
        is_public=True,
    ),
    _parameters_route(
        f"{V3_ROOT}/accounts",
        accounts.list_accounts,
        ListAccounts,
        "List accounts",
        ACCOUNTS,
        (
            _answer(200, "Those that the caller may read.", AccountInfo, is_list=True),
            _answer(200, "Where a page is asked for: that page.", AccountPage),
            _NO_PAGE,
        ),
    ),
    _body_route(
        "POST",
        f"{V3_ROOT}/accounts",
        accounts.create_account,
        NewAccount,
        "Make an account",
        ACCOUNTS,
        (_answer(201, "Made.", AccountInfo),),
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/accounts/{{account_id}}",
        accounts.get_account,
        "Show an account",
        ACCOUNTS,
        (_answer(200, "The account.", AccountAnswer), _NO_ACCOUNT, _INVALID, *_USUAL),
    ),
    _body_route(
        "PATCH",
        f"{V3_ROOT}/accounts/{{account_id}}",
        accounts.change_account,
        AccountPatch,
        "Change an account",
        ACCOUNTS,
        (_answer(200, "The account as it is now.", AccountAnswer), _NO_ACCOUNT),
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/accounts/{{account_id}}/auditlog",
        accounts.list_account_events,
        "What happened in an account",
        ACCOUNTS,
        (
            _answer(200, "The newest thousand events, the newest first.", AccountEvent, is_list=True),
            _NO_ACCOUNT,
            _INVALID,
            *_USUAL,
        ),
    ),
    _parameters_route(
        f"{V3_ROOT}/users",
        users.list_users,
        ListUsers,
        "List users",
        USERS,
        (
            _answer(200, "Those of the account.", ListedUser, is_list=True),
            _answer(200, "Where a page is asked for: that page.", UserPage),
            _NO_PAGE,
        ),
    ),
    _body_route(
        "POST",
        f"{V3_ROOT}/users",
        users.create_user,
        NewUser,
        "Make a user",
        USERS,
        (_answer(201, "Made; an administrator sets the password.", CreatedUser),),
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/users/{{user_id}}",
        users.get_user,
        "Show a user",
        USERS,
        (_answer(200, "The user.", UserAnswer), _NO_USER, _INVALID, *_USUAL),
    ),
    _body_route(
        "PATCH",
        f"{V3_ROOT}/users/{{user_id}}",
        users.change_user,
        UserPatch,
        "Change a user",
        USERS,
        (_answer(200, "The user as they are now.", UserAnswer), _NO_USER),
    ),
    plain_route(
        "PATCH",
        f"{V3_ROOT}/users/{{user_id}}/password-reset",
        users.reset_password,
        "Reset a password",
        USERS,
        (
            _answer(200, "Password and tokens are worthless; an administrator sets a new one.", Done),
            _NO_USER,
            _INVALID,
            *_USUAL,
        ),
    ),
    _parameters_route(
        f"{V3_ROOT}/users/{{user_id}}/auditlog",
        users.list_user_events,
        ListUserEvents,
        "What a user did, and what was done to them",
        USERS,
        (_answer(200, "A page of it.", UserEventPage), _NO_USER),
    ),
)
