"""The five objectives and the count of switched lines."""

from __future__ import annotations

import numpy as np
import pytest

from services.optimizer.reconfiguration.evaluation import Evaluation, evaluate
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import (
    IMAX,
    IMAX_50,
    INTERRUPTION,
    SWITCHING,
    TOTAL_LOSS,
)
from services.optimizer.reconfiguration.reduction import reduce_network
from shared.objective import DEFAULT_WEIGHTS
from tests.support.grids import Case, case


def evaluated(given: Case, *opened: list[str], start: BoolArray | None = None) -> Evaluation:
    return evaluate(given.grid, reduce_network(given.grid), given.demands, given.opened(*opened), start)


def test_loss_of_one_watt_at_a_hundred_volts() -> None:
    values = evaluated(case("G 100V | L | C 1W")).verdict.values
    assert values[TOTAL_LOSS] == pytest.approx(0.000100020005e-6, rel=1e-8)
    assert np.dot(DEFAULT_WEIGHTS, values) == pytest.approx(0.000100020005, rel=1e-8)
    assert values[INTERRUPTION] == 0


def test_loss_is_energy_over_all_periods() -> None:
    hour = evaluated(case("G 100V | L | C 1W")).verdict.values[TOTAL_LOSS]
    long = evaluated(case("G 100V | L | C 1W", hours=2, factors=(1, 1, 1))).verdict.values[TOTAL_LOSS]
    assert long == pytest.approx(6 * hour, rel=1e-12)


def test_currents_beyond_the_limit_and_beyond_half_of_it() -> None:
    given = case("G 100V | A r=0 imax=0.9 | B 20W | C r=0 imax=10 | D 80W", hours=2)
    values = evaluated(given).verdict.values
    assert values[IMAX] == pytest.approx(2 * (1.0 - 0.9))
    assert values[IMAX_50] == pytest.approx(2 * (1.0 - 0.45))


def test_limits_are_those_of_the_original_lines() -> None:
    given = case("G 100V | A r=0 imax=0.9 | T | B r=0 imax=0.7 | C 100W", "G | D r=3 imax=0 | T")
    values = evaluated(given).verdict.values
    assert values[IMAX] == pytest.approx(0.1 + 0.3)


def test_no_limit_costs_nothing() -> None:
    values = evaluated(case("G 100V | A | C 10W")).verdict.values
    assert values[[IMAX, IMAX_50]].tolist() == [0, 0]


class TestPeriodsWithoutFlow:
    given = case("G 100V | A sw imax=0 | C 1W", "G | B sw imax=0 | C", factors=(1, 2))

    def test_take_the_loss_of_all(self) -> None:
        result = evaluated(self.given, ["B"], [])
        assert result.flows[1] is None
        assert result.verdict.values[TOTAL_LOSS] == 0

    def test_leave_the_currents_of_the_others(self) -> None:
        assert evaluated(self.given, ["B"], []).verdict.values[IMAX] == pytest.approx(0.010001, abs=1e-6)


class TestSwitching:
    given = case("G 100V | A sw cost=5 | C 1W", "G | B sw cost=-2 | C", "G | D sw cost=7 | X", factors=(1, 1, 1))

    def test_between_periods_costs_in_either_direction(self) -> None:
        verdict = evaluated(self.given, ["A"], ["B"], ["B", "D"]).verdict
        assert verdict.values[SWITCHING] == pytest.approx((5 - 2) + 7)
        assert verdict.changed_switches == (0, 2, 1)

    def test_from_the_start_configuration_counts(self) -> None:
        start = self.given.opened(["B"])[0]
        verdict = evaluated(self.given, ["A"], ["A"], ["A"], start=start).verdict
        assert verdict.values[SWITCHING] == pytest.approx(5 - 2)
        assert verdict.changed_switches == (2, 0, 0)

    def test_of_what_has_the_state_already_is_free(self) -> None:
        start = self.given.opened(["A"])[0]
        verdict = evaluated(self.given, ["A"], ["A"], ["A"], start=start).verdict
        assert verdict.values[SWITCHING] == 0
        assert verdict.changed_switches == (0, 0, 0)


def test_cost_of_a_line_that_is_no_switch_does_not_count() -> None:
    given = case("G 100V | A cost=9 | C 1W", factors=(1, 1))
    assert evaluated(given).verdict.values[SWITCHING] == 0
