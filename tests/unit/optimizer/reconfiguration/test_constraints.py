"""What makes a solution infeasible, one cause at a time, and the words in which clients read it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from services.optimizer.reconfiguration.appraisal import NOT_RADIAL_AMOUNT
from services.optimizer.reconfiguration.constraints import (
    CONNECTED,
    CONSISTENT_FLOW,
    CONSUMER_VOLTAGE,
    CYCLIC,
    LINE_VOLTAGE,
    PROVIDER_CAPACITY,
    RADIAL,
)
from services.optimizer.reconfiguration.evaluation import evaluate
from services.optimizer.reconfiguration.kernels.sweep import FAILED_FLOW
from services.optimizer.reconfiguration.reduction import reduce_network
from services.optimizer.reconfiguration.verdict import Verdict
from tests.support.grids import Case, case


def judged(given: Case, *opened: list[str]) -> Verdict:
    return evaluate(given.grid, reduce_network(given.grid), given.demands, given.opened(*opened), None).verdict


def described(verdict: Verdict) -> dict[str, str]:
    return {violation.name: violation.description or "" for violation in verdict.violations}


class TestSingleCauses:
    def test_low_voltage_at_a_consumer(self) -> None:
        verdict = judged(case("G 100V | L | C 1W vmin=100"))
        text = described(verdict)
        assert list(text) == [CONSUMER_VOLTAGE]
        assert "2024-01-01T00:00:00" in text[CONSUMER_VOLTAGE]
        assert re.search(r"'C' .*100 V and ∞ V", text[CONSUMER_VOLTAGE])
        assert verdict.violation_amount == pytest.approx(0.010001, abs=1e-6)
        assert not verdict.is_feasible

    def test_high_voltage_at_a_consumer(self) -> None:
        verdict = judged(case("G 100V | L | C 1W vmax=90"))
        assert list(described(verdict)) == [CONSUMER_VOLTAGE]
        assert verdict.violation_amount == pytest.approx(9.99, abs=1e-4)

    def test_line_above_its_highest_voltage(self) -> None:
        verdict = judged(case("G 100V | L vmax=99 | C 1W"))
        text = described(verdict)
        assert list(text) == [LINE_VOLTAGE]
        assert re.search(r"2024-01-01T00:00:00.*'L' .*99 V", text[LINE_VOLTAGE])
        assert verdict.violation_amount == pytest.approx(1)

    def test_overloaded_provider(self) -> None:
        verdict = judged(case("G1 100V cap=1 | L r=0 | C 2W", "G2 100V cap=1"))
        text = described(verdict)
        assert list(text) == [PROVIDER_CAPACITY]
        assert re.search(r"2024-01-01T00:00:00.*'G1'", text[PROVIDER_CAPACITY])
        assert verdict.violation_amount == pytest.approx(1)  # squared watts

    def test_diverging_flow(self) -> None:
        verdict = judged(case("G 1000V | L r=1350 | C 200W"))
        assert list(described(verdict)) == [CONSISTENT_FLOW]
        assert verdict.violation_amount == FAILED_FLOW

    def test_text_of_a_voltage_drop_that_is_too_high(self) -> None:
        text = described(judged(case("G 100V | L r=1000 | C 100W")))
        assert re.fullmatch(r"Period 0: .*voltage drop.*\(1 iterations\)", text[CONSISTENT_FLOW])

    def test_consumer_without_supply(self) -> None:
        verdict = judged(case("G 100V | L open | ConsumerX 1W"))
        text = described(verdict)
        assert list(text) == [CONNECTED]
        assert re.search(r"1\.00 VA active power.*100\.00 %.*in period 0: ConsumerX", text[CONNECTED])
        assert verdict.violation_amount == NOT_RADIAL_AMOUNT


def test_share_of_the_dark_consumers() -> None:
    given = case("G 100V | L1 sw | X1 | L2 sw | C 1W", "G | L3 open | X2 1W | L4 open | C")
    text = described(judged(given))
    assert list(text) == [CONNECTED]
    assert re.search(r"1\.00 VA.*50\.00 %.*in period 0: X2", text[CONNECTED])


def test_dark_demand_has_thousands_separators() -> None:
    text = described(judged(case("G 100V | L open | A 1234567.891W", "G | K | B 1W")))
    assert "1,234,567.89 VA active power" in text[CONNECTED]


def test_reactive_demand_alone_needs_supply() -> None:
    text = described(judged(case("G 100V | L open | C 0W 5var")))
    assert re.search(r"0\.00 VA active power \(0\.00 %.*: C", text[CONNECTED])


def test_only_the_first_period_with_dark_consumers_is_described() -> None:
    given = case("G 100V | L sw | C 1W", "G | K sw | D 1W", factors=(1, 1, 1))
    text = described(judged(given, [], ["L"], ["L", "K"]))
    assert "in period 1: C" in text[CONNECTED]
    assert "period 2" not in text[CONNECTED]


class TestCycles:
    def test_joined_providers(self) -> None:
        verdict = judged(case("G1 100V | L1 sw | C 1W", "G2 100V | L2 sw | C"))
        text = described(verdict)
        assert list(text) == [CONSUMER_VOLTAGE, LINE_VOLTAGE, PROVIDER_CAPACITY, CONSISTENT_FLOW, RADIAL, CYCLIC]
        assert "not radial in periods: 0" in text[RADIAL]
        assert re.search(r"Period 0: .*computation failed", text[CONSISTENT_FLOW])
        assert verdict.violation_amount == pytest.approx(NOT_RADIAL_AMOUNT)

    def test_supplied_loop_is_described_in_path_order(self) -> None:
        given = case(
            "G 100V | L1 sw | X1 | L2 sw | C 1W",
            "G | L3 sw | B1 | Line4 sw | B2 | Line5 sw | B3 | Line6 sw | B1",
        )
        text = described(judged(given))
        found = re.search(r"\b1 cycles in period 0[^:]*:(.*)", text[CYCLIC])
        assert found
        assert set(found[1].replace(",", "").split()) == {"Line4", "Line5", "Line6"}

    def test_loop_without_supply_is_harmless(self) -> None:
        given = case(
            "G 100V | L1 sw | X1 | L2 sw | C 1W",
            "G | L3 open | B1 | Line4 sw | B2 | Line5 sw | B3 | Line6 sw | B1",
        )
        assert judged(given).is_feasible

    def test_several_periods_are_listed(self) -> None:
        given = case("G 100V | A sw | C 1W", "G | B sw | C", factors=(1, 1, 1))
        verdict = judged(given, [], ["A"], [])
        text = described(verdict)
        assert text[RADIAL].endswith("not radial in periods: 0, 2")
        assert [line.split(",")[0] for line in text[CYCLIC].split("\n")] == [
            "1 cycles in period 0",
            "1 cycles in period 2",
        ]
        assert verdict.violation_amount == pytest.approx(2 * NOT_RADIAL_AMOUNT)

    def test_each_line_too_many_is_counted(self) -> None:
        given = case("G 100V | A sw | C 1W", "G | B sw | C", "G | D sw | C")
        assert "2 cycles in period 0" in described(judged(given))[CYCLIC]


class TestDarkParts:
    def test_transition_without_supply_is_feasible(self) -> None:
        given = case("G 100V | L1 sw | X1 | L2 sw | C 1W", "G | L3 open | X2 | L4 open | C")
        assert judged(given).is_feasible

    def test_consumer_that_wants_nothing_may_be_dark_despite_its_limits(self) -> None:
        given = case("G 100V | L sw | C 1W", "G | K open | D 0W vmin=90", "D | M open | C")
        assert judged(given).is_feasible

    def test_dark_consumer_with_demand_also_breaks_its_voltage_limit(self) -> None:
        given = case("G 100V | L open | C 1W vmin=90")
        verdict = judged(given)
        assert list(described(verdict)) == [CONSUMER_VOLTAGE, CONNECTED]

    def test_line_without_supply_keeps_every_voltage_limit(self) -> None:
        given = case("G 100V | L open | A 0W | M vmax=1 | B 0W", "G | K sw | C 1W")
        assert judged(given).is_feasible


def test_a_dark_consumer_is_worse_than_any_limit_that_its_supply_would_break() -> None:
    given = case("G 100V | L sw vmax=1 | C 1W", "G | K | B 1W")
    dark, supplied = judged(given, ["L"]), judged(given, [])
    assert (list(described(dark)), list(described(supplied))) == ([CONNECTED], [LINE_VOLTAGE])
    assert supplied.violation_amount < dark.violation_amount


def test_a_flow_that_fails_is_worse_than_any_limit_that_another_breaks_and_better_than_darkness() -> None:
    given = case("G 100V | L sw r=1000 vmax=1 | C 100W vmin=99", "G | K sw r=2 | C")
    failed, low, dark = judged(given, ["K"]), judged(given, ["L"]), judged(given, ["K", "L"])
    assert CONSISTENT_FLOW in described(failed)
    assert list(described(low)) == [CONSUMER_VOLTAGE]
    assert 1.0 < low.violation_amount < failed.violation_amount < dark.violation_amount
    assert failed.violation_amount == FAILED_FLOW  # its numbers mean nothing, nor does what they exceed


def test_a_period_with_cycles_and_dark_consumers_counts_once() -> None:
    given = case("G 100V | L open | C 1W", "G | K sw | B 1W", "G | M sw | B")
    assert judged(given).violation_amount == pytest.approx(NOT_RADIAL_AMOUNT)


def test_voltage_of_transitions_is_not_limited() -> None:
    given = case("G 100V | L sw | T vmin=500 | K sw | C 1W")
    assert judged(given).is_feasible


def test_line_limits_are_those_of_the_original_lines() -> None:
    # Three lines in series become one; each loses 0.1003 V, so they start at 100, 99.8997 and 99.7994 V.
    given = case("G 100V | L1 r=10 vmax=100 | T1 | L2 r=10 vmax=99.95 | T2 | L3 r=10 vmax=99.75 | C 1W")
    text = described(judged(given))
    assert list(text) == [LINE_VOLTAGE]
    assert re.findall(r"line '(\w+)'", text[LINE_VOLTAGE]) == ["L3"]


def test_limit_is_kept_at_equality() -> None:
    given = case("G 100V | L r=0 vmax=100 | C 1W vmin=100 vmax=100")
    assert judged(given).is_feasible


def test_long_lists_are_cut_short() -> None:
    given = case(*(f"G 100V | L{k} | C{k} 1W vmin=100" for k in range(20)))
    text = described(judged(given))[CONSUMER_VOLTAGE]
    assert text.count("consumer 'C") == 10
    assert text.endswith("…")


def test_amounts_add_up_over_kinds_and_periods() -> None:
    given = case("G 100V cap=1 | L r=0 vmax=98 | C 2W vmax=99", factors=(1, 1))
    verdict = judged(given)
    assert verdict.violation_amount == pytest.approx(2 * (1 + 2 + 1))
    assert np.isfinite(verdict.violation_amount)


def test_many_periods_are_cut_short_in_every_description() -> None:
    given = case("G 100V | A sw | C 1W", "G | B sw | C", factors=[1] * 12)
    text = described(judged(given, *([[]] * 12)))
    assert text[RADIAL].endswith("periods: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …")
    assert text[CYCLIC].count("\n") == text[CONSISTENT_FLOW].count("\n") == 10
    assert text[CONSUMER_VOLTAGE].count(";") == 10
