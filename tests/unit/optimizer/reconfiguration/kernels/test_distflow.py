"""The compiled power flow by itself: closed forms, and when and how it gives up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.optimizer.reconfiguration.expansion import ReducedFlow, solve_reduced
from services.optimizer.reconfiguration.kernels.distflow import (
    CONVERGED,
    DROP_EXCEEDS_VOLTAGE,
    LOSS_EXCEEDS_POWER,
    MAX_ROUNDS,
    TOO_MANY_ROUNDS,
)
from services.optimizer.reconfiguration.reduction import reduce_demands, reduce_network
from services.optimizer.reconfiguration.topology import grow_trees
from tests.support.grids import Case, case


def flow_of(given: Case) -> ReducedFlow:
    reduction = reduce_network(given.grid)
    trees = grow_trees(reduction.network, given.is_open[reduction.representative_line])
    p_w, q_var = reduce_demands(reduction, given.demands)
    return solve_reduced(reduction.network, trees, p_w[0], q_var[0])


def test_two_buses_match_the_solution_of_the_quadratic_equation() -> None:
    flow = flow_of(case("G 100V | L r=2 | C 300W"))
    receiving = (100 + math.sqrt(100**2 - 4 * 2 * 300)) / 2
    assert flow.outcome.tolist() == [CONVERGED]
    assert flow.voltage_v[1] == pytest.approx(receiving, rel=1e-10)
    assert flow.current_a[0] == pytest.approx(300 / receiving, rel=1e-10)
    assert flow.injection_va[0] == pytest.approx(100 * 300 / receiving, rel=1e-10)


def test_a_reactance_turns_the_voltage() -> None:
    flow = flow_of(case("G 100V | L r=0 x=4 | C 300W"))
    # Without resistance the active power is V1 V2 sin(angle) / x.
    angle = -np.angle(flow.voltage_v[1])
    assert 100 * abs(flow.voltage_v[1]) * math.sin(angle) / 4 == pytest.approx(300, rel=1e-9)
    assert flow.injection_va[0].real == pytest.approx(300, rel=1e-12)


def test_no_demand_takes_one_round() -> None:
    flow = flow_of(case("G 100V | L | C 0W"))
    assert flow.rounds.tolist() == [1]
    assert flow.outcome.tolist() == [CONVERGED]
    assert flow.voltage_v.tolist() == [100, 100]


def test_lossless_lines_take_two_rounds() -> None:
    assert flow_of(case("G 100V | L r=0 | C 5W")).rounds.tolist() == [2]


@pytest.mark.parametrize(
    ("text", "rounds"),
    [
        ("G 22000V | L r=1 x=1 | C 500000W", 5),
        ("G 100V | L r=1 | C 1W", 4),
    ],
)
def test_rounds_until_the_injection_stands_still(text: str, rounds: int) -> None:
    assert flow_of(case(text)).rounds.tolist() == [rounds]


def test_loss_beyond_the_power_delivered_ends_the_flow() -> None:
    # 200 W is the most that 1250 ohm can deliver at 1000 V; a further ohm makes it a little too much.
    flow = flow_of(case("G 1000V | L r=1250 | A 100W | M | B 100W"))
    assert flow.outcome.tolist() == [LOSS_EXCEEDS_POWER]
    assert flow.rounds.tolist() == [220]


def test_drop_beyond_the_voltage_ends_the_flow_in_the_first_round() -> None:
    flow = flow_of(case("G 100V | L r=1000 | C 100W"))
    assert flow.outcome.tolist() == [DROP_EXCEEDS_VOLTAGE]
    assert flow.rounds.tolist() == [1]


def test_voltage_that_vanishes_exactly_fails_with_finite_numbers() -> None:
    flow = flow_of(case("G 100V | L r=100 | A 100W | M | B 0W"))
    assert flow.outcome.tolist() == [DROP_EXCEEDS_VOLTAGE]
    assert np.isfinite(flow.voltage_v).all()
    assert np.isfinite(flow.current_a).all()


def test_a_flow_at_the_limit_of_what_a_line_can_carry_ends_after_the_last_round() -> None:
    flow = flow_of(case("G 1000V | L r=1250 | C 200W"))
    assert flow.rounds[0] == MAX_ROUNDS
    assert flow.outcome.tolist() == [TOO_MANY_ROUNDS]


def test_each_provider_has_rounds_and_an_outcome_of_its_own() -> None:
    flow = flow_of(case("G 100V | L r=1000 | C 100W", "H 22000V | M r=1 x=1 | D 500000W"))
    assert flow.outcome.tolist() == [DROP_EXCEEDS_VOLTAGE, CONVERGED]
    assert flow.rounds.tolist() == [1, 5]
    assert abs(flow.voltage_v[3]) == pytest.approx(21977.2374, abs=1e-4)


def test_power_that_flows_back_to_the_provider_raises_the_voltage() -> None:
    flow = flow_of(case("G 100V | L r=1 | C -100W"))
    assert flow.outcome.tolist() == [CONVERGED]
    assert flow.voltage_v[1].real == pytest.approx((100 + math.sqrt(100**2 + 4 * 100)) / 2, rel=1e-10)


def test_the_same_input_gives_the_same_bits() -> None:
    given = case("G 1000V | L r=3 x=2 | A 900W 70var | M r=2 x=1 | B 400W", "A | K x=3 | D 100W")
    first, second = flow_of(given), flow_of(given)
    assert first.voltage_v.tobytes() == second.voltage_v.tobytes()
    assert first.injection_va.tobytes() == second.injection_va.tobytes()
