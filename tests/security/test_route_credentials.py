"""Promise 14: every route with every kind of credential, against the table in ``route_rows.py``, on one gateway and real Postgres."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from services.cli.named import require_account, require_client, require_key
from services.gateway.auth.presented import SESSION_COOKIE
from services.gateway.dialects.flexibility import asset_store, sensor_store
from services.gateway.documents import OPENAPI_DOCUMENTS
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import client_store
from shared.ids import uuid7
from tests.integration.gateway.conftest import Served, serving
from tests.security.credentials import Credentials, Neighbours, make_client, make_credentials, make_neighbours
from tests.security.route_rows import OPEN_MODE, TABLE, Api, Row
from tests.support.apis import ApiClient, api_client
from tests.support.databases import TestDatabases
from tests.support.flexibility import make_asset, make_ingestion, make_sensor
from tests.support.principals import make_account, make_key, make_user

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The form to sign in, which those who have done so skip; and what ends a session leads to the form too.
FOR_STRANGERS = {"GET /login", "POST /logout", "POST /account/keys/{key_id}/delete"}
NETWORK, SESSION, SOLUTION = "north", "winter", "manual"
# Requests at once: enough to keep the gateway busy, few enough for its bounds.
AT_ONCE = 8


@dataclass
class World:
    """The gateway, its neighbours, and their credentials."""

    served: Served
    api: ApiClient
    people: Neighbours
    credentials: Credentials
    unscoped: dict[tuple[str, ...], str]
    turns: asyncio.Semaphore

    async def status(
        self, route: str, values: dict[str, str], row: Row, credential: str | None, *, by_session: bool = False
    ) -> int:
        method, _, template = route.partition(" ")
        headers = {}
        if credential is not None and by_session:
            headers["Cookie"] = f"{SESSION_COOKIE}={credential}"
        elif credential is not None:
            headers["Authorization"] = f"Bearer {credential}"
        json = ... if row.json is ... else filled(row.json, values)
        data = None
        if row.form is not None:
            guard = self.served.gateway.auth.form_guard
            csrf_token = "none" if credential is None else guard.token(credential)
            data = urlencode({"csrf_token": csrf_token} | row.form).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        async with self.turns:
            got = await self.api.call(method, template.format(**values), json=json, data=data, headers=headers)
        return got.status

    async def fresh_values(self, route: str) -> dict[str, str]:
        """Ids of the first account's things for whatever the path and the body of a row name, made for this row alone."""
        database, account = self.served.process.database, self.people.account
        values = {
            "network_id": NETWORK,
            "session_id": SESSION,
            "solution_id": SOLUTION,
            "new_id": "mended",
            "lang": "en",
            "file": "none",
            "folder": "none",
            "asset_id": "1",
            "sensor_id": "1",
            "tenant": "hpadb2cprod.onmicrosoft.com",
            "policy": "b2c_1a_clientcredentialsflow",
            "fresh": uuid7().hex[-12:],
            "account_id": str(account.number),
            "user_id": str(self.people.user.number),
        }
        if "/accounts/{" in route and not route.startswith("GET"):
            values["account_id"] = str((await make_account(database, f"Victim {values['fresh']}")).number)
        if "/users/{" in route or "/keys" in route:
            is_own = "/account/keys" in route
            victim = self.people.user if is_own else await make_user(database, account)
            values |= {"user_id": str(victim.number), "key_id": (await make_key(database, victim))[3:11]}
        if "/assets/{" in route or "/sensors/{" in route:
            asset_id = await make_asset(database, account.account_id)
            sensor_id = await make_sensor(database, account.account_id, asset_id)
            values |= {"asset_id": str(asset_id), "sensor_id": str(sensor_id)}
        if "{job_id}" in route:
            asset_id = await make_asset(database, account.account_id)
            sensor_id = await make_sensor(database, account.account_id, asset_id)
            values["job_id"] = str(await make_ingestion(database, account.account_id, sensor_id))
        if "/clients/{" in route:
            client, secret_id = await make_client(database, account)
            values |= {"client_id": client.client_id, "secret_id": str(secret_id)}
        return values


