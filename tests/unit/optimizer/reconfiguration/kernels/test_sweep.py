"""The power flow of the search is the one that is reported, with loads up to far too heavy."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from services.optimizer.reconfiguration.expansion import ReducedFlow, solve_reduced
from services.optimizer.reconfiguration.kernels.distflow import CONVERGED, DROP_EXCEEDS_VOLTAGE, LOSS_EXCEEDS_POWER
from services.optimizer.reconfiguration.kernels.enumeration import judge
from services.optimizer.reconfiguration.kernels.layout import Room, Tables
from services.optimizer.reconfiguration.kernels.sweep import FAILED_FLOW, REJECTED, sweep
from services.optimizer.reconfiguration.reduction import build_problem, reduce_network
from services.optimizer.reconfiguration.tables import empty_room, lay_out
from services.optimizer.reconfiguration.topology import grow_trees
from tests.support.grids import Case, case
from tests.support.seeds import new_seed

ONLY_LOSS = (1e6, 0.0, 0.0, 0.0, 0.0)  # in MWh, of an hour: the objective is in W
TREES = 300


def random_tree(seed: int) -> Case:
    """One provider, loads from light to far too heavy, of which some may generate or some be capacitive.

    With heavy loads that do both, a round in squared magnitudes may fail where the same round in complex numbers just does not.
    """
    rng = np.random.default_rng(seed)
    scale = 10 ** rng.uniform(2.0, 5.5)
    least_p, least_q = [(0.0, 0.0), (-1.0, 0.0), (0.0, -0.6)][rng.integers(3)]
    described = {"G": "G 1000V"}
    branches = []
    for k in range(int(rng.integers(1, 16))):
        parent = list(described)[max(0, k - int(rng.integers(3)))]
        described[f"C{k}"] = f"C{k} {scale * rng.uniform(least_p, 1):.3f}W {scale * rng.uniform(least_q, 0.6):.3f}var"
        branches.append(
            f"{described[parent]} | l{k} r={rng.uniform(0, 2):.4f} x={rng.uniform(0, 2):.4f} | {described[f'C{k}']}"
        )
    return case(*branches)


def judged(given: Case) -> tuple[Tables, Room, float, float]:
    """Violation amount, objective, and the room in which they were computed."""
    problem = build_problem(reduce_network(given.grid), given.demands, ONLY_LOSS, None)
    tables = lay_out(problem)
    room = empty_room(tables)
    return tables, room, *judge(tables, room, 0, np.zeros(tables.lines.size, dtype=np.bool_))


def reported(given: Case) -> ReducedFlow:
    """The flow that is reported, itself compared with its definition written out bus by bus elsewhere."""
    network = reduce_network(given.grid).network
    trees = grow_trees(network, np.zeros(network.source.size, dtype=np.bool_))
    return solve_reduced(network, trees, given.demands.p_w[0], given.demands.q_var[0])


def test_losses_voltages_and_failures_are_those_that_are_reported() -> None:
    seed = new_seed("sweeps")
    seen: Counter[int] = Counter()
    for number in range(TREES):
        given = random_tree(seed + number)
        flow = reported(given)
        tables, room, violation, objective = judged(given)
        seen[int(flow.outcome[0])] += 1
        assert (violation >= FAILED_FLOW) == (flow.outcome[0] != CONVERGED), number
        if flow.outcome[0] != CONVERGED:
            continue
        # Either is computed to 1e-10 of the injected power.
        error = 1e-9 * float(abs(flow.injection_va[0]))
        loss = float((tables.lines["r"] * np.abs(flow.current_a) ** 2).sum())
        assert objective == pytest.approx(loss, abs=error)
        seats = room.seats[: tables.buses.size]
        assert seats[0]["flow_p"] == pytest.approx(flow.injection_va[0].real, abs=error)
        assert seats[0]["flow_q"] == pytest.approx(flow.injection_va[0].imag, abs=error)
        fed = seats[1:]
        assert fed["v2"] == pytest.approx(np.abs(flow.voltage_v[fed["bus"]]) ** 2, rel=1e-8)
        assert fed["flow_p"] == pytest.approx(flow.power_va[fed["line"]].real, abs=error)
        assert fed["flow_q"] == pytest.approx(flow.power_va[fed["line"]].imag, abs=error)
        assert np.sqrt(fed["current2"]) == pytest.approx(np.abs(flow.current_a[fed["line"]]), abs=error / 1000)
    assert seen[CONVERGED] > TREES / 4
    assert seen[DROP_EXCEEDS_VOLTAGE] + seen[LOSS_EXCEEDS_POWER] > TREES / 10


def test_a_feeder_with_ordinary_losses_takes_half_the_rounds_of_the_definition() -> None:
    given = case("G 1000V | a r=0.5 x=0.5 | A 20000W | b r=0.5 x=0.5 | B 20000W | c r=0.5 x=0.5 | C 20000W")
    tables, room, *_ = judged(given)
    room.work[0] = 0
    sweep(room, 1, tables.buses.size, np.inf)
    assert room.work[0] / tables.buses.size <= 0.5 * reported(given).rounds[0]


def test_it_is_given_up_where_the_losses_exceed_what_is_allowed_and_nowhere_else() -> None:
    given = case("G 100V | L r=2 | C 300W")
    # The current solves 100 V i - 2 ohm i² = 300 W: i = 3.20551 A, with losses of 20.5505 W.
    tables, room, *_ = judged(given)
    assert sweep(room, 1, tables.buses.size, 20.5504)[0] == REJECTED
    status, loss = sweep(room, 1, tables.buses.size, 20.5506)
    assert status != REJECTED
    assert loss == pytest.approx(20.5505, abs=1e-4)


def test_reactive_power_without_any_active_power_fails_as_defined() -> None:
    given = case("G 1000V | L r=1 x=1 | C 0W 100var")
    assert reported(given).outcome.tolist() == [LOSS_EXCEEDS_POWER]
    assert judged(given)[2] >= FAILED_FLOW
