from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import text

from services.gateway.dialects.reconfiguration import asking
from shared.db.unit_of_work import EVERY_ACCOUNT
from tests.integration.gateway.conftest import Served, serving
from tests.integration.gateway.worker import count_rows
from tests.support.apis import Got
from tests.support.eventually import eventually
from tests.support.proxy import Blackhole, Mode, Pass, Proxy, ProxyLoop, Reset

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def link(database_url: str) -> Iterator[Proxy]:
    """A way to the database that can be broken."""
    parts = urlsplit(database_url)
    with ProxyLoop() as loop:
        yield loop.open(parts.port or 5432, parts.hostname or "127.0.0.1")


def through(link: Proxy, database_url: str) -> str:
    parts = urlsplit(database_url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{link.port}"))


def is_later(got: Got) -> bool:
    return got.status == 503 and int(got.headers["Retry-After"]) > 0 and got.kind == "text/plain; charset=utf-8"


@pytest.mark.parametrize("mode", [Reset(), Blackhole()], ids=["gone", "silent"])
async def test_without_the_database_everything_is_503_within_3_s_and_well_again_after(
    link: Proxy, database_url: str, mode: Mode
) -> None:
    async with serving(through(link, database_url)) as served:
        await served.load("n")
        await served.create("s", "n")
        link.set(mode)
        began = time.monotonic()
        answers = await asyncio.gather(
            served.call("GET", "/api/server"),
            served.call("GET", "/api/networks/n"),
            served.call("GET", "/api/sessions/s/bestSolution"),
            served.load("other"),
            served.create("t", "n"),
            served.run("s", True),
            served.run("s", False),
            served.call("DELETE", "/api/sessions/s"),
        )
        took_s = time.monotonic() - began
        assert all(is_later(got) for got in answers), answers
        assert took_s < 4, "a connection timeout is 3 s; the rest is for a busy machine"
        assert (await served.call("GET", "/health/live")).status == 200
        ready = await served.call("GET", "/health/ready")
        assert (ready.status, ready.json["dependencies"]["database"]["state"]) == (503, "away")
        link.set(Pass())

        async def is_well() -> bool:
            return (await served.call("GET", "/api/server")).status == 200

        await eventually(is_well, within=5)
        rows = await count_rows(served.process)
        assert (rows["reconfiguration_networks"], rows["reconfiguration_sessions"]) == (1, 1)
        # Of the two wishes a request sent into silence may have been done all the same; nothing may be half done.
        assert rows["reconfiguration_runs"] <= 1
        await eventually(lambda: can_load(served), within=10)


async def can_load(served: Served) -> bool:
    return (await served.load("later")).status == 201


async def test_without_a_worker_a_question_is_503_at_once_and_leaves_nothing(served_alone: Served) -> None:
    await served_alone.load("n")
    async with served_alone.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(text("UPDATE workers SET seen_at = now() - interval '1 hour'"))
        await work.connection.execute(text("SET LOCAL ROLE NONE"))  # as the owner
        await work.connection.execute(text("ALTER TABLE workers RENAME COLUMN seen_at TO was_seen_at"))
        await work.connection.execute(text("ALTER TABLE workers ADD COLUMN seen_at timestamptz DEFAULT '-infinity'"))
    for got in (
        await served_alone.load("m"),
        await served_alone.create("s", "n"),
        await served_alone.call("GET", "/api/networks/n/analysis"),
    ):
        assert is_later(got)
    assert (await served_alone.call("GET", "/api/server")).json == {"networks": ["n"], "sessions": []}


async def test_a_worker_that_does_not_answer_is_503_at_the_deadline_and_leaves_nothing(database_url: str) -> None:
    async with serving(database_url, ask_deadline_s=0.5) as served:
        served.worker.script.hold = asyncio.Event()
        began = time.monotonic()
        assert is_later(await served.load("n"))
        assert 0.4 < time.monotonic() - began < 3
        rows = await count_rows(served.process)
        assert (rows["reconfiguration_networks"], rows["reconfiguration_network_uploads"]) == (0, 0)
        # The worker comes back to a question that nobody waits for any more.
        served.worker.script.hold.set()
        served.worker.script.hold = None
        await eventually(lambda: can_load(served), within=20)


async def test_a_gateway_that_stops_during_a_question_frees_the_id_at_once(database_url: str) -> None:
    async with serving(database_url) as served:
        served.worker.script.hold = asyncio.Event()
        loading = asyncio.create_task(served.load("n"))
        await eventually(lambda: has_rows(served, "reconfiguration_networks"), within=20)
        await served.gateway.stop(within_s=1.0)
        assert is_later(await loading)
        assert not await has_rows(served, "reconfiguration_networks")
        served.worker.script.hold.set()


async def has_rows(served: Served, table: str) -> bool:
    return (await count_rows(served.process))[table] > 0


async def test_an_id_is_held_for_as_long_as_the_question_takes(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "HELD_FOR_S", 0.6)
    monkeypatch.setattr(asking, "HOLD_AGAIN_EVERY_S", 0.1)
    served.worker.script.hold = asyncio.Event()
    loading = asyncio.create_task(served.load("n"))
    await asyncio.sleep(1.2)
    assert (await served.load("n")).status == 400
    served.worker.script.hold.set()
    assert (await loading).status == 201


async def test_a_name_held_for_something_that_never_came_to_be_is_free_when_its_time_is_over(served: Served) -> None:
    await served.load("n")
    await served.create("s", "n")
    async with served.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        for table in ("networks", "sessions"):
            await work.connection.execute(
                text(f"UPDATE reconfiguration_{table} SET state = 'pending', pending_until = now() + interval '1 hour'")
            )
    refused = await served.load("n")
    assert (refused.status, "already loaded" in refused.text) == (400, True)
    async with served.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        for table in ("networks", "sessions"):
            await work.connection.execute(
                text(f"UPDATE reconfiguration_{table} SET pending_until = now() - interval '1 second'")
            )
    assert (await served.load("n")).status == 201
    assert (await served.create("s", "n")).status == 201


async def test_the_housekeeping_deletes_what_expired_and_nothing_else(served: Served) -> None:
    await served.load("kept")
    await served.load("expired")
    await served.load("pending")
    async with served.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        for name, until in (("expired", "now() - interval '1 second'"), ("pending", "now() + interval '1 hour'")):
            await work.connection.execute(
                text(
                    f"UPDATE reconfiguration_networks SET state = 'pending', pending_until = {until} "
                    f"WHERE network_id = '{name}'"
                )
            )
        await work.connection.execute(text("UPDATE answers SET created_at = now() - interval '2 hours'"))
        await work.connection.execute(text("UPDATE inbox SET processed_at = now() - interval '8 days'"))
    await served.gateway.housekeeping.sweep()
    async with served.process.database.reading(EVERY_ACCOUNT) as connection:
        found = await connection.execute(text("SELECT network_id FROM reconfiguration_networks ORDER BY sequence"))
        assert list(found.scalars()) == ["kept", "pending"]
        for table in ("answers", "inbox"):
            assert (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 0


async def test_everything_is_there_after_a_restart(database_url: str) -> None:
    async with serving(database_url) as served:
        await served.load("n")
        await served.create("s", "n")
        await served.run("s", True)
        before = await served.call("GET", "/api/server")
    async with serving(database_url) as served:
        after = await served.call("GET", "/api/server")
        assert after.body == before.body
        assert after.json["sessions"][0]["optimizationIsRunning"] is True
        assert (await served.call("GET", "/api/networks/n")).body == b'{"name": "north"}'


async def test_a_client_that_leaves_during_its_upload_leaves_nothing(served: Served) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", served.gateway.port)
    head = "POST /api/networks/n HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=e\r\n"
    writer.write(f"{head}Content-Length: 9000000\r\n\r\n--e\r\n".encode() + b"x" * 3_000_000)
    await writer.drain()
    writer.transport.abort()
    await asyncio.sleep(0.2)
    assert not any((await count_rows(served.process)).values())


async def test_readiness_ends_at_once_when_the_process_retires(served_alone: Served) -> None:
    assert (await served_alone.call("GET", "/health/ready")).status == 200
    served_alone.process.health.retire()
    got = await served_alone.call("GET", "/health/ready")
    assert (got.status, got.json["retiring"]) == (503, True)
    assert (await served_alone.call("GET", "/api/server")).status == 200
