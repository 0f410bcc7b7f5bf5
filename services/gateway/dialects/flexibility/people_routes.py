"""The routes of accounts and users."""

from __future__ import annotations

from typing import Any

from services.gateway.dialects.flexibility import accounts, users
from services.gateway.dialects.flexibility.request_schemas import (
    AccountPatch,
    ListAccounts,
    ListUserEvents,
    ListUsers,
    NewAccount,
    NewUser,
    UserPatch,
)
from services.gateway.dialects.flexibility.route_building import (
    INVALID,
    NO_ACCOUNT,
    NO_PAGE,
    USUAL,
    answer,
    body_route,
    parameters_route,
)
from services.gateway.dialects.flexibility.schemas import (
    AccountAnswer,
    AccountEvent,
    AccountInfo,
    AccountPage,
    CreatedUser,
    Done,
    ErrorAnswer,
    ListedUser,
    UserAnswer,
    UserEventPage,
    UserPage,
)
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import V3_ROOT
from services.gateway.http.routes import Route, plain_route

ACCOUNTS, USERS = "Accounts", "Users"
TAGS = (
    (ACCOUNTS, "Organisations; everything belongs to one."),
    (USERS, "Who may sign in, and with which roles."),
)

NO_USER = answer(404, "There is no such user.", ErrorAnswer)

# Any: routes differ in their queries and bodies.
PEOPLE_ROUTES: tuple[Route[Flexibility, Any, Any], ...] = (
    parameters_route(
        f"{V3_ROOT}/accounts",
        accounts.list_accounts,
        ListAccounts,
        "List accounts",
        ACCOUNTS,
        (
            answer(200, "Those that the caller may read.", AccountInfo, is_list=True),
            answer(200, "Where a page is asked for: that page.", AccountPage),
            NO_PAGE,
        ),
    ),
    body_route(
        "POST",
        f"{V3_ROOT}/accounts",
        accounts.create_account,
        NewAccount,
        "Make an account",
        ACCOUNTS,
        (answer(201, "Made.", AccountInfo),),
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/accounts/{{account_id}}",
        accounts.get_account,
        "Show an account",
        ACCOUNTS,
        (answer(200, "The account.", AccountAnswer), NO_ACCOUNT, INVALID, *USUAL),
    ),
    body_route(
        "PATCH",
        f"{V3_ROOT}/accounts/{{account_id}}",
        accounts.change_account,
        AccountPatch,
        "Change an account",
        ACCOUNTS,
        (answer(200, "The account as it is now.", AccountAnswer), NO_ACCOUNT),
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/accounts/{{account_id}}/auditlog",
        accounts.list_account_events,
        "What happened in an account",
        ACCOUNTS,
        (
            answer(200, "The newest thousand events, the newest first.", AccountEvent, is_list=True),
            NO_ACCOUNT,
            INVALID,
            *USUAL,
        ),
    ),
    parameters_route(
        f"{V3_ROOT}/users",
        users.list_users,
        ListUsers,
        "List users",
        USERS,
        (
            answer(200, "Those of the account.", ListedUser, is_list=True),
            answer(200, "Where a page is asked for: that page.", UserPage),
            NO_PAGE,
        ),
    ),
    body_route(
        "POST",
        f"{V3_ROOT}/users",
        users.create_user,
        NewUser,
        "Make a user",
        USERS,
        (answer(201, "Made; an administrator sets the password.", CreatedUser),),
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/users/{{user_id}}",
        users.get_user,
        "Show a user",
        USERS,
        (answer(200, "The user.", UserAnswer), NO_USER, INVALID, *USUAL),
    ),
    body_route(
        "PATCH",
        f"{V3_ROOT}/users/{{user_id}}",
        users.change_user,
        UserPatch,
        "Change a user",
        USERS,
        (answer(200, "The user as they are now.", UserAnswer), NO_USER),
    ),
    plain_route(
        "PATCH",
        f"{V3_ROOT}/users/{{user_id}}/password-reset",
        users.reset_password,
        "Reset a password",
        USERS,
        (
            answer(200, "Password and tokens are worthless; an administrator sets a new one.", Done),
            NO_USER,
            INVALID,
            *USUAL,
        ),
    ),
    parameters_route(
        f"{V3_ROOT}/users/{{user_id}}/auditlog",
        users.list_user_events,
        ListUserEvents,
        "What a user did, and what was done to them",
        USERS,
        (answer(200, "A page of it.", UserEventPage), NO_USER),
    ),
)
