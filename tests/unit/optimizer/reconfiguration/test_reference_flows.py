"""Our flows against two independent programs on random grids, and against the laws of circuits.

The programs solve the whole grid, meshed by its lines in parallel and with every chain and dead end; ours solves the
reduced network and expands. Agreement therefore checks the reduction, the power flow and the expansion at once.
"""

from __future__ import annotations

import numpy as np
import pytest

from services.optimizer.reconfiguration.evaluation import evaluate
from services.optimizer.reconfiguration.flow import FlowStatus, PeriodFlow
from services.optimizer.reconfiguration.network import BusKind, ComplexArray
from services.optimizer.reconfiguration.reduction import Reduction, reduce_network
from tests.support.grids import Case, Winding, case
from tests.support.random_grids import V_GEN, random_case
from tests.support.reference_flow import Coupling, ReferenceFlow, by_pandapower, by_power_grid_model
from tests.support.seeds import new_seed

LOSS_TOLERANCE = 1e-6  # relative
VOLTAGE_TOLERANCE = 1e-7 * V_GEN


def solved(given: Case) -> tuple[Reduction, PeriodFlow]:
    reduction = reduce_network(given.grid)
    (flow,) = evaluate(given.grid, reduction, given.demands, given.opened(), None).flows
    assert flow is not None
    assert flow.status is FlowStatus.EXACT
    return reduction, flow


def demand_va(given: Case) -> ComplexArray:
    demand: ComplexArray = (given.demands.p_w + 1j * given.demands.q_var)[0]
    return demand


def assert_same(flow: PeriodFlow, reference: ReferenceFlow) -> None:
    assert flow.loss_w.sum() == pytest.approx(reference.loss_w.sum(), rel=LOSS_TOLERANCE)
    assert flow.voltage_v == pytest.approx(reference.voltage_v, abs=VOLTAGE_TOLERANCE)
    assert flow.current_a == pytest.approx(reference.current_a, abs=1e-6)
    sent = np.where(flow.from_source, reference.power_from_source_va, reference.power_from_target_va)
    assert np.abs(flow.sent_power_va - sent).max() < 0.1  # W, of flows of hundreds of kW


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize(("providers", "cut"), [(1, 0.0), (2, 0.1), (3, 0.3)])
def test_grid_with_everything_agrees_with_power_grid_model(number: int, providers: int, cut: float) -> None:
    given = random_case(new_seed("grid") + number, 60, providers=providers, cut=cut, parallels=16)
    _, flow = solved(given)
    assert_same(flow, by_power_grid_model(given.grid, demand_va(given), given.is_open))


def test_random_grids_do_reduce() -> None:
    reduction, _ = solved(random_case(4711, 60, parallels=16))
    network = reduction.network
    assert network.source.size < 0.7 * reduction.reduced_line_of_line.size
    assert reduction.middle_node.size > 5
    assert reduction.hung_node.size > 5
    assert ((network.part_share != 1) & (network.part_share != 0)).sum() > 10


@pytest.mark.parametrize("number", range(3))
def test_radial_feeder_agrees_with_pandapower(number: int) -> None:
    given = random_case(new_seed("feeder") + number, 40, parallels=0, consumers=0.8)
    _, flow = solved(given)
    assert_same(flow, by_pandapower(given.grid, demand_va(given), given.is_open))


