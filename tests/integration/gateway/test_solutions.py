"""The pool of a session and the weights of its objectives over HTTP: every row of the table of calls, with a scripted worker."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

import orjson
import pytest
import pytest_asyncio
from sqlalchemy import select, update

from shared.db.models import reconfiguration as tables
from shared.db.unit_of_work import EVERY_ACCOUNT
from tests.integration.gateway.conftest import Served
from tests.integration.gateway.worker import BEST_DOCUMENT, count_rows
from tests.support.apis import Got
from tests.support.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT, PROBLEM = "text/plain; charset=utf-8", "application/problem+json; charset=utf-8"
MINE = b'{"period_solutions": [{"period": "Day 1"}], "flows": "whatever"}'
OTHER = b'{"period_solutions": []}'
NO_SESSION, NO_SOLUTION = "session 'never-was'", "solution 'none' in the session 's'"


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _session(served: Served) -> None:
    await served.load("n")
    assert (await served.create("s", "n")).status == 201


async def solution(served: Served, method: str, name: str, document: bytes | None = None, session: str = "s") -> Got:
    headers = {} if document is None else {"Content-Type": "application/json; charset=utf-8"}
    return await served.call(method, f"/api/sessions/{session}/solutions/{name}", data=document, headers=headers)


async def repair(served: Served, source: str, target: str, session: str = "s") -> Got:
    path = f"/api/sessions/{session}/solutions/{source}/repair/{target}"
    return await served.call("POST", path, data=b"", headers={"Content-Type": "text/plain"})


async def set_weights(served: Served, given: object, session: str = "s") -> Got:
    return await served.call("PUT", f"/api/sessions/{session}/objectiveWeights", json=given)


async def weights(served: Served) -> list[float]:
    got = await served.call("GET", "/api/sessions/s/objectiveWeights")
    return [item["weight"] for item in got.json]


async def ids(served: Served) -> Any:  # Any: JSON
    return (await served.status("s"))["solutionIds"]


async def expires_at(served: Served) -> datetime:
    async with served.process.database.reading(EVERY_ACCOUNT) as connection:
        moment: datetime = (await connection.execute(select(tables.sessions.c.expires_at))).scalar_one()
    return moment


def assert_refused(got: Got, *needles: str, status: int = 400) -> None:
    assert (got.status, got.kind) == (status, TEXT), got.text
    assert [needle for needle in needles if needle not in got.text] == [], got.text


# ------------------------------------------------------------------ what goes well


async def test_an_added_solution_is_there_and_best_is_as_it_was(served: Served) -> None:
    before = (await served.call("GET", "/api/sessions/s/bestSolutionInfo")).json
    got = await solution(served, "POST", "My%20plan", MINE)
    assert (got.status, got.body, got.kind, got.headers["Content-Length"]) == (200, b"", "", "0")
    assert await ids(served) == ["My plan", "best"]
    assert served.worker.script.uploads["solution"] == MINE
    read = await solution(served, "GET", "My%20plan")
    assert (read.status, read.body, read.kind) == (200, MINE, "application/json; charset=utf-8")
    info = await solution(served, "GET", "My%20plan/info")
    assert info.json["objective_value"] == 2_003_013.0
    assert (await solution(served, "GET", "best")).body == BEST_DOCUMENT
    assert (await solution(served, "GET", "best/info")).json == before
    assert (await count_rows(served.process))["reconfiguration_solution_uploads"] == 0


async def test_the_pool_is_listed_in_order_of_insertion_and_best_last(served: Served) -> None:
    for name in ("z", "a", "m"):
        assert (await solution(served, "POST", name, MINE)).status == 200
    assert await ids(served) == ["z", "a", "m", "best"]
    assert (await solution(served, "PUT", "a", OTHER)).status == 200
    assert await ids(served) == ["z", "a", "m", "best"], "an update keeps its place"
    assert (await solution(served, "DELETE", "z")).status == 200
    assert (await solution(served, "POST", "z", MINE)).status == 200
    assert await ids(served) == ["a", "m", "z", "best"]


async def test_an_update_takes_the_place_of_what_was_there(served: Served) -> None:
    await solution(served, "POST", "mine", MINE)
    got = await solution(served, "PUT", "mine", OTHER)
    assert (got.status, got.body) == (200, b"")
    assert (await solution(served, "GET", "mine")).body == OTHER
    rows = await count_rows(served.process)
    assert (rows["reconfiguration_pool_solutions"], rows["reconfiguration_solutions"]) == (1, 2)


async def test_a_deleted_solution_leaves_nothing(served: Served) -> None:
    before = await count_rows(served.process)
    await solution(served, "POST", "mine", MINE)
    got = await solution(served, "DELETE", "mine")
    assert (got.status, got.body) == (200, b"")
    assert await ids(served) == ["best"]
    assert_refused(await solution(served, "DELETE", "mine"), "'mine'", status=404)
    assert await count_rows(served.process) == before


@pytest.mark.parametrize("source", ["best", "mine"])
async def test_a_repaired_copy_is_put_into_the_pool(served: Served, source: str) -> None:
    await solution(served, "POST", "mine", MINE)
    got = await repair(served, source, "mended")
    assert (got.status, got.kind) == (200, TEXT)
    assert [word for word in got.text.split() if word.isdecimal()] == ["0", "1"]
    assert await ids(served) == ["mine", "mended", "best"]
    assert (served.worker.script.sources[-1] is None) == (source == "best")


async def test_an_infeasible_solution_is_taken(served: Served) -> None:
    served.worker.script.is_feasible = False
    assert (await solution(served, "POST", "bad", MINE)).status == 200
    assert (await solution(served, "GET", "bad/info")).json["is_feasible"] is False
    assert (await served.status("s"))["bestSolutionValue"] is not None


async def test_the_pool_changes_while_the_session_is_optimised(served: Served) -> None:
    assert (await served.run("s", True)).status == 200
    assert (await solution(served, "POST", "mine", MINE)).status == 200
    assert (await solution(served, "PUT", "mine", OTHER)).status == 200
    assert (await repair(served, "mine", "mended")).status == 200
    assert (await solution(served, "DELETE", "mine")).status == 200
    assert await ids(served) == ["mended", "best"]


async def test_a_proof_for_the_session_tells_about_each_of_its_solutions(served: Served) -> None:
    await solution(served, "POST", "mine", MINE)
    await served.worker.change_best(
        bound=2_003_013.0, bound_weights=[1_000_000.0, 1_000.0, 1.0, 0.002, 1.0], proof="enumerated"
    )
    info = (await solution(served, "GET", "mine/info")).json
    assert (info["is_optimal"], info["proof"]) == (True, "enumerated")


# ------------------------------------------------------------------ every other cell of the table


@pytest.mark.parametrize("name", ["none", "best"])
async def test_an_unknown_session_is_404_everywhere(served: Served, name: str) -> None:
    for method, path, document in (
        ("GET", name, None),
        ("GET", f"{name}/info", None),
        ("POST", name, MINE),
        ("PUT", name, MINE),
        ("DELETE", name, None),
        ("POST", f"{name}/repair/new", None),
    ):
        assert_refused(await solution(served, method, path, document, session="never-was"), NO_SESSION, status=404)
    assert_refused(await set_weights(served, [], session="never-was"), NO_SESSION, status=404)


async def test_an_unknown_solution_is_404_where_it_is_read_copied_or_removed(served: Served) -> None:
    for method, path in (("GET", "none"), ("GET", "none/info"), ("DELETE", "none"), ("POST", "none/repair/new")):
        assert_refused(await solution(served, method, path), NO_SOLUTION, status=404)


async def test_an_update_of_an_unknown_solution_is_400(served: Served) -> None:
    got = await solution(served, "PUT", "none", MINE)
    assert_refused(got, "An error occurred while evaluating the solution", "no solution", "'none'")
    assert await ids(served) == ["best"]


async def test_an_update_is_refused_in_the_words_of_the_cim_api(served: Served) -> None:
    assert (await served.call("POST", "/api/cim/networks/n", json={"network": {}})).status == 201
    assert (await served.call("POST", "/api/cim/sessions/c", json={"networkId": "n"})).status == 201
    for name, reason in (("none", "there is no solution with id 'none'"), ("best", "'best' can not be updated")):
        got = await served.call("PUT", f"/api/cim/sessions/c/solutions/{name}", json={})
        assert_refused(got, "An error occurred updating the solution: ", reason)
    served.worker.script.outcome, served.worker.script.body = "refused", "there must be one solution for each period"
    got = await served.call("PUT", "/api/cim/sessions/c/solutions/none", json={})
    assert_refused(got, "An error occurred updating the solution: there must be one solution for each period")
    got = await served.call("POST", "/api/cim/sessions/c/solutions/none", json={})
    assert_refused(got, "An error occurred adding the solution: there must be one solution for each period")


async def test_best_is_not_the_clients_to_write(served: Served) -> None:
    adding = "An error occurred adding the solution"
    assert_refused(await solution(served, "POST", "best", MINE), adding, "'best' is reserved")
    assert_refused(await solution(served, "PUT", "best", MINE), "'best' can not be updated")
    assert_refused(await solution(served, "DELETE", "best"), "'best' cannot be removed")
    repairing = "An error occurred repairing the solution"
    assert_refused(await repair(served, "best", "best"), repairing, "'best' is reserved")
    assert (await solution(served, "GET", "best")).body == BEST_DOCUMENT
    assert (await count_rows(served.process))["reconfiguration_pool_solutions"] == 0


async def test_an_id_in_use_is_refused_and_what_is_there_stays(served: Served) -> None:
    await solution(served, "POST", "mine", MINE)
    got = await solution(served, "POST", "mine", OTHER)
    assert_refused(got, "An error occurred adding the solution", "'mine'", "already")
    assert_refused(
        await repair(served, "best", "mine"), "An error occurred repairing the solution", "'mine'", "already"
    )
    assert (await solution(served, "GET", "mine")).body == MINE
    assert (await count_rows(served.process))["reconfiguration_pool_solutions"] == 1


async def test_of_solutions_added_at_once_under_one_id_one_wins(served: Served) -> None:
    answers = await asyncio.gather(*(solution(served, "POST", "mine", MINE) for _ in range(6)))
    assert sorted(got.status for got in answers) == [200, 400, 400, 400, 400, 400]
    assert await ids(served) == ["mine", "best"]
    assert (await count_rows(served.process))["reconfiguration_pool_solutions"] == 1


@pytest.mark.parametrize(("method", "prefix"), [("POST", "adding"), ("PUT", "while evaluating")])
@pytest.mark.parametrize("name", ["mine", "best", "none"])
async def test_what_is_wrong_with_the_document_is_said_before_the_id_is_looked_at(
    served: Served, method: str, prefix: str, name: str
) -> None:
    await solution(served, "POST", "mine", MINE)
    served.worker.script.outcome, served.worker.script.body = "refused", "Period 'Day 1': settings for unknown lines: X"
    got = await solution(served, method, name, OTHER)
    assert_refused(got, f"An error occurred {prefix} the solution: Period 'Day 1': settings for unknown lines: X")
    served.worker.script.outcome = "done"
    assert (await solution(served, "GET", "mine")).body == MINE
    assert await ids(served) == ["mine", "best"]
    assert (await count_rows(served.process))["reconfiguration_solution_uploads"] == 0


async def test_a_document_of_the_wrong_form_is_a_binding_error(served: Served) -> None:
    served.worker.script.outcome = "malformed"
    served.worker.script.body = '{"period_solutions[0].period": ["Expected a string. Path \'x\', line 1, position 2."]}'
    got = await solution(served, "POST", "mine", OTHER)
    assert (got.status, got.kind) == (400, PROBLEM)
    assert got.json["errors"] == orjson.loads(served.worker.script.body)
    assert await ids(served) == ["best"]


async def test_a_body_that_is_missing_or_not_labelled_as_json_is_not_looked_at(served: Served) -> None:
    got = await solution(served, "POST", "mine", b"  ")
    assert (got.status, got.kind) == (400, PROBLEM)
    for kind in ("text/plain", "multipart/form-data"):
        path = "/api/sessions/s/solutions/mine"
        assert (await served.call("PUT", path, data=MINE, headers={"Content-Type": kind})).status == 415


async def test_a_repair_that_is_impossible_says_why(served: Served) -> None:
    served.worker.script.outcome, served.worker.script.body = "refused", "no switch can break the cycle of the lines a"
    got = await repair(served, "best", "mended")
    assert_refused(got, "An error occurred repairing the solution: no switch can break the cycle of the lines a")
    assert await ids(served) == ["best"]


async def test_too_long_an_id_is_refused(served: Served) -> None:
    assert (await solution(served, "POST", "x" * 2000, MINE)).status == 400


# ------------------------------------------------------------------ what happens meanwhile


async def test_a_session_that_is_deleted_while_its_solution_is_evaluated_is_unknown(served: Served) -> None:
    served.worker.script.hold = asyncio.Event()
    adding = asyncio.create_task(solution(served, "POST", "mine", MINE))

    async def is_asked() -> bool:
        return (await count_rows(served.process))["reconfiguration_solution_uploads"] == 1

    await eventually(is_asked)
    assert await ids(served) == ["best"], "it is not there before it is evaluated"
    assert (await served.call("DELETE", "/api/sessions/s")).status == 200
    served.worker.script.hold.set()
    assert_refused(await adding, "session 's'", status=404)
    assert (await count_rows(served.process))["reconfiguration_pool_solutions"] == 0


async def test_changes_of_the_pool_begin_the_sessions_time_anew_and_nothing_else_does(served: Served) -> None:
    async def is_later_after(doing: Any) -> bool:  # Any: a coroutine
        before = await expires_at(served)
        assert (await doing).status < 500
        return await expires_at(served) > before

    assert await is_later_after(solution(served, "POST", "mine", MINE))
    assert await is_later_after(solution(served, "PUT", "mine", OTHER))
    assert await is_later_after(repair(served, "mine", "mended"))
    assert await is_later_after(solution(served, "DELETE", "mine"))
    assert not await is_later_after(solution(served, "POST", "mended", MINE))
    assert not await is_later_after(solution(served, "DELETE", "none"))
    assert not await is_later_after(solution(served, "GET", "mended"))
    assert not await is_later_after(solution(served, "GET", "mended/info"))
    assert not await is_later_after(set_weights(served, [{"objectiveName": "Switching cost", "weight": 3}]))


async def test_a_solution_that_never_came_to_be_is_swept(served: Served) -> None:
    served.worker.script.hold = asyncio.Event()
    adding = asyncio.create_task(solution(served, "POST", "mine", MINE))

    async def is_asked() -> bool:
        return (await count_rows(served.process))["reconfiguration_solution_uploads"] == 1

    await eventually(is_asked)
    async with served.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        long_ago = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
        await work.connection.execute(update(tables.pool_solutions).values(pending_until=long_ago))
    await served.gateway.housekeeping.sweep()
    assert (await count_rows(served.process))["reconfiguration_pool_solutions"] == 0
    served.worker.script.hold.set()
    assert (await adding).status == 503


# ------------------------------------------------------------------ weights


async def test_weights_that_are_listed_change_and_count_at_once(served: Served) -> None:
    await solution(served, "POST", "mine", MINE)
    got = await set_weights(
        served, [{"objectiveName": "Total loss (MWh)", "weight": 10}, {"OBJECTIVENAME": "KILE cost", "Weight": "0"}]
    )
    assert (got.status, got.body, got.kind) == (200, b"", "")
    assert await weights(served) == [10, 1_000, 1, 0.002, 0]
    value = 2 * 10 + 3 * 1_000 + 5 + 500 * 0.002
    assert (await served.status("s"))["bestSolutionValue"] == value
    for name in ("best", "mine"):
        assert (await solution(served, "GET", f"{name}/info")).json["objective_value"] == value


async def test_an_empty_list_and_zero_weights_are_fine(served: Served) -> None:
    assert (await set_weights(served, [])).status == 200
    names = [item["objectiveName"] for item in (await served.call("GET", "/api/sessions/s/objectiveWeights")).json]
    assert (await set_weights(served, [{"objectiveName": name, "weight": 0} for name in names])).status == 200
    assert (await served.status("s"))["bestSolutionValue"] == 0


@pytest.mark.parametrize(
    ("given", "needles"),
    [
        ([{"objectiveName": "wrong name", "weight": -1}], ("unknown", "'wrong name'")),
        ([{"objectiveName": "total loss (mwh)", "weight": 1}], ("unknown", "'total loss (mwh)'")),
        ([{"objectiveName": "KILE cost", "weight": -1}], ("negative", "'KILE cost'")),
    ],
)
async def test_one_wrong_weight_changes_none(served: Served, given: list[Any], needles: tuple[str, ...]) -> None:
    before = await weights(served)
    got = await set_weights(served, [{"objectiveName": "Total loss (MWh)", "weight": 7}, *given])
    assert_refused(got, *needles)
    assert await weights(served) == before


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (None, "$"),
        ([None], "$[0]"),
        ([{"weight": 1}], "$[0].objectiveName"),
        ([{"objectiveName": "KILE cost"}], "$[0].weight"),
        ([{"objectiveName": "KILE cost", "weight": "much"}], "$[0].weight"),
        ([{"objectiveName": "KILE cost", "weight": "Infinity"}], "$[0].weight"),
        ([{"objectiveName": "KILE cost", "weight": "NaN"}], "$[0].weight"),
        ([{"objectiveName": "KILE cost", "weight": "1_000"}], "$[0].weight"),
        ([{"objectiveName": "KILE cost", "weight": "1e999"}], "$[0].weight"),
        ([{"objectiveName": "KILE cost", "weight": 10**400}], "$[0].weight"),
        ([{"objectiveName": "KILE cost", "weight": True}], "$[0].weight"),
        ([{"objectiveName": "KILE cost", "weight": None}], "$[0].weight"),
    ],
)
async def test_weights_of_the_wrong_form_are_a_binding_error(served: Served, given: object, path: str) -> None:
    before = await weights(served)
    path_of_weights = "/api/sessions/s/objectiveWeights"
    labelled = {"Content-Type": "application/json"}
    got = await served.call("PUT", path_of_weights, data=json.dumps(given), headers=labelled)
    assert (got.status, got.kind) == (400, PROBLEM)
    assert list(got.json["errors"]) == [path]
    assert not got.json["errors"][path][0].startswith("Value error")
    assert await weights(served) == before


@pytest.mark.parametrize("given", ["12.5", " 12.5 ", "+1.25e1", 12.5])
async def test_a_weight_may_be_written_as_a_text(served: Served, given: object) -> None:
    got = await set_weights(served, [{"ObjectiveName": "KILE cost", "WEIGHT": given, "unit": "ignored"}])
    assert (got.status, (await weights(served))[-1]) == (200, 12.5)


async def test_weights_stay_while_the_session_is_optimised(served: Served) -> None:
    await served.run("s", True)
    got = await set_weights(served, [{"objectiveName": "wrong name", "weight": 1}])
    assert_refused(got, "eights cannot be set while the optimisation was running")
