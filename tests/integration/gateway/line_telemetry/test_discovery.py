"""The documents by which other programs find the token endpoint and check tokens, with a library that is not ours."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import jwt
import pytest

from shared.db.engine import PostgresDatabase
from shared.settings import Settings
from tests.support.line_telemetry import (
    AUDIENCE,
    DEVELOPER_PATH,
    TOKEN_PATH,
    LineTelemetry,
    make_client,
    serving_line_telemetry,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTHORITY = "/hpadb2cprod.onmicrosoft.com/b2c_1a_clientcredentialsflow"
DISCOVERY = f"{AUTHORITY}/v2.0/.well-known/openid-configuration"
REQUIRED = {
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "token_endpoint_auth_methods_supported",
    "grant_types_supported",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
}


@pytest.mark.parametrize("prefix", ["", "/tfp"])
async def test_the_document_names_the_paths_in_the_form_that_was_asked(served: LineTelemetry, prefix: str) -> None:
    got = await served.api.call("GET", prefix + DISCOVERY)
    assert got.status == 200
    document = got.json
    assert set(document) >= REQUIRED
    assert document["token_endpoint"] == f"{served.url}{prefix}{TOKEN_PATH}"
    assert document["jwks_uri"] == f"{served.url}{AUTHORITY}/discovery/v2.0/keys"
    assert document["token_endpoint_auth_methods_supported"] == ["client_secret_post", "client_secret_basic"]
    assert document["grant_types_supported"] == ["client_credentials"]
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    assert document["issuer"].endswith("/v2.0/")
    unused = await served.api.call("GET", urlsplit(document["authorization_endpoint"]).path)
    assert (unused.status, unused.json["error"]) == (400, "invalid_request")


async def test_unknown_tenants_have_no_documents(served: LineTelemetry) -> None:
    for path in (DISCOVERY, f"{AUTHORITY}/discovery/v2.0/keys", f"{AUTHORITY}/oauth2/v2.0/authorize"):
        got = await served.api.call("GET", path.replace("hpadb2cprod", "somebody"))
        assert (got.status, got.json["error"]) == (404, "invalid_request")


async def test_another_library_finds_the_keys_and_believes_a_token(served: LineTelemetry) -> None:
    token = await served.token(await make_client(served.database))
    document = (await served.api.call("GET", DISCOVERY)).json

    def believed() -> dict[str, object]:
        key = jwt.PyJWKClient(document["jwks_uri"], timeout=10).get_signing_key_from_jwt(token)
        claims: dict[str, object] = jwt.decode(
            token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=document["issuer"], leeway=5
        )
        return claims

    assert (await asyncio.to_thread(believed))["env"] == "production"


async def test_published_keys_hold_nothing_private(served: LineTelemetry) -> None:
    keys = (await served.api.call("GET", f"{AUTHORITY}/discovery/v2.0/keys")).json["keys"]
    assert keys
    for key in keys:
        assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}


async def test_the_issuer_does_not_depend_on_how_a_gateway_is_reached(served: LineTelemetry) -> None:
    elsewhere = {"Host": "grid.example:8443"}
    here, there = [(await served.api.call("GET", DISCOVERY, headers=headers)).json for headers in ({}, elsewhere)]
    assert here["issuer"] == there["issuer"]
    assert there["token_endpoint"] == f"http://grid.example:8443{TOKEN_PATH}"
    client = await make_client(served.database)
    async with serving_line_telemetry(served.database) as other:
        assert await other.tokens.verify(await served.token(client)) is not None


async def test_a_public_address_is_used_where_one_is_set(fresh: PostgresDatabase) -> None:
    settings = Settings(public_url="https://grid.example/busbar", path_base="/busbar")
    async with serving_line_telemetry(fresh, settings=settings) as gateway:
        document = (await gateway.api.call("GET", DISCOVERY)).json
        assert document["token_endpoint"] == f"https://grid.example/busbar{TOKEN_PATH}"
        assert document["issuer"] == f"https://grid.example/busbar{AUTHORITY}/v2.0/"


async def test_the_developer_tenant_has_documents_of_its_own(served: LineTelemetry) -> None:
    document = (await served.api.call("GET", DISCOVERY.replace("prod", "dev"))).json
    assert document["token_endpoint"] == f"{served.url}{DEVELOPER_PATH}"
    assert "hpadb2cdev" in document["issuer"]
