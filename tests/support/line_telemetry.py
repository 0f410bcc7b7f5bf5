"""The line telemetry API served by itself on a database, with the clock of the test, and clients that sign in to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from services.gateway.auth.access_tokens import LIFETIME_S, AccessTokens, TokensOf
from services.gateway.auth.auth import Auth, build_auth
from services.gateway.auth.rate_limits import Window
from services.gateway.dialects.line_telemetry.access_tokens import build_access_tokens
from services.gateway.dialects.line_telemetry.clients import ClientAdministration
from services.gateway.dialects.line_telemetry.dialect import line_telemetry_dialect
from services.gateway.dialects.line_telemetry.environments import DEFAULT_SCOPES, environments_of
from services.gateway.dialects.line_telemetry.sign_in import SignInService, sign_in_dialect
from services.gateway.dialects.line_telemetry.token_endpoint import TOKENS_PER_MINUTE, TokenEndpoint
from services.gateway.documents import openapi_json
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.identity import credential_administration
from shared.identity.client_store import NewClient
from shared.identity.passwords import PasswordHasher, hash_now
from shared.identity.principals import Account, Client
from shared.identity.secret_key import derive
from shared.settings import Settings
from tests.support.apis import ApiClient, Got, serving_dialects
from tests.support.principals import SECRET, TESTER, MovedClock, make_account

TOKEN_PATH = "/hpadb2cprod.onmicrosoft.com/b2c_1a_clientcredentialsflow/oauth2/v2.0/token"
DEVELOPER_PATH = TOKEN_PATH.replace("prod", "dev")
SCOPE = DEFAULT_SCOPES["production"][0]
DEVELOPER_SCOPE = DEFAULT_SCOPES["developer"][0]
AUDIENCE = "dc5758ae-4eea-416e-9e61-812914d9a49a"
CLIENT_SECRET = "a-secret-of-a-client-that-is-long-enough"
# Hashing takes 30 ms; one hash does for all clients of a run.
CLIENT_SECRET_HASH = hash_now(CLIENT_SECRET)
FORM = "application/x-www-form-urlencoded"


class CountingHasher(PasswordHasher):
    """Counts verifications: the work that a refusal takes, whatever the machine does meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.verified = 0

    async def verify(self, known_hash: str | None, secret: str) -> bool:
        self.verified += 1
        return await super().verify(known_hash, secret)


@dataclass
class LineTelemetry:
    """A running API."""

    api: ApiClient
    database: Database
    clock: MovedClock
    tokens: AccessTokens
    auth: Auth
    hasher: CountingHasher

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api.port}"

    async def ask(
        self,
        fields: Mapping[str, str] | Sequence[tuple[str, str]],
        *,
        path: str = TOKEN_PATH,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        """Ask for a token with exactly these fields."""
        given = {"Content-Type": FORM, **(headers or {})}
        pairs = list(fields.items()) if isinstance(fields, Mapping) else list(fields)
        return await self.api.call("POST", path, data=urlencode(pairs).encode(), headers=given)

    async def sign_in(self, client: Client, **fields: str) -> Got:
        """Ask for a token as this client."""
        return await self.ask(form_of(client.client_id, **fields))

    async def token(self, client: Client) -> str:
        """A token of this client."""
        got = await self.sign_in(client)
        assert got.status == 200, got.body
        token: str = got.json["access_token"]
        return token

    async def call(self, method: str, path: str, token: str | None = None, **given: Any) -> Got:
        """One request with a token."""
        headers = dict(given.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return await self.api.call(method, path, headers=headers, **given)


def form_of(client_id: str, /, **fields: str) -> dict[str, str]:
    """A good form, with some fields otherwise."""
    good = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": CLIENT_SECRET,
        "scope": SCOPE,
    }
    return good | fields


@asynccontextmanager
async def serving_line_telemetry(
    database: Database,
    *,
    clock: MovedClock | None = None,
    settings: Settings | None = None,
    tokens_per_minute: Window = TOKENS_PER_MINUTE,
    lifetime_s: int = LIFETIME_S,
) -> AsyncIterator[LineTelemetry]:
    """One gateway's worth of it; several on one database are several gateways."""
    clock, settings, keys, hasher = clock or MovedClock(), settings or Settings(), derive(SECRET), CountingHasher()
    tokens = build_access_tokens(database, clock, keys, settings, lifetime_s=lifetime_s)
    auth = build_auth(database, clock, keys, TokensOf("production", tokens), settings, None, hasher)
    endpoint = TokenEndpoint(database, hasher, auth.attempts, auth.limiter, tokens, clock, tokens_per_minute)
    sign_in = SignInService(environments_of(settings), endpoint, settings.public_url, settings.path_base)
    clients = ClientAdministration(
        database, hasher, settings.served_regions, auth.verifier.forget, openapi_json("line_telemetry_access").encode()
    )
    await tokens.start()
    try:
        dialects = [sign_in_dialect(sign_in), line_telemetry_dialect(clients, auth.line_telemetry)]
        async with serving_dialects(dialects) as api:
            yield LineTelemetry(api, database, clock, tokens, auth, hasher)
    finally:
        await tokens.stop()
        hasher.close()


async def make_client(
    database: Database,
    account: Account | None = None,
    *,
    roles: Sequence[str] = ("api_consumer",),
    region: str = "eu",
    environment: str = "production",
    grid_owners: Sequence[str] | None = None,
) -> Client:
    """A client whose secret is ``CLIENT_SECRET``, of an account of its own unless one is given."""
    account = account or await make_account(database)
    owners = None if grid_owners is None else tuple(grid_owners)
    new = NewClient("program", tuple(roles), region, environment, owners)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        return await credential_administration.create_client(work, TESTER, account.account_id, new, CLIENT_SECRET_HASH)
