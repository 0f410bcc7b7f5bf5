"""The routes of administration: the table from which requests are dispatched and the OpenAPI document is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pydantic import BaseModel

from services.gateway.dialects.administration import accounts, clients, keys, record, users
from services.gateway.dialects.administration.authority import CHANGING_ROLES, READING_ROLES, SITE_ROLES
from services.gateway.dialects.administration.errors import Problem
from services.gateway.dialects.administration.replies import ROOT
from services.gateway.dialects.administration.schemas import (
    NewAccount,
    NewKey,
    NewOAuthClient,
    NewPassword,
    NewSecret,
    NewUser,
    OfAccount,
    OfAudit,
    OfUser,
)
from services.gateway.dialects.administration.service import Administration
from services.gateway.http.bodies import Body, JsonBody, NoBody
from services.gateway.http.call import Call, Reply
from services.gateway.http.routes import RETRY_AFTER, Answer, NoQuery, Query, QueryModel, Route, plain_route
from shared.identity.documents import (
    AccountDocument,
    AuditDocument,
    ClientDocument,
    KeyDocument,
    NewClientDocument,
    NewKeyDocument,
    NewSecretDocument,
    SecretDocument,
    UserDocument,
)

ACCOUNTS, USERS, KEYS, CLIENTS, AUDIT, DOCUMENTATION = "Accounts", "Users", "Keys", "Clients", "Audit", "Documentation"
TAGS = (
    (ACCOUNTS, "Organisations. Every datum belongs to exactly one."),
    (USERS, "People, and programs that sign in like them."),
    (KEYS, "What scripts of a user sign in with."),
    (CLIENTS, "OAuth2 clients: programs that sign in for themselves."),
    (AUDIT, "Who did what to which object, from where, when."),
    (DOCUMENTATION, "This document; no credential is needed."),
)

_JSON, _PROBLEM = "application/json", "application/problem+json"
_NO_ONE = Answer(401, "No valid credential.", _PROBLEM, Problem)
_FORBIDDEN = Answer(403, "A credential that does not reach so far.", _PROBLEM, Problem)
_WRONG = Answer(400, "A value is wrong: the body names field, value and what is expected.", _PROBLEM, Problem)
_NOTHING = Answer(404, "There is nothing of that name within reach.", _PROBLEM, Problem)
_CONFLICT = Answer(409, "The name is taken, or the state forbids it.", _PROBLEM, Problem)
_TOO_LARGE = Answer(413, "The body is too large.", _PROBLEM, Problem)
_NO_JSON = Answer(415, "The body is not labelled as JSON.", _PROBLEM, Problem)
_LATER = Answer(503, "Something is away.", _PROBLEM, Problem, headers=RETRY_AFTER)
_ALWAYS = (_NO_ONE, _FORBIDDEN, _LATER)
_GONE = Answer(204, "Done.")

Handler = Callable[[Administration, Call[Any, Any]], Awaitable[Reply]]  # Any: routes differ in queries and bodies


def _list(
    path: str, handler: Handler, query: Query[Any], summary: str, tag: str, model: type[BaseModel]
) -> Route[Administration, Any, Any]:
    answers = (Answer(200, "All within reach.", _JSON, model, is_list=True), _WRONG, _NOTHING, *_ALWAYS)
    return Route("GET", f"{ROOT}/{path}", handler, query, NoBody(), summary, tag, answers, any_role=READING_ROLES)


def _show(
    path: str, handler: Handler, summary: str, tag: str, model: type[BaseModel]
) -> Route[Administration, Any, Any]:
    answers = (Answer(200, "It.", _JSON, model), _NOTHING, *_ALWAYS)
    return plain_route("GET", f"{ROOT}/{path}", handler, summary, tag, answers, any_role=READING_ROLES)


def _create(
    path: str,
    handler: Handler,
    body: Body[Any],
    summary: str,
    tag: str,
    model: type[BaseModel],
    *,
    any_role: frozenset[str] = CHANGING_ROLES,
) -> Route[Administration, Any, Any]:
    made = Answer(201, "Made.", _JSON, model, headers={"Location": "Where it is."})
    answers = (made, _WRONG, _NOTHING, _CONFLICT, _TOO_LARGE, _NO_JSON, *_ALWAYS)
    return Route("POST", f"{ROOT}/{path}", handler, NoQuery(), body, summary, tag, answers, any_role=any_role)


def _change(
    method: str,
    path: str,
    handler: Handler,
    summary: str,
    tag: str,
    answers: Sequence[Answer],
    *,
    any_role: frozenset[str] = CHANGING_ROLES,
) -> Route[Administration, Any, Any]:
    all_answers = (*answers, _NOTHING, _CONFLICT, *_ALWAYS)
    return plain_route(method, f"{ROOT}/{path}", handler, summary, tag, all_answers, any_role=any_role)


_ACCOUNT_NOW = (Answer(200, "As it is now.", _JSON, AccountDocument),)
_USER_NOW = (Answer(200, "As it is now.", _JSON, UserDocument),)
_KEY_NOW = (Answer(200, "As it is now.", _JSON, KeyDocument),)
_CLIENT_NOW = (Answer(200, "As it is now.", _JSON, ClientDocument),)

# Any: routes differ in their queries and bodies.
ROUTES: tuple[Route[Administration, Any, Any], ...] = (
    _list("accounts", accounts.list_accounts, NoQuery(), "List accounts", ACCOUNTS, AccountDocument),
    _create(
        "accounts",
        accounts.create_account,
        JsonBody(NewAccount),
        "Make an account",
        ACCOUNTS,
        AccountDocument,
        any_role=SITE_ROLES,
    ),
    _show("accounts/{account_id}", accounts.show_account, "Show an account", ACCOUNTS, AccountDocument),
    _change(
        "POST",
        "accounts/{account_id}/disable",
        accounts.disable_account,
        "Let nobody of an account in",
        ACCOUNTS,
        _ACCOUNT_NOW,
        any_role=SITE_ROLES,
    ),
    _change(
        "POST",
        "accounts/{account_id}/enable",
        accounts.enable_account,
        "Let an account in again",
        ACCOUNTS,
        _ACCOUNT_NOW,
        any_role=SITE_ROLES,
    ),
    _change(
        "DELETE",
        "accounts/{account_id}",
        accounts.delete_account,
        "Delete an account with all its data",
        ACCOUNTS,
        (_GONE,),
        any_role=SITE_ROLES,
    ),
    _list("users", users.list_users, QueryModel(OfAccount), "List users", USERS, UserDocument),
    _create("users", users.create_user, JsonBody(NewUser), "Make a user", USERS, UserDocument),
    _show("users/{user_id}", users.show_user, "Show a user", USERS, UserDocument),
    Route(
        "PUT",
        f"{ROOT}/users/{{user_id}}/password",
        users.set_password,
        NoQuery(),
        JsonBody(NewPassword),
        "Give a user another password; tokens and sessions end",
        USERS,
        (_GONE, _WRONG, _NOTHING, _TOO_LARGE, _NO_JSON, *_ALWAYS),
        any_role=CHANGING_ROLES,
    ),
    _change("POST", "users/{user_id}/disable", users.disable_user, "Let a user in no more", USERS, _USER_NOW),
    _change("POST", "users/{user_id}/enable", users.enable_user, "Let a user in again", USERS, _USER_NOW),
    _change("DELETE", "users/{user_id}", users.delete_user, "Delete a user", USERS, (_GONE,)),
    _list("keys", keys.list_keys, QueryModel(OfUser), "List API keys", KEYS, KeyDocument),
    _create("keys", keys.create_key, JsonBody(NewKey), "Make an API key, shown this once", KEYS, NewKeyDocument),
    _show("keys/{key_id}", keys.show_key, "Show an API key without its secret", KEYS, KeyDocument),
    _change("POST", "keys/{key_id}/disable", keys.disable_key, "Let a key in no more", KEYS, _KEY_NOW),
    _change("POST", "keys/{key_id}/enable", keys.enable_key, "Let a key in again", KEYS, _KEY_NOW),
    _change("DELETE", "keys/{key_id}", keys.delete_key, "Delete an API key", KEYS, (_GONE,)),
    _list("clients", clients.list_clients, QueryModel(OfAccount), "List OAuth2 clients", CLIENTS, ClientDocument),
    _create(
        "clients",
        clients.create_client,
        JsonBody(NewOAuthClient),
        "Make an OAuth2 client, its secret shown this once",
        CLIENTS,
        NewClientDocument,
    ),
    _show("clients/{client_id}", clients.show_client, "Show an OAuth2 client", CLIENTS, ClientDocument),
    _change(
        "POST", "clients/{client_id}/disable", clients.disable_client, "Let a client in no more", CLIENTS, _CLIENT_NOW
    ),
    _change("POST", "clients/{client_id}/enable", clients.enable_client, "Let a client in again", CLIENTS, _CLIENT_NOW),
    _change("DELETE", "clients/{client_id}", clients.delete_client, "Delete a client", CLIENTS, (_GONE,)),
    Route(
        "GET",
        f"{ROOT}/clients/{{client_id}}/secrets",
        clients.list_secrets,
        NoQuery(),
        NoBody(),
        "List a client's secrets without the secrets",
        CLIENTS,
        (Answer(200, "Expired ones too.", _JSON, SecretDocument, is_list=True), _NOTHING, *_ALWAYS),
        any_role=READING_ROLES,
    ),
    _create(
        "clients/{client_id}/secrets",
        clients.create_secret,
        JsonBody(NewSecret),
        "Give a client another secret, shown this once",
        CLIENTS,
        NewSecretDocument,
    ),
    _change(
        "DELETE",
        "clients/{client_id}/secrets/{secret_id}",
        clients.delete_secret,
        "Delete a client's secret",
        CLIENTS,
        (_GONE,),
    ),
    _list("audit", record.list_events, QueryModel(OfAudit), "What happened, newest first", AUDIT, AuditDocument),
    plain_route(
        "GET",
        f"{ROOT}/openapi.json",
        record.show_openapi,
        "This document",
        DOCUMENTATION,
        (Answer(200, "An OpenAPI document.", _JSON),),
        is_public=True,
    ),
)
