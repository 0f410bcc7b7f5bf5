"""The sign-in paths: three for the token endpoint, and the documents by which Microsoft's libraries find it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from services.gateway.auth.gate import OpenGate
from services.gateway.auth.identity import RequestHead
from services.gateway.dialects.line_telemetry.environments import (
    POLICY,
    TENANT_SUFFIX,
    Environment,
    Environments,
)
from services.gateway.dialects.line_telemetry.errors import REQUEST_ID
from services.gateway.dialects.line_telemetry.token_endpoint import TokenEndpoint
from services.gateway.dialects.line_telemetry.token_errors import (
    NO_STORE,
    InvalidRequest,
    TokenErrorBody,
    UnknownAuthority,
    reply_to_error,
)
from services.gateway.dialects.line_telemetry.token_form import TokenForm, token_request
from services.gateway.http.bodies import NoBody
from services.gateway.http.call import Call, Reply, json_reply
from services.gateway.http.routes import RETRY_AFTER, Answer, Dialect, NoQuery, Route
from shared.identity.principals import PRODUCTION

SIGN_IN = "Sign-in"
TAGS = ((SIGN_IN, "Access tokens for clients, and how to find out about them."),)


class TokenAnswer(BaseModel):
    """An access token."""

    access_token: str = Field(description="A signed JWT, to be sent as `Authorization: Bearer …`.")
    token_type: str = "Bearer"  # noqa: S105  # the kind of token
    expires_in: int = Field(description="Seconds for which it is good.")
    not_before: int = Field(description="Since when, in Unix seconds.")
    expires_on: int = Field(description="Until when, in Unix seconds.")
    resource: str = Field(description="For which audience.")


class Discovery(BaseModel):
    """Where everything is (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str = Field(description="There is none behind it: nobody signs in here by browser.")
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_post", "client_secret_basic"]
    grant_types_supported: list[str] = ["client_credentials"]
    response_types_supported: list[str] = ["token"]
    subject_types_supported: list[str] = ["public"]
    id_token_signing_alg_values_supported: list[str] = ["RS256"]
    scopes_supported: list[str]


class KeySet(BaseModel):
    """The public keys with which tokens are checked (RFC 7517)."""

    keys: Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class SignInService:
    """What the handlers work with. ``public_url`` is where clients reach us; None: where this one did."""

    environments: Environments
    endpoint: TokenEndpoint
    public_url: str | None
    path_base: str

    def environment(self, call: Call[None, Any]) -> Environment:
        """The environment that a path names; without tenant the production one.

        Raises:
            UnknownAuthority: no such tenant or policy.
        """
        if "tenant" not in call.ids:
            return self.environments.by_name[PRODUCTION]
        environment = self.environments.of_path(call.ids["tenant"], call.ids["policy"])
        if environment is None:
            raise UnknownAuthority
        return environment

    def base_url(self, head: RequestHead) -> str:
        """The address in front of all paths."""
        if self.public_url is None:
            return head.base_url + head.prefix
        url = self.public_url.rstrip("/")
        return url if url.endswith(self.path_base) else url + self.path_base


async def issue_token(service: SignInService, call: Call[None, Mapping[str, str]]) -> Reply:
    """Give out a token."""
    environment = service.environment(call)
    asked = token_request(call.body, call.head.headers.get("Authorization", ""))
    granted = await service.endpoint.grant(environment, asked, call.head.address)
    answer = TokenAnswer(
        access_token=granted.token.access_token,
        expires_in=granted.token.expires_at_s - granted.token.issued_at_s,
        not_before=granted.token.issued_at_s,
        expires_on=granted.token.expires_at_s,
        resource=granted.audience,
    )
    return json_reply(answer).with_headers(NO_STORE)


async def get_discovery_document(service: SignInService, call: Call[None, None]) -> Reply:
    """Say where everything is."""
    environment = service.environment(call)
    is_below_tfp = call.head.path.lower().startswith("/tfp/")
    authority = f"{service.base_url(call.head)}{'/tfp' if is_below_tfp else ''}/{_of(call)}"
    return json_reply(
        Discovery(
            issuer=environment.issuer,
            authorization_endpoint=f"{authority}/oauth2/v2.0/authorize",
            token_endpoint=f"{authority}/oauth2/v2.0/token",
            jwks_uri=f"{service.base_url(call.head)}/{_of(call)}/discovery/v2.0/keys",
            scopes_supported=sorted(environment.scopes or ()),
        )
    )


async def get_signing_keys(service: SignInService, call: Call[None, None]) -> Reply:
    """The keys with which tokens are checked."""
    service.environment(call)
    keys = await service.endpoint.access_tokens.published_keys()
    return json_reply(KeySet(keys=keys)).with_headers({"Cache-Control": "public, max-age=300"})


async def refuse_browser(service: SignInService, call: Call[None, None]) -> Reply:
    """Say that nobody signs in here by browser."""
    service.environment(call)
    raise InvalidRequest("Clients get their tokens from the token endpoint; there is no sign-in by browser.")


def _of(call: Call[None, None]) -> str:
    """Tenant and policy as the client wrote them; they are known, so nothing strange is in them."""
    return f"{call.ids['tenant']}/{call.ids['policy']}"


_JSON = "application/json"
_REFUSALS = (
    Answer(400, "The form or the scope is wrong.", _JSON, TokenErrorBody),
    Answer(401, "The client or its secret is not valid.", _JSON, TokenErrorBody),
    Answer(404, "There is no such tenant or policy.", _JSON, TokenErrorBody),
    Answer(429, "Too many attempts.", _JSON, TokenErrorBody, headers=RETRY_AFTER),
    Answer(503, "Try again.", _JSON, TokenErrorBody, headers=RETRY_AFTER),
)
_UNKNOWN = (_REFUSALS[2],)
_AUTHORITY = "/{tenant}/{policy}"
_DESCRIPTION = (
    f"The tenant is written as in `hpadb2cprod{TENANT_SUFFIX}`, the policy is `{POLICY}`; case does not matter in either. "
    "Only client credentials are known here."
)


Handler = Callable[[SignInService, Call[None, Any]], Awaitable[Reply]]


def _named(handler: Handler, suffix: str) -> Handler:
    """The same handler under another name, by which documents tell its paths apart."""

    async def same(service: SignInService, call: Call[None, Any]) -> Reply:
        return await handler(service, call)

    same.__name__ = f"{handler.__name__}_{suffix}"
    return same


def _token_route(path: str, handler: Handler) -> Route[SignInService, None, Mapping[str, str]]:
    return Route(
        "POST",
        path,
        handler,
        NoQuery(),
        TokenForm(),
        "Get an access token",
        SIGN_IN,
        (Answer(200, "The token.", _JSON, TokenAnswer), *_REFUSALS),
        description=_DESCRIPTION if "{tenant}" in path else "The same for the production environment.",
        is_public=True,
    )


def _document_route(path: str, handler: Handler, summary: str, *answers: Answer) -> Route[SignInService, None, None]:
    given = (*answers, *_UNKNOWN)
    return Route("GET", path, handler, NoQuery(), NoBody(), summary, SIGN_IN, given, is_public=True)


def _routes_of_tenants(prefix: str, named: Callable[[Handler], Handler]) -> list[Route[SignInService, Any, Any]]:
    root = f"{prefix}{_AUTHORITY}"
    found, keys = Answer(200, "The document.", _JSON, Discovery), Answer(200, "The keys.", _JSON, KeySet)
    return [
        _token_route(f"{root}/oauth2/v2.0/token", named(issue_token)),
        _document_route(
            f"{root}/v2.0/.well-known/openid-configuration", named(get_discovery_document), "Where everything is", found
        ),
        _document_route(
            f"{root}/discovery/v2.0/keys", named(get_signing_keys), "Keys with which tokens are checked", keys
        ),
        _document_route(
            f"{root}/oauth2/v2.0/authorize", named(refuse_browser), "No sign-in by browser", *_REFUSALS[:1]
        ),
    ]


# Any: routes differ in their bodies.
ROUTES: tuple[Route[SignInService, Any, Any], ...] = (
    *_routes_of_tenants("", lambda handler: handler),
    *_routes_of_tenants("/tfp", lambda handler: _named(handler, "below_tfp")),
    _token_route("/oauth2/v2.0/token", _named(issue_token, "without_tenant")),
)


def sign_in_dialect(service: SignInService) -> Dialect:
    """The routes, open to everybody: what is asked for here is what lets one in elsewhere."""
    tenants = [f"/{tenant}{TENANT_SUFFIX}" for tenant in service.environments.by_tenant]
    return Dialect(
        "line_telemetry_sign_in",
        service,
        ROUTES,
        reply_to_error,
        OpenGate(),
        roots=("/oauth2", "/tfp", *tenants),
        request_id=REQUEST_ID,
    )