@pytest.mark.parametrize("number", range(4))
def test_transformers_in_a_row_and_with_three_windings_agree_with_pandapower(number: int) -> None:
    rng = np.random.default_rng(new_seed("transformers") + number)

    def line(name: str, scale: float) -> str:
        return f"{name} r={scale * rng.uniform(0.2, 1.0):.4f} x={scale * rng.uniform(0.2, 2.0):.4f}"

    def load(name: str, watts: float) -> str:
        return f"{name} {watts * rng.uniform(0.3, 1.0):.1f}W {watts * rng.uniform(-0.2, 0.5):.1f}var"

    ratios = {out: float(rng.uniform(0.95, 1.05)) * n for out, n in {"h1": 20.0, "h2": 2.0, "k1": 2.5}.items()}
    given = case(
        f"G 20000V | {line('l1', 5)} | a | {line('l2', 5)} | {load('B', 200e3)}",
        f"h1 | {line('z1', 0.05)} | c | {line('l3', 0.05)} | {load('D', 30e3)}",
        f"h2 | {line('z2', 5)} | {load('E', 150e3)}",
        f"c | {line('l4', 0.05)} | f",
        f"k1 | {line('z3', 0.02)} | {load('H', 10e3)} | {line('l5', 0.02)} | {load('I', 5e3)}",
        transformers={
            "T": Winding(
                {"h1": 1e3, "a": 2e4, "h2": 1e4}, [("a", "h1", ratios["h1"], 1.0), ("a", "h2", ratios["h2"], 1.0)]
            ),
            "U": Winding({"f": 1e3, "k1": 400.0}, [("k1", "f", 1 / ratios["k1"], 1.0)]),  # fed against its mode
        },
    )
    node, lines = given.grid.node_index, given.grid.line_index
    couplings = [
        Coupling(node[source], lines[behind], ratios[out])
        for source, out, behind in (("a", "h1", "z1"), ("a", "h2", "z2"), ("f", "k1", "z3"))
    ]
    nominal_kv = {"G": 20.0, "a": 20.0, "B": 20.0, "h2": 10.0, "E": 10.0, "k1": 0.4, "H": 0.4, "I": 0.4}
    nominal = np.array([nominal_kv.get(each.id, 1.0) for each in given.grid.nodes])
    _, flow = solved(given)
    reference = by_pandapower(given.grid, demand_va(given), given.is_open, couplings, nominal)
    known = reference.voltage_v > 0
    assert int(known.sum()) == len(given.grid.document_nodes) - len(couplings)
    assert flow.voltage_v[known] == pytest.approx(reference.voltage_v[known], rel=1e-7)
    carrying = [lines[each] for each in ("l1", "l2", "l3", "l4", "l5")]
    assert flow.current_a[carrying] == pytest.approx(reference.current_a[carrying], rel=1e-7)
    assert flow.loss_w[carrying] == pytest.approx(reference.loss_w[carrying], rel=LOSS_TOLERANCE)
    assert flow.loss_w.sum() == pytest.approx(reference.injection_w - demand_va(given).real.sum(), rel=LOSS_TOLERANCE)


@pytest.mark.parametrize("number", range(5))
def test_power_balances_at_every_node(number: int) -> None:
    given = random_case(new_seed("balance") + number, 80, providers=2, cut=0.1)
    _, flow = solved(given)
    grid = given.grid
    sending = np.where(flow.from_source, grid.line_source, grid.line_target)
    receiving = grid.line_source + grid.line_target - sending
    z = np.array([complex(line.r_ohm, line.x_ohm) for line in grid.lines])
    arriving = flow.sent_power_va - z * flow.current_a**2
    balance = np.zeros(len(grid.nodes), dtype=complex)
    np.add.at(balance, sending, -flow.sent_power_va)
    np.add.at(balance, receiving, arriving)
    is_supplied = flow.voltage_v > 0
    is_checked = is_supplied & np.array([node.kind is not BusKind.PROVIDER for node in grid.nodes])
    assert np.abs((balance - demand_va(given))[is_checked]).max() < 1e-3  # W
    assert not balance[~is_supplied].any()


@pytest.mark.parametrize("number", range(5))
def test_voltage_drop_follows_from_the_power_sent(number: int) -> None:
    given = random_case(new_seed("drop") + number, 80)
    _, flow = solved(given)
    grid = given.grid
    sending = np.where(flow.from_source, grid.line_source, grid.line_target)
    receiving = grid.line_source + grid.line_target - sending
    z = np.array([complex(line.r_ohm, line.x_ohm) for line in grid.lines])
    carries = flow.current_a > 0
    v = flow.voltage_v[sending][carries]
    dropped = np.abs(v - z[carries] * np.conj(flow.sent_power_va[carries] / v))
    assert flow.voltage_v[receiving][carries] == pytest.approx(dropped, rel=1e-9)
    assert flow.current_a[carries] == pytest.approx(np.abs(flow.sent_power_va[carries]) / v, rel=1e-9)
