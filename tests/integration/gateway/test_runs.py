from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pytest
from sqlalchemy import event, select

from services.gateway.dialects.reconfiguration import run_endings
from services.gateway.dialects.reconfiguration.quotas import NAMED_QUOTAS, Quotas
from services.gateway.dialects.reconfiguration.runs import stop_run
from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.service import Reconfiguration
from services.gateway.http.spool import SpoolBudget
from shared.contracts.reconfiguration import RunFinished
from shared.db.models import reconfiguration as tables
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import DependencyUnavailable
from shared.ids import OPEN_ACCOUNT_ID, RunId, SessionKey
from tests.integration.gateway.conftest import Served
from tests.support.eventually import eventually
from tests.support.principals import TESTER

NO_QUOTAS = Quotas(NAMED_QUOTAS["NoLimits"], None)
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def started(served: Served) -> UUID:
    """A session with a run that nobody works on yet."""
    await served.load("n")
    await served.create("s", "n")
    assert (await served.run("s", True)).status == 200
    assert (await served.status("s"))["optimizationIsRunning"] is True
    await eventually(lambda: served.worker.script.runs)
    return served.worker.script.runs[-1]


async def is_waiting(task: asyncio.Task[object]) -> bool:
    await asyncio.sleep(0.3)
    return not task.done()


async def test_a_start_answers_empty_and_is_seen_at_once(served: Served) -> None:
    await served.load("n")
    await served.create("s", "n")
    got = await served.run("s", True)
    assert (got.status, got.body) == (200, b"")
    assert "Content-Type" not in got.headers
    assert (await served.status("s"))["optimizationIsRunning"] is True


async def test_a_second_start_does_nothing(served: Served) -> None:
    await started(served)
    assert (await served.run("s", True)).status == 200
    async with served.process.database.reading(EVERY_ACCOUNT) as connection:
        assert len(list(await connection.execute(select(tables.runs.c.run_id)))) == 1


async def test_of_starts_at_once_one_makes_a_run(served: Served) -> None:
    await served.load("n")
    await served.create("s", "n")
    answers = await asyncio.gather(*(served.run("s", True) for _ in range(8)))
    assert {got.status for got in answers} == {200}
    async with served.process.database.reading(EVERY_ACCOUNT) as connection:
        assert len(list(await connection.execute(select(tables.runs.c.run_id)))) == 1


async def test_a_stop_of_an_idle_session_does_nothing(served: Served) -> None:
    await served.load("n")
    await served.create("s", "n")
    got = await served.run("s", False)
    assert (got.status, got.body) == (200, b"")


async def test_a_run_that_nobody_has_taken_stops_at_once(served: Served) -> None:
    await started(served)
    assert (await served.run("s", False)).status == 200
    assert (await served.status("s"))["optimizationIsRunning"] is False


async def test_a_stop_answers_only_when_the_run_has_ended(served: Served) -> None:
    run = await started(served)
    await served.worker.take_run(run)
    stopping = asyncio.create_task(served.run("s", False))
    await eventually(lambda: served.worker.stop_is_wanted(run))
    assert await is_waiting(stopping)
    assert (await served.status("s"))["optimizationIsRunning"] is True
    await served.worker.finish_run(run)
    assert (await stopping).status == 200
    assert (await served.status("s"))["optimizationIsRunning"] is False


async def test_a_stop_answers_as_soon_as_the_end_of_the_run_is_told(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_endings, "LOOK_EVERY_S", 600.0)
    run = await started(served)
    await served.worker.take_run(run)
    stopping = asyncio.create_task(served.run("s", False))
    await eventually(lambda: served.worker.stop_is_wanted(run))
    await served.worker.finish_run(run)
    assert await is_waiting(stopping)
    (session,) = await served.worker.session_keys()
    async with served.process.database.unit_of_work(OPEN_ACCOUNT_ID) as work:
        finished = RunFinished(run_id=RunId(run), session_key=SessionKey(session), outcome="stopped")
        await work.outbox.add(OPEN_ACCOUNT_ID, finished)
    assert (await asyncio.wait_for(stopping, 10)).status == 200


