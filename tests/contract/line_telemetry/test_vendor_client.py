"""The vendor's own Python client signs in, as its vendor publishes it; nothing of it is changed but where it sends its requests."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator

import httpx
import pytest
import requests
from heimdall_api_client import HeimdallApiClient, HeimdallApiError

from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import credential_administration
from shared.identity.principals import Client
from tests.support.eventually import eventually
from tests.support.line_telemetry import (
    CLIENT_SECRET,
    DEVELOPER_PATH,
    DEVELOPER_SCOPE,
    TOKEN_PATH,
    LineTelemetry,
    make_client,
    serving_line_telemetry,
)
from tests.support.principals import TESTER


@pytest.fixture
async def served(database: PostgresDatabase) -> AsyncIterator[LineTelemetry]:
    """The API."""
    async with serving_line_telemetry(database) as running:
        yield running


def vendor_client(served: LineTelemetry, client: Client, secret: str = CLIENT_SECRET) -> HeimdallApiClient:
    """Way 2 of the integrator: the token's address is assigned, as the client would use https otherwise."""
    made = HeimdallApiClient(client.client_id, secret, api_base_url=served.url, timeout=10)
    made.auth_service.token_url = served.url + TOKEN_PATH
    return made


def refusal_of(client: HeimdallApiClient) -> int:
    """The status that its own call for the assets is refused with."""
    with warnings.catch_warnings():
        # It leaves its connection to the garbage collector, which warns of that.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            client.get_assets()
        except HeimdallApiError as error:
            status: int = error.status_code
        else:
            raise AssertionError("it was not refused")
        gc.collect()
    return status


@pytest.mark.parametrize("region", ["eu", "us"])
async def test_it_signs_in_and_reads_its_region(served: LineTelemetry, region: str) -> None:
    client = vendor_client(served, await make_client(served.database, region=region))
    token = await asyncio.to_thread(client.auth_service.get_valid_token)
    assert client.auth_service.get_region_from_token() == region
    assert not client.auth_service.is_token_expired()
    claims = await served.tokens.verify(token)
    assert claims is not None
    assert claims.region == region


async def test_it_asks_for_one_token_and_goes_on_with_it(served: LineTelemetry) -> None:
    auth = vendor_client(served, await make_client(served.database)).auth_service
    first = await asyncio.to_thread(auth.get_valid_token)
    assert await asyncio.to_thread(auth.get_valid_token) == first


async def test_its_token_lets_it_in(served: LineTelemetry) -> None:
    client = vendor_client(served, await make_client(served.database, roles=("platform_admin",)))
    token = await asyncio.to_thread(client.auth_service.get_valid_token)
    async with httpx.AsyncClient(base_url=served.url, headers={"Authorization": f"Bearer {token}"}) as http:
        assert (await http.get("/access/v1/clients")).status_code == 200


async def test_its_own_calls_get_past_the_door(served: LineTelemetry) -> None:
    """The assets are not served yet: who is let in hears 404, and who is not 401."""
    client = vendor_client(served, await make_client(served.database))
    assert await asyncio.to_thread(refusal_of, client) == 404
    known = await make_client(served.database)
    stranger = vendor_client(served, known)
    await asyncio.to_thread(stranger.auth_service.get_valid_token)
    async with served.database.unit_of_work(EVERY_ACCOUNT) as work:
        await credential_administration.set_client_active(work, TESTER, known, is_active=False)

    async def is_turned_away() -> bool:
        return await asyncio.to_thread(refusal_of, stranger) == 401

    await eventually(is_turned_away, within=5.0)


async def test_it_fetches_a_new_token_once_the_old_one_has_expired(database: PostgresDatabase) -> None:
    async with serving_line_telemetry(database, lifetime_s=2) as served:
        auth = vendor_client(served, await make_client(database)).auth_service
        first = await asyncio.to_thread(auth.get_valid_token)

        async def second() -> str | None:
            token = await asyncio.to_thread(auth.get_valid_token)
            return token if token != first else None

        renewed = await eventually(second, within=20.0, every=0.2)
        # The old one is still let in: it may lapse while a request is on its way.
        assert await served.tokens.verify(first) is not None
        assert await served.tokens.verify(renewed) is not None


async def test_a_wrong_secret_is_an_http_error(served: LineTelemetry) -> None:
    client = vendor_client(served, await make_client(served.database), secret="wrong")
    with pytest.raises(requests.HTTPError) as refused:
        await asyncio.to_thread(client.auth_service.get_valid_token)
    assert refused.value.response is not None
    assert refused.value.response.status_code == 401
    assert refused.value.response.json()["error"] == "invalid_client"


async def test_it_signs_in_to_the_developer_environment(served: LineTelemetry) -> None:
    client = await make_client(served.database, environment="developer")
    made = HeimdallApiClient(
        client.client_id, CLIENT_SECRET, api_base_url=served.url, tenant="hpadb2cdev", auth_scope=[DEVELOPER_SCOPE]
    )
    made.auth_service.token_url = served.url + DEVELOPER_PATH
    token = await asyncio.to_thread(made.auth_service.get_valid_token)
    claims = await served.tokens.verify(token)
    assert claims is not None
    assert claims.environment == "developer"
    assert await asyncio.to_thread(refusal_of, made) == 401
