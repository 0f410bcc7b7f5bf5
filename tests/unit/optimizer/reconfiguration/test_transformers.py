"""Transformers: voltages, powers and losses by hand and by an independent solver, and which ways of feeding them are right."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from scipy.optimize import fsolve

from services.optimizer.reconfiguration.appraisal import appraise
from services.optimizer.reconfiguration.connectivity import connectivity_status
from services.optimizer.reconfiguration.evaluation import Evaluation, evaluate
from services.optimizer.reconfiguration.flow import PeriodFlow
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.optimise import optimise
from services.optimizer.reconfiguration.reduction import build_problem, reduce_configuration, reduce_network
from services.optimizer.reconfiguration.repair import RepairImpossible, make_radial, repair
from services.optimizer.reconfiguration.topology import grow_trees
from shared.objective import DEFAULT_WEIGHTS
from tests.support.grids import Case, Winding, case


def evaluated(one: Case, *opened: str) -> Evaluation:
    return evaluate(
        one.grid, reduce_network(one.grid), one.demands, one.opened(list(opened)) if opened else one.opened(), None
    )


def flow_of(one: Case, *opened: str) -> PeriodFlow:
    (flow,) = evaluated(one, *opened).flows
    assert flow is not None
    return flow


def voltage(one: Case, flow: PeriodFlow, node: str) -> float:
    return float(flow.voltage_v[one.grid.node_index[node]])


def step_down(ratio: float | None = 2.0, power_factor: float = 1.0, *, is_one_way: bool = False) -> dict[str, Winding]:
    return {"T": Winding({"A": 100.0, "B": 50.0}, [("A", "B", ratio, power_factor)], is_one_way)}


@pytest.mark.parametrize("power_factor", [1.0, 0.9])
@pytest.mark.parametrize("ratio", [2.0, None])
def test_a_flow_through_a_transformer_solves_its_equations(ratio: float | None, power_factor: float) -> None:
    one = case("G 100V | L1 r=1 x=2 | A", "B | L2 r=1 x=1 | C 60W 20var", transformers=step_down(ratio, power_factor))
    flow = flow_of(one)

    def mismatch(x: np.ndarray) -> list[float]:
        """Kirchhoff's laws in the unknown voltages at A and C, the one at B following from A's."""
        v_a, v_c = complex(x[0], x[1]), complex(x[2], x[3])
        v_b = v_a / 2 if ratio else v_a / abs(v_a) * 50.0
        i_2 = (v_b - v_c) / (1 + 1j)
        into_b = v_b * np.conj(i_2)
        i_1 = (100.0 - v_a) / (1 + 2j)
        at_a = v_a * np.conj(i_1) - into_b / power_factor
        at_c = v_c * np.conj(i_2) - (60 + 20j)
        return [at_a.real, at_a.imag, at_c.real, at_c.imag]

    x = fsolve(mismatch, [100.0, 0.0, 50.0, 0.0], xtol=1e-13)
    assert voltage(one, flow, "A") == pytest.approx(abs(complex(x[0], x[1])), rel=1e-9)
    assert voltage(one, flow, "C") == pytest.approx(abs(complex(x[2], x[3])), rel=1e-9)
    lines = {line.id: k for k, line in enumerate(one.grid.lines)}
    output = lines["T -- B"]
    assert flow.loss_w[output] == pytest.approx(flow.sent_power_va[output].real * (1 - power_factor), abs=1e-12)
    assert flow.sent_power_va[lines["T -- A"]] == pytest.approx(flow.sent_power_va[output], rel=1e-12)
    assert flow.loss_w.sum() == pytest.approx(flow.sent_power_va[lines["L1"]].real - 60, rel=1e-8)


def test_an_automatic_mode_sets_the_voltage_whatever_comes_in() -> None:
    one = case("G 100V | L1 r=5 | A", "B | L2 | C 100W", transformers=step_down(None))
    assert voltage(one, flow_of(one), "B") == pytest.approx(50.0, rel=1e-12)


def test_fed_from_the_other_side_the_ratio_is_turned_round() -> None:
    one = case("G 50V | L1 | B", "A | L2 | C 10W", transformers=step_down())
    flow = flow_of(one)
    assert voltage(one, flow, "A") == pytest.approx(2 * voltage(one, flow, "B"), rel=1e-12)


def test_three_windings_share_the_power_between_two_outputs() -> None:
    windings = {"T": Winding({"A": 100.0, "B": 50.0, "D": 20.0}, [("A", "B", 2.0, 1.0), ("A", "D", 5.0, 0.8)])}
    one = case("G 100V | L1 | A", "B | L2 | C 30W", "D | L3 | E 10W", transformers=windings)
    flow = flow_of(one)
    sent = {line.id: flow.sent_power_va[k].real for k, line in enumerate(one.grid.lines)}
    assert sent["T -- A"] == pytest.approx(sent["T -- B"] + sent["T -- D"], rel=1e-12)
    assert sent["L3"] == pytest.approx(0.8 * sent["T -- D"], rel=1e-12)
    assert voltage(one, flow, "D") == pytest.approx(voltage(one, flow, "A") / 5, rel=1e-12)


def test_a_sibling_of_a_transformer_gets_its_flow_too() -> None:
    one = case("G 100V | L1 | A | L3 | E 20W", "B | L2 | C 10W", transformers=step_down())
    flow = flow_of(one)
    lines = {line.id: k for k, line in enumerate(one.grid.lines)}
    assert flow.sent_power_va[lines["L3"]].real > 20
    assert flow.sent_power_va[lines["L2"]].real > 10


def test_a_transformer_fed_against_its_only_mode_is_named_four_times() -> None:
    one = case("G 50V | L1 | B", "A | L2 | C 10W", transformers=step_down(is_one_way=True))
    evaluation = evaluated(one)
    assert evaluation.flows == (None,)
    names = [violation.name for violation in evaluation.verdict.violations]
    assert names == [
        "Consumer bus voltage limits (Iterated DF)",
        "Line voltage limits (Iterated DF)",
        "Provider capacity (Iterated DF)",
        "Transformer input/output terminals",
        "Computing a consistent flow (Iterated DF)",
        "Radial configuration",
        "Invalid tranformer modes",
    ]
    texts = {violation.name: violation.description or "" for violation in evaluation.verdict.violations}
    assert "transformer connecting A/B" in texts["Invalid tranformer modes"]
    assert "T in period 0" in texts["Transformer input/output terminals"]
    assert "not radial in periods: 0" in texts["Radial configuration"]


def test_an_unsupplied_transformer_is_never_in_error() -> None:
    one = case(
        "G 100V | L0 | D 5W",
        "G | S sw open | B",
        "A | L2 | F",
        transformers=step_down(is_one_way=True),
    )
    assert evaluated(one).verdict.is_feasible


def test_connectivity_names_transformers_that_no_setting_feeds_well() -> None:
    one = case("G 50V | S sw | B", "A | L2 | C 10W", transformers=step_down(is_one_way=True))
    status = connectivity_status(one.grid, reduce_network(one.grid))
    assert (status.ok, status.unbreakable_cycle, status.unconnectable_buses) == (False, None, None)
    assert status.invalid_transformers == ("T",)
    with pytest.raises(RepairImpossible, match="feeds every transformer"):
        repair(one.grid, reduce_network(one.grid), one.opened())


def test_repair_turns_a_misfed_transformer_round() -> None:
    # Closed as it stands, the one-way transformer is fed from B; over S2 it can be fed from A.
    one = case(
        "G 100V | S1 sw | B | L2 | C 10W",
        "G | S2 sw open | A",
        transformers=step_down(is_one_way=True),
    )
    repaired = repair(one.grid, reduce_network(one.grid), one.opened())
    opened = {line.id for line, is_open in zip(one.grid.lines, repaired.configurations[0], strict=True) if is_open}
    assert opened == {"S1"}
    assert (repaired.opened, repaired.closed) == (1, 1)
    assert connectivity_status(one.grid, reduce_network(one.grid)).ok


def all_configurations(one: Case) -> Iterator[BoolArray]:
    switches = np.flatnonzero(one.grid.is_switch)
    for states in product([False, True], repeat=switches.size):
        is_open = np.zeros(len(one.grid.lines), dtype=bool)
        is_open[switches] = states
        yield is_open


def random_case(seed: int) -> Case:
    """A small meshed grid with two transformers, some of whose modes are one-way."""
    rng = np.random.default_rng(seed)
    high, low = ["A", "B", "C"], ["D", "E", "F"]
    branches = ["G 100V | g0 sw | A", "G | g1 sw | B", "G | g2 sw | D"]
    for k, (first, second) in enumerate([("A", "B"), ("B", "C"), ("D", "E"), ("E", "F"), ("D", "F"), ("A", "C")]):
        word = "sw" if rng.random() < 0.8 else ""
        branches.append(f"{first} | s{k} {word} r={rng.uniform(0.1, 1):.3f} | {second}")
    for name in rng.choice(high + low, 3, replace=False):
        branches.append(f"{name} | c{name} r=0.1 | load{name} {rng.uniform(5, 20):.2f}W")
    windings = {}
    for name in ("T", "U"):
        ends = [str(rng.choice(high)), str(rng.choice(low))]
        if rng.random() < 0.5:
            ends.reverse()
        windings[name] = Winding(
            dict.fromkeys(ends, 100.0), [(ends[0], ends[1], 1.0, 1.0)], is_one_way=bool(rng.random() < 0.6)
        )
    return case(*branches, transformers=windings)


@pytest.mark.parametrize("seed", range(40))
def test_connectivity_repair_and_search_agree_with_trying_everything(seed: int) -> None:
    one = random_case(seed)
    reduction = reduce_network(one.grid)
    network = reduction.network
    problem = build_problem(reduction, one.demands, DEFAULT_WEIGHTS, None)
    best = np.inf
    is_possible = False
    for is_open in all_configurations(one):
        reduced = reduce_configuration(reduction, is_open)
        trees = grow_trees(network, reduced)
        if trees.allow_flow and trees.is_supplied.all():
            is_possible = True
            worth = appraise(problem, reduced[None, :])
            if worth.violation_amount == 0:
                best = min(best, worth.objective)
    status = connectivity_status(one.grid, reduction)
    if status.unconnectable_buses is None:
        assert status.ok == is_possible
    if not is_possible:
        return
    start = reduce_configuration(reduction, one.opened())
    radial = make_radial(network, start[0])
    trees = grow_trees(network, radial)
    assert trees.allow_flow
    assert trees.is_supplied.all()
    looks = iter(range(60))
    steps = optimise(
        problem, start, seed=1, should_stop=lambda: next(looks, None) is None, now=lambda: 0.0, enumeration_limit=0
    )
    found = [step.objective for step in steps]
    assert found[-1] == pytest.approx(best, rel=1e-9)