@asynccontextmanager
async def world_of(database_url: str, **settings: Any) -> AsyncIterator[World]:
    """A gateway with people, and the first one's network and session."""
    async with serving(database_url, rate_limits="off", **settings) as served, api_client(served.gateway.port) as api:
        database = served.process.database
        people = await make_neighbours(database)
        credentials = await make_credentials(database, served.gateway.auth, served.process.settings, people)
        unscoped = {
            scopes: await make_key(database, people.user, scopes=scopes)
            for scopes in {api.other_scopes for api in TABLE.values()}
        }
        mine = {"Authorization": f"Bearer {credentials.right}"}
        assert (await served.load(NETWORK, headers=mine)).status == 201
        assert (await served.create(SESSION, NETWORK, headers=mine)).status == 201
        path = f"/api/sessions/{SESSION}/solutions/{SOLUTION}"
        assert (await served.call("POST", path, json={}, headers=mine)).status == 200
        cim = f"/api/cim/sessions/{SESSION}"
        for path, body, status in (
            (f"/api/cim/networks/{NETWORK}", {}, 201),
            (cim, {"networkId": NETWORK}, 201),
            (f"{cim}/solutions/{SOLUTION}", {}, 200),
        ):
            assert (await served.call("POST", path, json=body, headers=mine)).status == status
        yield World(served, api, people, credentials, unscoped, asyncio.Semaphore(AT_ONCE))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(databases: TestDatabases) -> AsyncIterator[World]:
    """Nobody gets in without a credential here."""
    url = databases.create()
    async with world_of(url, reconfiguration_open=False) as made:
        yield made
    databases.drop(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_world(databases: TestDatabases) -> AsyncIterator[World]:
    """Open mode."""
    url = databases.create()
    async with world_of(url, reconfiguration_open=True) as made:
        yield made
    databases.drop(url)


async def wrong_answers(world: World, route: str, row: Row, api: Api) -> list[str]:
    """What differs from the row, in words. The credentials that must change nothing come first."""
    values = await world.fresh_values(route)
    held = world.credentials
    invalid = held.worn_out_sessions if api.by_session else held.invalid
    strangers: list[tuple[str, str | None, int]] = [("none", None, row.none)]
    strangers += [(name, credential, row.invalid) for name, credential in invalid.items()]
    if row.unscoped is not None and not api.by_session:
        strangers.append(("unscoped", world.unscoped[api.other_scopes], row.unscoped))
    other, owner = held.other, held.right
    if api.by_session:
        # Of the row's own: some of them end the session that they come with.
        sign_in = world.served.gateway.auth.sign_in
        other = await sign_in.open_session(world.people.other_user)
        owner = await sign_in.open_session(world.people.user)
    strangers.append(("other", other, row.other))
    right = ("right", owner, row.right)

    async def compared(name: str, credential: str | None, expected: int) -> str | None:
        status = await world.status(route, values, row, credential, by_session=api.by_session)
        return None if status == expected else f"{route}: {name} hears {status}, not {expected}"

    found = await asyncio.gather(*(compared(*case) for case in strangers))
    return [text for text in (*found, await compared(*right)) if text is not None]


# ------------------------------------------------------------------ the table is complete


def documented() -> set[str]:
    """All routes of the OpenAPI documents."""
    return {
        f"{method.upper()} {path}"
        for make in OPENAPI_DOCUMENTS.values()
        for path, operations in make()["paths"].items()
        for method in operations
    }


def rows() -> set[str]:
    return {route for api in TABLE.values() for route in api.rows}


async def test_every_route_has_a_row_and_every_row_a_route(world: World) -> None:
    served = {route.name for dialect in world.served.gateway.dialects for route in dialect.routes}
    assert documented() <= served
    assert served == rows(), "\n".join(
        [
            *(f"needs a row in route_rows.py: {route}" for route in sorted(served - rows())),
            *(f"is a row without a route: {route}" for route in sorted(rows() - served)),
        ]
    )


async def test_the_table_tells_everybody_apart() -> None:
    """A table in which strangers heard the same as the right ones would notice nothing."""
    for api in TABLE.values():
        for route, row in api.rows.items():
            is_public = len({row.none, row.invalid, row.other, row.right}) == 1 or route in FOR_STRANGERS
            assert is_public or (row.none >= 300 and row.invalid >= 300 and row.none != row.right), route


# ------------------------------------------------------------------ what each hears


@pytest.mark.parametrize("name", TABLE)
async def test_each_route_answers_each_credential_as_the_table_says(world: World, name: str) -> None:
    api = TABLE[name]
    wrong = [text for route, row in api.rows.items() for text in await wrong_answers(world, route, row, api)]
    assert not wrong, "\n".join(wrong)


async def test_in_open_mode_a_missing_credential_leads_to_its_account_and_a_wrong_one_nowhere(
    open_world: World,
) -> None:
    of_route = {route: api for api in TABLE.values() for route in api.rows}
    wrong = []
    for route, row in OPEN_MODE.items():
        wrong += await wrong_answers(open_world, route, row, of_route[route])
    assert not wrong, "\n".join(wrong)


# ------------------------------------------------------------------ what makes the table mean something


async def test_a_token_of_a_client_that_is_wrong_in_nothing_lets_in(world: World) -> None:
    """So what the forgeries were refused for is the one thing in which each differs."""
    got = await world.api.call("GET", "/api/server", headers={"Authorization": f"Bearer {world.credentials.client}"})
    assert got.status == 200


async def test_every_kind_of_credential_that_the_promise_names_is_there(world: World) -> None:
    named = " | ".join(world.credentials.invalid)
    for kind in (
        "garbage",
        "expired",
        "not yet valid",
        "wrong issuer",
        "wrong audience",
        "alg=none",
        "HS256",
        "for kid",
        "disabled key",
        "deleted key",
        "revoked token",
    ):
        assert kind in named, kind


async def test_nothing_of_the_first_account_was_changed_by_those_who_may_not(world: World) -> None:
    """Every route that changes something, by everybody but the right one; then everything is as it was."""
    values = await world.fresh_values("/users/{user_id} /clients/{client_id} /sensors/{sensor_id}")
    before = await state_of(world, values)
    for api in TABLE.values():
        for route, row in api.rows.items():
            if route.startswith("GET"):
                continue
            strangers: Iterable[str | None] = (
                None,
                world.credentials.made_up["JWT with alg=none"],
                world.credentials.other,
            )
            for credential in strangers:
                await world.status(route, values, row, credential)
    assert await state_of(world, values) == before


async def state_of(world: World, values: dict[str, str]) -> object:
    async with world.served.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        client = await require_client(work, values["client_id"])
        secrets = await client_store.list_secrets(work.connection, EVERY_ACCOUNT, client.client_id)
        key = await require_key(work, values["key_id"])
        account = await require_account(work, world.people.account.name)
        asset = await asset_store.find_asset(work.connection, int(values["asset_id"]))
        sensor = await sensor_store.find_sensor(work.connection, int(values["sensor_id"]))
    assert asset is not None
    assert sensor is not None
    return client, secrets, key, account, asset, sensor


async def test_paths_name_nothing_that_the_rows_do_not_fill() -> None:
    known = {
        "tenant",
        "policy",
        "network_id",
        "session_id",
        "lang",
        "file",
        "folder",
        "asset_id",
        "sensor_id",
        "job_id",
        "account_id",
        "user_id",
        "key_id",
        "client_id",
        "secret_id",
        "solution_id",
        "new_id",
    }
    assert {name for route in rows() for name in re.findall(r"{(\w+)}", route)} <= known


def filled(json: object, values: dict[str, str]) -> object:
    """The body with ids in place of their names; a text that is one name alone becomes a number where the id is one."""
    if isinstance(json, dict):
        return {name: filled(value, values) for name, value in json.items()}
    if not isinstance(json, str):
        return json
    text = json.format(**values)
    return int(text) if json.startswith("{") and text.isdecimal() else text
