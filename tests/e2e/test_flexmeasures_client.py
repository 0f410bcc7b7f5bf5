"""FlexMeasures' own Python client, as its vendor publishes it, against a gateway and people that the command line made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from flexmeasures_client import FlexMeasuresClient

from tests.support.eventually import eventually
from tests.support.stack import ServiceProcess

PASSWORD = "correct horse battery 7"
# The client waits so long before it asks again; nothing here makes it wait for the server's work.
ASK_AGAIN_AFTER_S = 0.05


@dataclass(frozen=True)
class Planner:
    """A user whom the command line made, and how to go on with it."""

    gateway: ServiceProcess
    email: str
    user_id: int
    account: str
    account_id: int

    def busbar(self, *arguments: str, stdin: str = "") -> Any:
        """What a command prints."""
        return self.gateway.printed(*arguments, stdin=stdin)


@pytest.fixture(scope="module")
def planner(request: pytest.FixtureRequest, on_servers: ServiceProcess) -> Planner:
    """An account with an admin of its own, one for each file of tests: the services are the same for several."""
    depot = request.module.__name__.rpartition(".")[2].replace("_", "-")
    email, name = f"planner@{depot}.example", f"{depot} BV"
    account = on_servers.printed("account", "create", name)
    user = on_servers.printed(
        *("user", "create", email, "--account", name, "--role", "account-admin", "--password-stdin"),
        stdin=f"{PASSWORD}\n",
    )
    return Planner(on_servers, email, user["user_id"], name, account["account_id"])


@asynccontextmanager
async def client_of(planner: Planner, **given: Any) -> AsyncIterator[FlexMeasuresClient]:
    arguments = {
        "email": planner.email,
        "password": PASSWORD,
        "host": urlsplit(planner.gateway.url).netloc,
        "request_retry_interval": ASK_AGAIN_AFTER_S,
    }
    client = FlexMeasuresClient(**(arguments | given))
    try:
        with planner.gateway.explained():
            yield client
    finally:
        await client.close()


@pytest.fixture
async def client(planner: Planner) -> AsyncIterator[FlexMeasuresClient]:
    async with client_of(planner) as made:
        yield made


async def test_the_client_learns_which_version_it_talks_to(client: FlexMeasuresClient) -> None:
    found = await client.get_versions()
    assert found["server_version"] == "1.0.0"
    assert found["server_supports_api_versions"] == ["v3_0"]
    await client.ensure_minimum_server_version("0.33.0")


async def test_the_client_gets_a_token_and_finds_its_user_and_account(
    client: FlexMeasuresClient, planner: Planner
) -> None:
    await client.get_access_token()
    assert client.access_token
    user = await client.get_user()
    assert (user["id"], user["email"], user["flexmeasures_roles"]) == (
        planner.user_id,
        planner.email,
        ["account-admin"],
    )
    assert user["account"] == {"id": planner.account_id, "name": planner.account}
    account = await client.get_account()
    assert (account["id"], account["name"], account["attributes"]) == (planner.account_id, planner.account, "{}")
    assert client.server_version == "1.0.0", "as the header of every answer says"


async def test_a_wrong_password_is_an_error_with_the_servers_text(planner: Planner) -> None:
    async with client_of(planner, password="quite another 99") as client:
        with pytest.raises(ValueError, match=r"User password does not match\."):
            await client.get_user()


async def test_an_unknown_address_is_an_error_with_the_servers_text(planner: Planner) -> None:
    async with client_of(planner, email="nobody@depot.example") as client:
        with pytest.raises(ValueError, match=r"User with email 'nobody@depot\.example' does not exist"):
            await client.get_user()


async def test_the_client_gets_a_new_token_when_its_own_was_revoked(
    client: FlexMeasuresClient, planner: Planner
) -> None:
    assert (await client.get_user())["id"] == planner.user_id
    revoked = client.access_token
    await asyncio.to_thread(
        planner.busbar, "user", "password", planner.email, "--password-stdin", stdin=f"{PASSWORD}\n"
    )
    await until_refused(client, planner)
    assert (await client.get_user())["id"] == planner.user_id
    assert client.access_token not in {None, revoked}


async def until_refused(client: FlexMeasuresClient, planner: Planner) -> None:
    """A gateway may know a credential for two seconds after another process has revoked it."""

    async def is_refused() -> bool:
        assert client.session is not None
        headers = {"Authorization": str(client.access_token)}
        async with client.session.get(f"{planner.gateway.url}/api/v3_0/users", headers=headers) as response:
            return bool(response.status == 401)

    await eventually(is_refused, within=10, message="revoked")


async def test_a_token_that_never_was_is_replaced(planner: Planner) -> None:
    async with client_of(planner, access_token="long-expired") as client:
        assert (await client.get_user())["id"] == planner.user_id
        assert client.access_token != "long-expired"


async def test_an_api_key_is_as_good_as_a_token(planner: Planner) -> None:
    key = await asyncio.to_thread(
        planner.busbar, "key", "create", planner.email, "--name", "e2e", "--scope", "flexibility"
    )
    async with client_of(planner, access_token=key["api_key"], password="not needed") as client:
        assert (await client.get_user())["id"] == planner.user_id
        assert client.access_token == key["api_key"], "no other was asked for"
        assert client.session is not None
        for headers in ({"X-API-Key": key["api_key"]}, {"Authorization": f"Bearer {key['api_key']}"}):
            async with client.session.get(f"{planner.gateway.url}/api/v3_0/users", headers=headers) as response:
                assert response.status == 200
                assert [user["id"] for user in await response.json()] == [planner.user_id]
