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
from tests.support.grids import Case
from tests.support.random_grids import V_GEN, random_case
from tests.support.reference_flow import ReferenceFlow, by_pandapower, by_power_grid_model
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