async def test_who_waits_for_a_stop_asks_the_database_a_few_times_a_second_only(served: Served) -> None:
    run = await started(served)
    await served.worker.take_run(run)
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    engine = served.process.database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    begun = time.monotonic()
    stopping = [asyncio.create_task(served.run("s", False)) for _ in range(20)]
    await eventually(lambda: time.monotonic() - begun > 1.0)
    event.remove(engine, "before_cursor_execute", note)
    took_s = time.monotonic() - begun
    await served.worker.finish_run(run)
    assert {got.status for got in await asyncio.gather(*stopping)} == {200}
    looks = [statement for statement in statements if "finished_at IS NOT NULL" in statement]
    assert len(looks) <= 20 * (2 + took_s / 0.25)


async def test_a_stop_answers_when_the_worker_has_died_and_its_lease_is_over(served: Served) -> None:
    run = await started(served)
    await served.worker.take_run(run)
    stopping = asyncio.create_task(served.run("s", False))
    assert await is_waiting(stopping)
    await served.worker.lose_lease(run)
    assert (await stopping).status == 200
    assert (await served.status("s"))["optimizationIsRunning"] is False


async def test_a_run_whose_worker_died_goes_on_running_until_it_is_stopped(served: Served) -> None:
    run = await started(served)
    await served.worker.take_run(run)
    await served.worker.lose_lease(run)
    assert (await served.status("s"))["optimizationIsRunning"] is True


async def test_all_who_stop_at_once_are_answered(served: Served) -> None:
    run = await started(served)
    await served.worker.take_run(run)
    stopping = [asyncio.create_task(served.run("s", False)) for _ in range(5)]
    await eventually(lambda: served.worker.stop_is_wanted(run))
    await served.worker.finish_run(run)
    assert [got.status for got in await asyncio.gather(*stopping)] == [200] * 5


@pytest.mark.parametrize("path", ["/api/sessions/s", "/api/networks/n"])
async def test_a_stop_answers_when_the_session_is_deleted_meanwhile(served: Served, path: str) -> None:
    run = await started(served)
    await served.worker.take_run(run)
    stopping = asyncio.create_task(served.run("s", False))
    await eventually(lambda: served.worker.stop_is_wanted(run))
    assert (await served.call("DELETE", path)).status == 200
    assert (await stopping).status == 200
    assert (await served.call("GET", "/api/sessions/s")).status == 404


async def test_a_new_session_of_the_name_of_a_running_one_starts_clean(served: Served) -> None:
    await served.worker.take_run(await started(served))
    assert (await served.call("DELETE", "/api/sessions/s")).status == 200
    assert (await served.create("s", "n")).status == 201
    assert (await served.status("s"))["optimizationIsRunning"] is False


async def test_a_session_can_be_started_again_after_a_stop(served: Served) -> None:
    first = await started(served)
    await served.worker.take_run(first)
    await served.worker.finish_run(first)
    assert (await served.status("s"))["optimizationIsRunning"] is False
    assert (await served.run("s", True)).status == 200
    assert (await served.status("s"))["optimizationIsRunning"] is True
    await eventually(lambda: len(served.worker.script.runs) == 2)


async def test_a_stop_that_takes_too_long_says_so_and_the_wish_stands(served: Served) -> None:
    run = await started(served)
    await served.worker.take_run(run)
    process = served.process
    app = Reconfiguration(
        process.database, process.asks, SpoolBudget(1), NO_QUOTAS, ask_deadline_s=1.0, stop_deadline_s=0.2
    )
    with pytest.raises(DependencyUnavailable, match="asked to stop"):
        await stop_run(app, Scope(OPEN_ACCOUNT_ID, "commonUser", "json"), TESTER, "s")
    assert await served.worker.stop_is_wanted(run)


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b'"perhaps"', 400), (b"1", 400), (b"null", 400), (b"", 400), (b'"true"', 400)]
)
async def test_another_body_than_a_truth_value_is_a_binding_error(served: Served, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    got = await served.call("PUT", "/api/sessions/s/runOptimization", data=body, headers=headers)
    assert got.status == status
    assert got.json["errors"]["$"]


async def test_an_unknown_session_is_404_once_the_body_is_right(served: Served) -> None:
    for wanted in (True, False):
        got = await served.run("never-was", wanted)
        assert got.status == 404
        assert "session 'never-was'" in got.text
    got = await served.call(
        "PUT", "/api/sessions/x/runOptimization", data=b"true", headers={"Content-Type": "text/plain"}
    )
    assert got.status == 415
