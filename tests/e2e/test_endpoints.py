"""Every row of the endpoint table of PGO's JSON API, on real services: status, content type, and what the answer consists of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest

from services.gateway.dialects.reconfiguration.routes import ROUTES
from tests.support.eventually import eventually
from tests.support.feeders import solution_of, two_feeders
from tests.support.pgo import Answer, PgoClient, as_body

JSON, TEXT = "application/json; charset=utf-8", "text/plain; charset=utf-8"
FEEDER = two_feeders(imax=400.0)
PLAN = solution_of(FEEDER)
NAMES = [
    "Total loss (MWh)",
    "IMax violation (Ah)",
    "IMax(50.0%) violation (Ah)",
    "Switching cost",
    "KILE cost",
]
# Properties in the order in which they are shown.
NODE = "id type consumer_type consumer_type_fractions v_min v_max v_gen p_gen_max p_gen_min q_gen_max q_gen_min coordinates"
LINE = "id source target r x imax vmax switchable switching_cost breaker fault_frequency sectioning_time repair_time"
STATUS = "id networkId optimizationIsRunning bestSolutionValue bestInfeasibleSolutionValue solutionIds"
INFO = "is_feasible is_optimal objective_value objective_components period_information violations bound gap proof"
FLOW = "period_id status status_details voltages currents injected_power"

Judge = Callable[[Answer], bool]


def is_empty(answer: Answer) -> bool:
    return answer.body == b"" and answer.headers["Content-Length"] == "0" and "Content-Type" not in answer.headers


def has_keys(*keys: str) -> Judge:
    return lambda answer: list(answer.json()) == list(keys)


def is_grid(answer: Answer) -> bool:
    grid = answer.json()
    consumer, line = grid["nodes"][1], grid["lines"][0]
    return (
        list(grid) == ["name", "@schema_version", "nodes", "lines", "transformers"]
        and (" ".join(consumer), " ".join(line)) == (NODE, LINE)
        and (consumer["consumer_type"], consumer["v_max"], line["vmax"]) == ("undefined", "Infinity", "Infinity")
        and (line["fault_frequency"], line["sectioning_time"], line["switching_cost"]) == (0.0, "PT0S", 0.0)
    )


def is_solution(answer: Answer) -> bool:
    found = answer.json()
    [settings], [flow], [costs] = found["period_solutions"], found["flows"], found["kile_costs"]
    return (
        list(found) == ["period_solutions", "flows", "kile_costs"]
        # Closed switches before open ones.
        and settings["switch_settings"] == [{"line_id": "L2", "open": False}, {"line_id": "L1", "open": True}]
        and (" ".join(flow), flow["status"], list(flow["voltages"])) == (FLOW, "exact", ["G", "C"])
        and [one["line_id"] for one in flow["currents"]["G"]] == ["L2"]
        and costs == {"period_id": "0", "expected_costs": {"C": 0.0}}
    )


def is_info(answer: Answer) -> bool:
    found = answer.json()
    components = found["objective_components"]
    return (
        " ".join(found) == INFO
        and [one["name"] for one in components] == NAMES
        and found["objective_value"] == pytest.approx(sum(one["value"] * one["weight"] for one in components))
        and (found["is_feasible"], found["violations"]) == (True, [])
        and [list(one) for one in found["period_information"]] == [["period", "changed_switches"]]
    )


def is_status(answer: Answer) -> bool:
    found = answer.json()
    return (" ".join(found), found["solutionIds"], found["networkId"]) == (STATUS, ["mine", "best"], "grid")


def lists_weights(answer: Answer) -> bool:
    wanted = zip(NAMES, (1_000_000.0, 1000.0, 1.0, 0.002, 1.0), strict=True)
    return bool(answer.json() == [{"objectiveName": name, "weight": weight} for name, weight in wanted])


def lists_demands(answer: Answer) -> bool:
    [loads] = answer.json()["loads"]
    keys = ["@schema_version", "periods", "loads"]
    return (list(answer.json()), loads) == (keys, {"node_id": "C", "p_loads": [0.5], "q_loads": [0.1]})


def form(*files: tuple[str, Any], **texts: str) -> Callable[[], aiohttp.FormData]:  # Any: JSON
    """Makes a form anew each time, as one can be sent once."""

    def made() -> aiohttp.FormData:
        fields = aiohttp.FormData()
        for name, text in texts.items():
            fields.add_field(name, text)
        for name, document in files:
            fields.add_field(name, as_body(document), filename=f"{name}.json")
        return fields

    return made


@dataclass(frozen=True)
class Row:
    """One row of the table, as the route table names it, and one request for it."""

    route: str
    path: str
    kind: str | None
    judge: Judge
    body: object = None  # a form to be made, or JSON
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


NEW_SESSION = form(("demands", FEEDER.demands), ("startConfiguration", FEEDER.start), networkId="grid")
SESSION = "/api/sessions/{session_id}"
SOLUTION = f"{SESSION}/solutions/{{solution_id}}"
ROWS = (
    Row("GET /api/server", "/api/server", JSON, has_keys("networks", "sessions")),
    Row(
        "GET /api/identity/quotas",
        "/api/identity/quotas",
        JSON,
        has_keys("networkLimit", "sessionLimit", "optimizationTimeout", "sessionTimeout", "networkMaxSize"),
    ),
    Row(
        "POST /api/networks/{network_id}",
        "/api/networks/Demo%20network%20(2)",
        JSON,
        lambda answer: (
            (answer.json(), answer.headers["Location"])
            == ({"id": "Demo network (2)"}, "/api/networks/Demo%20network%20%282%29")
        ),
        form(("networkDescription", FEEDER.network)),
        201,
    ),
    Row("GET /api/networks/{network_id}", "/api/networks/grid", JSON, is_grid),
    Row("GET /api/networks/{network_id}", "/API/Networks/grid/", JSON, is_grid),
    Row(
        "GET /api/networks/{network_id}/analysis",
        "/api/networks/grid/analysis?verbose=true",
        TEXT,
        lambda answer: "Number of nodes = 2" in answer.text and "Potential for aggregation:" in answer.text,
    ),
    Row(
        "GET /api/networks/{network_id}/connectivityStatus",
        "/api/networks/grid/connectivityStatus",
        JSON,
        has_keys("ok", "unbreakable_cycle", "unconnectable_buses", "invalid_transformers"),
    ),
    Row("DELETE /api/networks/{network_id}", "/api/networks/grid", None, is_empty),
    Row(
        f"POST {SESSION}",
        "/api/sessions/next%20day",
        JSON,
        lambda answer: (answer.json(), answer.headers["Location"]) == ({"id": "next day"}, "/api/sessions/next%20day"),
        NEW_SESSION,
        201,
    ),
    Row(f"GET {SESSION}", "/api/sessions/today", JSON, is_status),
    Row(f"PUT {SESSION}/runOptimization", "/api/sessions/today/runOptimization", None, is_empty, True),
    Row(f"PUT {SESSION}/runOptimization", "/api/sessions/today/runOptimization", None, is_empty, False),
    Row(f"GET {SESSION}/demands", "/api/sessions/today/demands", JSON, lists_demands),
    Row(f"GET {SESSION}/bestSolution", "/api/sessions/today/bestSolution", JSON, is_solution),
    Row(f"GET {SESSION}/bestSolutionInfo", "/api/sessions/today/bestSolutionInfo", JSON, is_info),
    Row(f"DELETE {SESSION}", "/api/sessions/today", None, is_empty),
    Row(f"GET {SESSION}/objectiveWeights", "/api/sessions/today/objectiveWeights", JSON, lists_weights),
    Row(
        f"PUT {SESSION}/objectiveWeights",
        "/api/sessions/today/objectiveWeights",
        None,
        is_empty,
        [{"objectiveName": "KILE cost", "weight": 2}],
    ),
    Row(f"GET {SOLUTION}", "/api/sessions/today/solutions/mine", JSON, is_solution),
    Row(f"GET {SOLUTION}", "/api/sessions/today/solutions/best", JSON, is_solution),
    Row(f"POST {SOLUTION}", "/api/sessions/today/solutions/best%20(edited)", None, is_empty, PLAN),
    Row(f"PUT {SOLUTION}", "/api/sessions/today/solutions/mine", None, is_empty, PLAN),
    Row(f"DELETE {SOLUTION}", "/api/sessions/today/solutions/mine", None, is_empty),
    Row(f"GET {SOLUTION}/info", "/api/sessions/today/solutions/mine/info", JSON, is_info),
    Row(
        f"POST {SOLUTION}/repair/{{new_id}}",
        "/api/sessions/today/solutions/mine/repair/mended",
        TEXT,
        lambda answer: re.findall(r"\d+", answer.text) == ["0", "0"],
        headers={"Content-Type": "text/plain"},
    ),
)


def test_every_route_has_its_row() -> None:
    assert {row.route for row in ROWS} == {route.name for route in ROUTES}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.route.split()[0]} {row.path}")
async def test_each_row_of_the_endpoint_table_answers_as_it_says(row: Row, server_client: PgoClient) -> None:
    (await server_client.load_network("grid", FEEDER.network)).expect(201)
    (await server_client.create_session("today", "grid", FEEDER.demands, FEEDER.start)).expect(201)
    labelled = {"Content-Type": "application/json; charset=utf-8"}
    plan = orjson.dumps(PLAN)
    (await server_client.request("POST", "/api/sessions/today/solutions/mine", data=plan, headers=labelled)).expect(200)
    body, headers = row.body, row.headers
    if callable(body):
        body = body()
    elif body is not None:
        body, headers = orjson.dumps(body), labelled
    answer = await server_client.request(row.route.split()[0], row.path, data=body, headers=headers)
    answer.expect(row.status)
    assert answer.headers.get("Content-Type") == row.kind
    assert row.judge(answer), answer.text


@pytest.mark.parametrize(
    "name", ["provider-consumer-example", "provider-transformer-consumer-example", "two-providers-consumer"]
)
async def test_the_examples_make_sessions_as_they_are_served(server_client: PgoClient, name: str) -> None:
    grid = (await server_client.request("GET", f"/examples/doc-{name}.json")).expect(200)
    given = (await server_client.request("GET", "/examples/doc-example_forecast.json")).expect(200)
    (await server_client.load_network("example", grid.body)).expect(201)
    (await server_client.create_session("year", "example", given.body)).expect(201)
    assert (await server_client.connectivity("example")).expect(200).json()["ok"]
    (await server_client.start("year")).expect(200)
    await eventually(lambda: _is_feasible(server_client), within=60, every=0.1)
    (await server_client.stop("year")).expect(200)


async def _is_feasible(client: PgoClient) -> bool:
    return bool((await client.best_info("year")).expect(200).json()["is_feasible"])
