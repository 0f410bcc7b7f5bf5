"""Quotas over HTTP: what a user may have, and when runs and sessions end because their time is over."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import func, select, update

from services.gateway.dialects.reconfiguration.quotas import QuotasFileRefused
from services.gateway.main import Gateway
from shared.db.models import reconfiguration as tables
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.process import open_process
from shared.settings import Settings
from tests.integration.gateway.conftest import Served, serving
from tests.integration.gateway.worker import Script, count_rows
from tests.support.apis import Got
from tests.support.databases import TestDatabases
from tests.support.eventually import eventually
from tests.support.principals import SECRET

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOR_DEMO = {
    "networkLimit": 2,
    "sessionLimit": 2,
    "optimizationTimeout": "12:00:00",
    "sessionTimeout": "1.00:00:00",
    "networkMaxSize": 100,
}
SOON = "00:00:00.2"


@dataclass
class QuotasFile:
    """The file that the operator edits."""

    path: Path

    def write(self, overrides: object) -> None:
        self.path.write_text(json.dumps(overrides))


@dataclass
class User:
    """A user of the gateway, new to it."""

    served: Served
    file: QuotasFile
    name: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": f"X-PgoUserId={self.name}"}

    def may(self, **quotas: object) -> None:
        self.file.write({self.name: quotas})

    async def call(self, method: str, path: str, **given: Any) -> Got:  # Any: as the server's
        return await self.served.call(method, path, headers=self.headers, **given)

    async def load(self, network_id: str) -> Got:
        return await self.served.load(network_id, headers=self.headers)

    async def create(self, session_id: str, network_id: str = "n") -> Got:
        return await self.served.create(session_id, network_id, headers=self.headers)

    async def load_cim(self, network_id: str) -> Got:
        return await self.call("POST", f"/api/cim/networks/{network_id}", json={"network": {}})

    async def create_cim(self, session_id: str, network_id: str = "n") -> Got:
        return await self.call("POST", f"/api/cim/sessions/{session_id}", json={"networkId": network_id})

    async def run(self, session_id: str, on: bool) -> Got:
        return await self.call("PUT", f"/api/sessions/{session_id}/runOptimization", json=on)

    async def has_session(self, session_id: str = "s") -> bool:
        return (await self.call("GET", f"/api/sessions/{session_id}")).status == 200

    async def is_running(self, session_id: str = "s") -> bool:
        status = (await self.call("GET", f"/api/sessions/{session_id}")).json
        return bool(status["optimizationIsRunning"])

    async def newest_run(self) -> UUID:
        is_own = tables.runs.c.session_key.in_(
            select(tables.sessions.c.session_key).where(tables.sessions.c.owner == self.name)
        )
        async with self.served.process.database.reading(EVERY_ACCOUNT) as connection:
            wanted = select(tables.runs.c.run_id).where(is_own).order_by(tables.runs.c.requested_at.desc()).limit(1)
            run: UUID = (await connection.execute(wanted)).scalar_one()
            return run

    async def session_goes(self, session_id: str = "s") -> float:
        """When the session was gone."""

        async def is_gone() -> bool:
            return not await self.has_session(session_id)

        await eventually(is_gone, within=10)
        return time.monotonic()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> QuotasFile:
    made = QuotasFile(tmp_path_factory.mktemp("quotas") / "quotas.json")
    made.write({})
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(databases: TestDatabases, file: QuotasFile) -> AsyncIterator[Served]:
    database_url = databases.create()
    settings = {"pgo_multi_user": "True", "pgo_default_quotas": "ForDemo", "pgo_quotas_file": file.path}
    async with serving(database_url, pgo_sweep_interval_s=0.01, **settings) as running:
        yield running
    databases.drop(database_url)


@pytest_asyncio.fixture(loop_scope="module")
async def user(gateway: Served, file: QuotasFile) -> User:
    file.write({})
    gateway.worker.script = Script()
    return User(gateway, file, f"u-{uuid4()}")


# ------------------------------------------------------------------ what they are


async def test_without_settings_there_are_no_limits(served: Served) -> None:
    got = await served.call("GET", "/api/identity/quotas")
    assert (got.status, got.kind) == (200, "application/json; charset=utf-8")
    assert got.body == (
        b'{"networkLimit":2147483647,"sessionLimit":2147483647,"optimizationTimeout":"365.00:00:00",'
        b'"sessionTimeout":"365.00:00:00","networkMaxSize":2147483647}'
    )


async def test_each_user_has_the_default_or_what_the_file_says(user: User) -> None:
    assert (await user.call("GET", "/API/Identity/Quotas/")).json == FOR_DEMO
    user.may(networkLimit=5, sessionTimeout="00:00:01.5")
    changed = {"networkLimit": 5, "sessionTimeout": "00:00:01.5000000"}
    assert (await user.call("GET", "/api/identity/quotas")).json == FOR_DEMO | changed
    neighbour = User(user.served, user.file, "neighbour")
    assert (await neighbour.call("GET", "/api/identity/quotas")).json == FOR_DEMO


async def test_no_request_changes_quotas(user: User) -> None:
    for method in ("PUT", "POST", "DELETE"):
        assert (await user.call(method, "/api/identity/quotas", json=FOR_DEMO)).status == 405


async def test_a_gateway_does_not_start_with_a_bad_file(database_url: str, tmp_path: Path) -> None:
    bad = tmp_path / "quotas.json"
    bad.write_text('{"u1": {"networkLimit": -1}}')
    settings = Settings(port=0, pgo_quotas_file=bad, secret_key=SecretStr(SECRET))
    async with open_process(settings, database_url=database_url, services=["gateway"], ops_port=0) as process:
        with pytest.raises(QuotasFileRefused, match=r"quotas\.json.*'u1', networkLimit"):
            Gateway(process)


# ------------------------------------------------------------------ numbers and sizes


async def test_networks_are_limited_until_one_is_deleted(user: User) -> None:
    for name in "ab":
        assert (await user.load(name)).status == 201
    user.served.worker.script.uploads.clear()
    got = await user.load("c")
    assert (got.status, got.kind) == (403, "text/plain; charset=utf-8")
    assert "limited to 2" in got.text and "networks" in got.text and "networkLimit" in got.text
    assert user.served.worker.script.uploads == {}, "it was never read"
    taken = await user.load("a")
    assert (taken.status, "already loaded" in taken.text) == (400, True)
    assert (await user.call("DELETE", "/api/networks/b")).status == 200
    assert (await user.load("c")).status == 201
    neighbour = User(user.served, user.file, f"u-{uuid4()}")
    assert (await neighbour.load("a")).status == 201


async def test_sessions_are_limited_after_their_network_was_found(user: User) -> None:
    await user.load("n")
    for name in "xy":
        assert (await user.create(name)).status == 201
    got = await user.create("z")
    assert (got.status, got.kind) == (403, "text/plain; charset=utf-8")
    assert "limited to 2" in got.text and "sessions" in got.text and "sessionLimit" in got.text
    assert (await user.create("x")).status == 400
    assert (await user.create("z", "never-was")).status == 400
    assert (await user.call("DELETE", "/api/sessions/y")).status == 200
    assert (await user.create("z")).status == 201


async def test_a_limit_of_none_allows_none(user: User) -> None:
    user.may(networkLimit=0)
    assert (await user.load("n")).status == 403


async def test_what_is_being_made_counts(user: User) -> None:
    user.may(networkLimit=1)
    user.served.worker.script.hold = asyncio.Event()
    first = asyncio.create_task(user.load("a"))

    async def is_reserved() -> bool:
        async with user.served.process.database.reading(EVERY_ACCOUNT) as connection:
            found = await connection.execute(
                select(tables.networks.c.state).where(tables.networks.c.owner == user.name)
            )
            return found.scalar_one_or_none() == "pending"

    await eventually(is_reserved)
    assert (await user.load("b")).status == 403
    user.served.worker.script.hold.set()
    assert (await first).status == 201


async def test_what_its_maker_has_given_up_does_not_count(user: User) -> None:
    user.may(networkLimit=1)
    await user.load("a")
    async with user.served.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        change = update(tables.networks).where(tables.networks.c.owner == user.name)
        await work.connection.execute(change.values(state="pending", pending_until=func.now()))
    assert (await user.load("b")).status == 201


@pytest.mark.parametrize("kind", ["networks", "sessions"])
async def test_of_many_at_once_exactly_as_many_win_as_there_is_room_for(user: User, kind: str) -> None:
    user.may(networkLimit=3, sessionLimit=3)
    await user.load("n")
    room = 2 if kind == "networks" else 3
    make = user.load if kind == "networks" else user.create
    answers = await asyncio.gather(*(make(f"x{k}") for k in range(8)))
    assert sorted(got.status for got in answers) == [201] * room + [403] * (8 - room)
    listed = (await user.call("GET", "/api/server")).json[kind]
    assert len(listed) == 3


async def test_a_network_that_is_too_large_is_not_stored(user: User) -> None:
    user.may(networkMaxSize=2)  # the scripted worker finds three buses in every network
    before = await count_rows(user.served.process)
    got = await user.load("n")
    assert (got.status, got.kind) == (403, "text/plain; charset=utf-8")
    assert "3 nodes" in got.text and "limited to 2" in got.text and "networkMaxSize" in got.text
    assert await count_rows(user.served.process) == before
    assert (await user.call("GET", "/api/server")).json["networks"] == []
    user.may(networkMaxSize=3)
    assert (await user.load("n")).status == 201


async def test_a_network_that_cannot_be_read_is_refused_for_that_first(user: User) -> None:
    user.may(networkMaxSize=2)
    user.served.worker.script.outcome, user.served.worker.script.body = "refused", "no such node"
    got = await user.load("n")
    assert (got.status, got.text) == (400, "no such node")


# ------------------------------------------------------------------ the CIM API


async def test_cim_networks_are_limited_and_counted_by_themselves(user: User) -> None:
    for name in "ab":
        assert (await user.load(name)).status == 201
        assert (await user.load_cim(name)).status == 201
    user.served.worker.script.uploads.clear()
    got = await user.load_cim("c")
    assert (got.status, got.kind) == (403, "text/plain; charset=utf-8")
    assert "limited to 2" in got.text and "networkLimit" in got.text
    assert user.served.worker.script.uploads == {}, "it was never read"
    assert "already loaded" in (await user.load_cim("a")).text
    assert (await user.call("DELETE", "/api/cim/networks/b")).status == 200
    assert (await user.load_cim("c")).status == 201
    assert (await user.load("c")).status == 403, "those of the JSON API are as many as before"


async def test_cim_sessions_are_limited_after_their_network_was_found(user: User) -> None:
    for load, create in ((user.load, user.create), (user.load_cim, user.create_cim)):
        assert (await load("n")).status == 201
        for name in "xy":
            assert (await create(name)).status == 201
    got = await user.create_cim("z")
    assert (got.status, got.kind) == (403, "text/plain; charset=utf-8")
    assert "limited to 2" in got.text and "sessionLimit" in got.text
    assert (await user.create_cim("x")).status == 400
    assert (await user.create_cim("z", "never-was")).status == 400
    assert (await user.call("DELETE", "/api/cim/sessions/y")).status == 200
    assert (await user.create_cim("z")).status == 201


async def test_a_cim_network_that_is_too_large_is_not_stored(user: User) -> None:
    user.may(networkMaxSize=2)
    got = await user.load_cim("n")
    assert (got.status, got.kind) == (403, "text/plain; charset=utf-8")
    assert "3 nodes" in got.text and "limited to 2" in got.text and "networkMaxSize" in got.text
    assert (await user.call("GET", "/api/cim/server")).json["networks"] == []
    user.may(networkMaxSize=3)
    assert (await user.load_cim("n")).status == 201


async def test_quotas_are_told_by_the_cim_api_too(user: User) -> None:
    user.may(networkMaxSize=7)
    assert (await user.call("GET", "/api/cim/identity/quotas")).json == FOR_DEMO | {"networkMaxSize": 7}


async def test_an_idle_cim_session_goes(user: User) -> None:
    user.may(sessionTimeout="00:00:00.5")
    await user.load_cim("n")
    before = time.monotonic()
    assert (await user.create_cim("s")).status == 201

    async def is_gone() -> bool:
        return (await user.call("GET", "/api/cim/sessions/s")).status == 404

    await eventually(is_gone, within=10)
    assert time.monotonic() - before >= 0.5


# ------------------------------------------------------------------ the time of runs


async def started(user: User) -> UUID:
    """A run that nobody works on yet."""
    await user.load("n")
    assert (await user.create("s")).status == 201
    assert (await user.run("s", True)).status == 200
    return await user.newest_run()


async def stops_running(user: User) -> bool:
    return not await user.is_running()


async def test_a_run_that_nobody_has_taken_ends_when_its_time_is_over(user: User) -> None:
    user.may(optimizationTimeout="00:00:01")
    begun = time.monotonic()
    await started(user)
    assert await user.is_running()
    await eventually(lambda: stops_running(user), within=10)
    assert time.monotonic() - begun >= 1.0
    assert (await user.run("s", True)).status == 200
    assert await user.is_running(), "a new run has its own time"


async def test_a_run_whose_time_is_over_counts_as_running_until_its_worker_has_ended_it(user: User) -> None:
    user.may(optimizationTimeout="00:00:00.5")
    run = await started(user)
    await user.served.worker.take_run(run)
    await asyncio.sleep(0.6)
    assert await user.is_running()
    stopping = asyncio.create_task(user.run("s", False))
    await eventually(lambda: user.served.worker.stop_is_wanted(run))
    await user.served.worker.finish_run(run)
    assert (await stopping).status == 200
    assert not await user.is_running()


async def test_the_longest_time_that_can_be_written_is_taken(user: User) -> None:
    longest = "10675199.02:48:05.4775807"
    user.may(optimizationTimeout=longest, sessionTimeout=longest)
    await started(user)
    assert await user.is_running()


# ------------------------------------------------------------------ the time of sessions


async def test_an_idle_session_goes_and_reading_does_not_keep_it(user: User) -> None:
    user.may(sessionTimeout="00:00:00.5")
    await user.load("n")
    before = time.monotonic()
    assert (await user.create("s")).status == 201
    gone = await user.session_goes()  # reads all the time
    assert gone - before >= 0.5
    assert (await user.call("GET", "/api/server")).json == {"networks": ["n"], "sessions": []}
    assert (await user.create("s")).status == 201, "its name is free, and networks stay"


async def test_a_running_session_stays_and_its_time_begins_when_the_run_has_ended(user: User) -> None:
    user.may(sessionTimeout="00:00:00.5")
    await user.load("n")
    await user.create("s")
    assert (await user.run("s", True)).status == 200
    run = await user.newest_run()
    await user.served.worker.take_run(run)
    await asyncio.sleep(0.8)
    assert await user.is_running()
    ended = time.monotonic()
    await user.served.worker.finish_run(run)
    assert await user.session_goes() - ended >= 0.5


@pytest.mark.parametrize("how", ["stopped by the client", "its time is over"])
async def test_the_end_of_a_run_that_nobody_took_counts_too(user: User, how: str) -> None:
    user.may(sessionTimeout="00:00:00.5", optimizationTimeout="00:00:01")
    await user.load("n")
    await user.create("s")
    ended = time.monotonic()
    assert (await user.run("s", True)).status == 200
    if how == "stopped by the client":
        await asyncio.sleep(0.7)
        assert await user.has_session()
        ended = time.monotonic()
        assert (await user.run("s", False)).status == 200
    else:
        ended += 1.0
    assert await user.session_goes() - ended >= 0.5


async def test_a_run_given_up_by_a_dead_worker_ends_with_its_lease(user: User) -> None:
    user.may(sessionTimeout="00:00:00.5")
    await user.load("n")
    await user.create("s")
    await user.run("s", True)
    run = await user.newest_run()
    await user.served.worker.take_run(run)
    stopping = asyncio.create_task(user.run("s", False))
    await eventually(lambda: user.served.worker.stop_is_wanted(run))
    await asyncio.sleep(0.8)
    ended = time.monotonic()
    await user.served.worker.lose_lease(run)
    assert (await stopping).status == 200
    assert await user.session_goes() - ended >= 0.5


async def test_a_change_of_the_time_out_begins_it_anew(user: User) -> None:
    await user.load("n")
    await user.create("s")
    await user.create("t")
    changed = time.monotonic()
    user.may(sessionTimeout="00:00:00.5")
    assert await user.session_goes("s") - changed >= 0.5
    user.may(sessionTimeout="00:00:00.5", sessionLimit=9)
    await user.create("u")
    changed = time.monotonic()
    user.may(sessionTimeout="00:00:01")
    assert await user.session_goes("u") - changed >= 1.0


async def test_the_time_outs_of_others_stay_as_they_are(user: User) -> None:
    neighbour = User(user.served, user.file, f"u-{uuid4()}")
    await neighbour.load("n")
    await neighbour.create("s")
    user.may(sessionTimeout=SOON)
    await user.load("n")
    await user.create("s")
    await user.session_goes()
    assert await neighbour.has_session()
