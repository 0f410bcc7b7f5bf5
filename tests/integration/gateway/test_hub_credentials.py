"""Connections of the hub end with the credential that opened them: within 5 s of its end, in whichever process that came about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import ClientSession

from services.gateway.auth.presented import SESSION_COOKIE
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import administration, key_store
from shared.identity.principals import SCOPES, User
from tests.integration.gateway.conftest import Served
from tests.integration.gateway.test_hub import hub_url
from tests.support.eventually import eventually
from tests.support.hub import TRANSPORTS, HubClient, connected_to
from tests.support.principals import TESTER, make_account, make_key, make_user

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOODBYE = {"type": 7, "error": "The credential is not valid any longer.", "allowReconnect": True}
ENDS_WITHIN_S = 5.0


async def new_user(closed: Served) -> User:
    database = closed.process.database
    return await make_user(database, await make_account(database))


async def revoke(closed: Served, key: str) -> None:
    """As another process does it: this gateway is not told."""
    async with closed.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        await key_store.set_key_active(work.connection, key.split("_")[1], is_active=False)


async def ends(client: HubClient) -> None:
    await eventually(lambda: client.is_over, within=ENDS_WITHIN_S)
    assert client.frames[-1] == GOODBYE


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_revoked_key_ends_its_connections_and_no_others(closed: Served, transport: str) -> None:
    user = await new_user(closed)
    keys = [await make_key(closed.process.database, user) for _ in range(2)]
    first, second = ({"Authorization": f"Bearer {key}"} for key in keys)
    url = hub_url(closed.gateway)
    async with (
        connected_to(url, transport, headers=first) as ended,
        connected_to(url, transport, headers=second) as kept,
    ):
        await ended.greet()
        await kept.greet()
        await revoke(closed, keys[0])
        await ends(ended)
        assert (await kept.call("AddToGroup", "s"))["result"] is None


async def test_a_key_that_expires_ends_its_connections(closed: Served) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=3)
    key = await make_key(closed.process.database, await new_user(closed), expires_at=soon)
    async with connected_to(hub_url(closed.gateway), headers={"Authorization": f"Bearer {key}"}) as client:
        await client.greet()
        await eventually(lambda: datetime.now(UTC) >= soon)
        await ends(client)


async def test_a_user_who_is_let_in_no_longer_hears_no_longer(closed: Served) -> None:
    user = await new_user(closed)
    key = await make_key(closed.process.database, user, scopes=["read"])
    async with connected_to(hub_url(closed.gateway), headers={"X-API-Key": key}) as client:
        await client.greet()
        async with closed.process.database.unit_of_work(EVERY_ACCOUNT) as work:
            await administration.set_user_active(work, TESTER, user, is_active=False)
        await ends(client)


async def test_a_key_in_the_query_ends_its_connection_too(closed: Served) -> None:
    key = await make_key(closed.process.database, await new_user(closed), scopes=SCOPES)
    async with ClientSession() as http:
        client = HubClient(http, f"{hub_url(closed.gateway)}?access_token={key}", "WebSockets", {}, None)
        await client.open()
        try:
            await client.greet()
            await revoke(closed, key)
            await ends(client)
        finally:
            await client.close()


async def test_without_credentials_connections_last(served: Served) -> None:
    async with connected_to(hub_url(served.gateway), headers={"Cookie": f"{SESSION_COOKIE}=stale"}) as client:
        await client.greet()
        await served.gateway.hub.admit_again()
        assert (await client.call("AddToGroup", "s"))["result"] is None
