"""The flexibility API on real Postgres, with the accounts and people that its rules tell apart, and a client before it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest_asyncio

from services.gateway.auth.auth import Auth
from services.gateway.dialects.flexibility.dialect import flexibility_dialects
from services.gateway.dialects.flexibility.job_watch import JobWatch
from services.gateway.documents import openapi_json
from services.gateway.web.pages import docs_page
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import administration
from shared.identity.account_store import AccountChanges
from shared.identity.principals import CONSULTANCY_ROLE, Account, User
from shared.process import Process, open_process
from shared.settings import Settings
from tests.support.apis import ApiClient, Got, serving_dialects
from tests.support.databases import TestDatabases
from tests.support.principals import PASSWORD_HASH, TESTER, make_auth


@dataclass
class Api:
    """The running API, and whoever uses it."""

    process: Process
    auth: Auth
    client: ApiClient
    tokens: dict[int, str] = field(default_factory=dict)

    async def call(
        self,
        method: str,
        path: str,
        *,
        by: User | None = None,
        json: object = ...,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Got:
        """One request; a path without a leading slash is below version 3.0."""
        whole = path if path.startswith("/") else f"/api/v3_0/{path}"
        given = dict(headers or {})
        if by is not None:
            given["Authorization"] = await self.token(by)
        if json is not ...:
            data = orjson.dumps(json)
        if data is not None:
            given.setdefault("Content-Type", "application/json")
        return await self.client.call(method, whole, data=data, headers=given)

    async def get(self, path: str, by: User | None = None) -> Got:
        return await self.call("GET", path, by=by)

    async def patch(self, path: str, by: User, **values: object) -> Got:
        return await self.call("PATCH", path, by=by, json=values)

    async def post(self, path: str, by: User, **values: object) -> Got:
        return await self.call("POST", path, by=by, json=values)

    async def token(self, user: User) -> str:
        if user.number not in self.tokens:
            self.tokens[user.number] = await self.auth.sign_in.issue_token(user)
        return self.tokens[user.number]

    async def account(self, name: str, *roles: str, **changes: Any) -> Account:
        async with self.process.database.unit_of_work(EVERY_ACCOUNT) as work:
            account = await administration.create_account(work, TESTER, name, roles=roles)
            if changes:
                given = AccountChanges(**changes)  # type: ignore[typeddict-item]  # as the caller names them
                account = await administration.update_account(work, TESTER, account, given)
            return account

    async def user(self, name: str, account: Account, roles: Sequence[str] = ()) -> User:
        async with self.process.database.unit_of_work(EVERY_ACCOUNT) as work:
            return await administration.create_user(
                work, TESTER, account, f"{name}@people.example", roles=roles, password_hash=PASSWORD_HASH
            )


@dataclass(frozen=True)
class People:
    """Two accounts that know nothing of each other, a consultancy with a client, and the site's own account."""

    depot: Account
    chief: User
    member: User
    other: Account
    stranger: User
    consultants: Account
    adviser: User
    shop: Account
    shopkeeper: User
    site: Account
    root: User
    reader: User


async def invite(api: Api) -> People:
    depot, other, site = await api.account("Depot"), await api.account("Other"), await api.account("Site")
    consultants = await api.account("Consultants", CONSULTANCY_ROLE)
    shop = await api.account("Shop", consultancy_account_id=consultants.account_id)
    return People(
        depot=depot,
        chief=await api.user("chief", depot, ["account-admin"]),
        member=await api.user("member", depot),
        other=other,
        stranger=await api.user("stranger", other, ["account-admin"]),
        consultants=consultants,
        adviser=await api.user("adviser", consultants, ["consultant"]),
        shop=shop,
        shopkeeper=await api.user("shopkeeper", shop, ["account-admin"]),
        site=site,
        root=await api.user("root", site, ["admin"]),
        reader=await api.user("reader", site, ["admin-reader"]),
    )


@asynccontextmanager
async def serving_flexibility(
    database_url: str, *, services: Sequence[str] = ("gateway",), **settings: Any
) -> AsyncIterator[Api]:
    """The API alone for the time of the block; ``services`` are those that its process says it has."""
    given = Settings(**settings)
    async with open_process(given, database_url=database_url, services=services, ops_port=0) as process:
        auth = make_auth(process.database, settings=given)
        document = openapi_json("flexibility").encode()
        watch = JobWatch(process.database, process.bus)
        dialects = flexibility_dialects(process, auth, watch, document, docs_page("Flexibility"))
        async with serving_dialects(
            dialects, max_json_bytes=given.max_json_body_bytes, max_data_bytes=given.flexibility_max_data_bytes
        ) as client:
            auth.start()
            await watch.start()
            try:
                yield Api(process, auth, client)
            finally:
                await watch.stop()
                await auth.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(databases: TestDatabases) -> AsyncIterator[Api]:
    """One API for all tests of a module, without limits: they are counted per user, and tests are quick."""
    database_url = databases.create()
    async with serving_flexibility(database_url, rate_limits="off", max_json_body_bytes=65536) as running:
        yield running
    databases.drop(database_url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(api: Api) -> People:
    """Everybody, for tests that change nothing about them."""
    return await invite(api)
