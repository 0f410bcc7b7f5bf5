"""What a user of the reconfiguration API does, from loading a network to deleting it, against real processes."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

import pytest

from tests.support.eventually import eventually
from tests.support.feeders import baran_wu_33, demands, lattice, two_feeders
from tests.support.pgo import PgoClient, open_lines

# Baran and Wu (1989) print 202.68 kW for today's configuration; 139.55 kW is the smallest of its 50,751 radial configurations.
LOSS_BEFORE_KW = 202.677
LOSS_AFTER_KW = 139.551
OPEN_BEFORE = ["33", "34", "35", "36", "37"]
OPEN_AFTER = ["7", "9", "14", "32", "37"]

OBJECTIVES = {
    "Total loss (MWh)": 1_000_000,
    "IMax violation (Ah)": 1_000,
    "IMax(50.0%) violation (Ah)": 1,
    "Switching cost": 0.002,
    "KILE cost": 1,
}


async def loaded_baran_wu(client: PgoClient) -> None:
    feeder = baran_wu_33()
    (await client.load_network("feeder", feeder.network)).expect(201)
    (await client.create_session("today", "feeder", feeder.demands, feeder.start)).expect(201)


async def test_a_network_is_loaded_read_back_and_described(client: PgoClient) -> None:
    feeder = baran_wu_33()
    created = (await client.load_network("33 buses (1989)", feeder.network)).expect(201)
    assert created.json() == {"id": "33 buses (1989)"}
    assert unquote(created.headers["Location"]) == "/api/networks/33 buses (1989)"
    kept = (await client.network("33 buses (1989)")).expect(200).json()
    assert [node["id"] for node in kept["nodes"]] == [node["id"] for node in feeder.network["nodes"]]
    assert [line["id"] for line in kept["lines"]] == [line["id"] for line in feeder.network["lines"]]
    assert kept["lines"][0]["r"] == pytest.approx(0.0922, rel=1e-12)
    report = (await client.analysis("33 buses (1989)")).expect(200)
    assert report.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "33" in report.text and "37" in report.text
    assert (await client.connectivity("33 buses (1989)")).expect(200).json() == {
        "ok": True,
        "unbreakable_cycle": None,
        "unconnectable_buses": None,
        "invalid_transformers": None,
    }
    assert (await client.server()).json() == {"networks": ["33 buses (1989)"], "sessions": []}


async def test_a_new_session_shows_todays_configuration(client: PgoClient) -> None:
    await loaded_baran_wu(client)
    status = (await client.session("today")).expect(200).json()
    assert status["bestSolutionValue"] == pytest.approx(LOSS_BEFORE_KW * 1000, rel=1e-5)
    assert {key: status[key] for key in status if key != "bestSolutionValue"} == {
        "id": "today",
        "networkId": "feeder",
        "optimizationIsRunning": False,
        "bestInfeasibleSolutionValue": None,
        "solutionIds": ["best"],
    }
    solution = (await client.best("today")).expect(200).json()
    assert open_lines(solution) == OPEN_BEFORE
    [flow] = solution["flows"]
    assert min(flow["voltages"].values()) == pytest.approx(0.91309 * 12.66, rel=1e-4)
    losses = [current["thermal_loss"] for node in flow["injected_power"].values() for current in node]
    assert sum(losses) == pytest.approx(LOSS_BEFORE_KW / 1000, rel=1e-4)
    in_effect = (await client.demands("today")).expect(200).json()
    assert len(in_effect["loads"]) == 32
    weights = (await client.weights("today")).expect(200).json()
    assert {entry["objectiveName"]: entry["weight"] for entry in weights} == OBJECTIVES


async def test_a_run_finds_and_proves_the_optimum_and_ends_when_asked(client: PgoClient) -> None:
    await loaded_baran_wu(client)
    (await client.start("today")).expect(200)
    assert await client.is_running("today")
    info = await client.proven("today", within=20)
    assert info["objective_value"] == pytest.approx(LOSS_AFTER_KW * 1000, rel=1e-5)
    assert info["is_feasible"] and info["violations"] == []
    assert info["proof"] == "enumerated"
    assert 0 <= info["gap"] < 1e-6
    assert info["bound"] == pytest.approx(info["objective_value"], rel=1e-6)
    assert [entry["name"] for entry in info["objective_components"]] == list(OBJECTIVES)
    # A proof does not end the run: clients expect to see it running until they stop it.
    assert await client.is_running("today")
    (await client.stop("today")).expect(200)
    assert not await client.is_running("today")
    assert open_lines((await client.best("today")).expect(200).json()) == OPEN_AFTER
    assert (await client.session("today")).json()["bestSolutionValue"] == info["objective_value"]


async def test_starting_twice_and_stopping_twice_change_nothing(client: PgoClient) -> None:
    await loaded_baran_wu(client)
    (await client.stop("today")).expect(200)
    for _ in range(2):
        (await client.start("today")).expect(200)
    await client.proven("today", within=20)
    for _ in range(2):
        (await client.stop("today")).expect(200)
    assert not await client.is_running("today")
    (await client.start("today")).expect(200)
    assert await client.is_running("today")
    (await client.stop("today")).expect(200)


async def test_without_a_start_configuration_all_switches_are_closed_and_a_run_repairs_that(client: PgoClient) -> None:
    feeder = two_feeders()
    (await client.load_network("two", feeder.network)).expect(201)
    (await client.create_session("s", "two", feeder.demands)).expect(201)
    status = (await client.session("s")).json()
    assert status["bestSolutionValue"] is None and status["bestInfeasibleSolutionValue"] is not None
    info = (await client.best_info("s")).json()
    assert not info["is_feasible"]
    assert "Radial configuration" in [violation["name"] for violation in info["violations"]]
    assert open_lines((await client.best("s")).json()) == []
    (await client.start("s")).expect(200)
    await client.proven("s", within=20)
    (await client.stop("s")).expect(200)
    # The line with twice the resistance is the one to open.
    assert open_lines((await client.best("s")).json()) == ["L2"]


async def test_the_best_solution_never_gets_worse_while_a_run_goes_on(client: PgoClient) -> None:
    feeder = lattice(8, 8, seed=1)
    (await client.load_network("streets", feeder.network)).expect(201)
    (await client.create_session("s", "streets", feeder.demands, feeder.start)).expect(201)
    values = [(await client.session("s")).json()["bestSolutionValue"]]
    (await client.start("s")).expect(200)
    for _ in range(30):
        values.append((await client.session("s")).json()["bestSolutionValue"])
        await asyncio.sleep(0.05)
    (await client.stop("s")).expect(200)
    final = (await client.session("s")).json()["bestSolutionValue"]
    assert values == sorted(values, reverse=True)
    assert final <= values[-1] < values[0]
    # What is reported is what the document says: its own losses add up to the objective.
    [flow] = (await client.best("s")).json()["flows"]
    losses = [power["thermal_loss"] for node in flow["injected_power"].values() for power in node]
    components = {c["name"]: c["value"] for c in (await client.best_info("s")).json()["objective_components"]}
    assert sum(losses) == pytest.approx(components["Total loss (MWh)"], rel=1e-6)


async def test_deleting_a_running_session_frees_its_name_at_once(client: PgoClient) -> None:
    await loaded_baran_wu(client)
    (await client.start("today")).expect(200)
    (await client.delete_session("today")).expect(200)
    (await client.session("today")).expect(404)
    feeder = baran_wu_33()
    (await client.create_session("today", "feeder", feeder.demands, feeder.start)).expect(201)
    status = (await client.session("today")).json()
    assert not status["optimizationIsRunning"]
    assert status["bestSolutionValue"] == pytest.approx(LOSS_BEFORE_KW * 1000, rel=1e-5)


async def test_deleting_a_network_takes_its_sessions_along(client: PgoClient) -> None:
    await loaded_baran_wu(client)
    (await client.start("today")).expect(200)
    (await client.delete_network("feeder")).expect(200)
    (await client.session("today")).expect(404)
    (await client.network("feeder")).expect(400)
    assert (await client.server()).json() == {"networks": [], "sessions": []}


async def test_of_many_uploads_under_one_name_exactly_one_wins(client: PgoClient) -> None:
    feeder = two_feeders()
    answers = await asyncio.gather(*(client.load_network("one", feeder.network) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [400] * 7
    assert all("one" in answer.text and "already loaded" in answer.text for answer in answers if answer.status == 400)
    answers = await asyncio.gather(*(client.create_session("s", "one", feeder.demands) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [400] * 7
    assert all("already exists" in answer.text for answer in answers if answer.status == 400)
    assert len((await client.server()).json()["sessions"]) == 1


async def test_every_period_gets_a_configuration_of_its_own(client: PgoClient) -> None:
    feeder = two_feeders()
    (await client.load_network("two", feeder.network)).expect(201)
    (await client.create_session("s", "two", demands({"C": (0.5, 0.1)}, periods=3), feeder.start)).expect(201)
    (await client.start("s")).expect(200)

    async def is_best_everywhere() -> bool:
        solution = (await client.best("s")).expect(200).json()
        opened = [
            [setting["line_id"] for setting in period["switch_settings"] if setting["open"]]
            for period in solution["period_solutions"]
        ]
        return opened == [["L2"]] * 3

    await eventually(is_best_everywhere, within=20)
    (await client.stop("s")).expect(200)
    info = (await client.best_info("s")).json()
    assert [entry["period"]["id"] for entry in info["period_information"]] == ["0", "1", "2"]
    # Both switches move before the first period, none later.
    assert [entry["changed_switches"] for entry in info["period_information"]] == [2, 0, 0]
