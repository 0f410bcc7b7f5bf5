"""Flows as reported: which end a line is shown from, what merged and cut-off parts carry, and what is dark."""

from __future__ import annotations

import numpy as np
import pytest

from services.optimizer.reconfiguration.evaluation import evaluate
from services.optimizer.reconfiguration.flow import FlowStatus, PeriodFlow
from services.optimizer.reconfiguration.reduction import reduce_network
from tests.support.grids import Case, case


def flow_of(given: Case, opened: list[str] | None = None) -> PeriodFlow:
    configurations = given.opened() if opened is None else given.opened(opened)
    (flow,) = evaluate(given.grid, reduce_network(given.grid), given.demands, configurations, None).flows
    assert flow is not None
    return flow


def currents(given: Case, flow: PeriodFlow) -> dict[str, float]:
    return dict(zip([line.id for line in given.grid.lines], flow.current_a.tolist(), strict=True))


def voltages(given: Case, flow: PeriodFlow) -> dict[str, float]:
    return dict(zip([node.id for node in given.grid.nodes], flow.voltage_v.tolist(), strict=True))


class TestSendingEnd:
    def test_is_the_one_nearer_to_the_provider(self) -> None:
        assert flow_of(case("G 100V | L | C 1W")).from_source.tolist() == [True]
        assert flow_of(case("C 1W | L | G 100V")).from_source.tolist() == [False]

    def test_without_flow_too(self) -> None:
        flow = flow_of(case("C 0W | L | G 100V"))
        assert flow.from_source.tolist() == [False]
        assert flow.sent_power_va.tolist() == [0]

    def test_is_the_other_one_where_power_comes_back(self) -> None:
        flow = flow_of(case("G 100V | L | C -100W | M | D 20W"))
        assert flow.from_source.tolist() == [False, True]
        assert (flow.sent_power_va.real >= 0).all()

    def test_of_lines_in_series_written_in_any_direction(self) -> None:
        flow = flow_of(case("C 1W | A | T | B | G 100V", "D 1W | E | U", "G | F | U"))
        assert flow.from_source.tolist() == [False, False, False, True]

    def test_of_lines_that_were_cut_off(self) -> None:
        flow = flow_of(case("C 1W | A | G 100V", "X | D1 | Y | D2 | C"))
        assert flow.from_source.tolist() == [False, False, False]


class TestParallelLines:
    def test_share_by_admittance(self) -> None:
        given = case("G 100V | La | N | Lc | C 1W", "G | Lb r=3 | N | Ld | C")
        current = currents(given, flow_of(given))
        assert current["La"] == pytest.approx(3 * current["Lb"], rel=1e-12)
        assert current["Lc"] == pytest.approx(current["Ld"], rel=1e-12)
        assert current["La"] > 0

    def test_one_without_impedance_takes_everything(self) -> None:
        given = case("G 100V | A r=1 | C 100W", "G | B r=0 | C")
        flow = flow_of(given)
        assert currents(given, flow) == {"A": 0, "B": pytest.approx(1)}
        assert voltages(given, flow)["C"] == 100
        assert flow.loss_w.sum() == 0

    def test_without_impedance_share_by_their_limits(self) -> None:
        given = case("G 100V | A r=0 imax=1 | C 100W", "G | B r=0 imax=3 | C", "G | D r=5 imax=9 | C")
        assert currents(given, flow_of(given)) == pytest.approx({"A": 0.25, "B": 0.75, "D": 0})

    def test_without_impedance_the_first_without_limit_takes_everything(self) -> None:
        given = case("G 100V | A r=0 imax=1 | C 100W", "G | B r=0 | C", "G | D r=0 | C")
        assert currents(given, flow_of(given)) == pytest.approx({"A": 0, "B": 1, "D": 0})

    def test_without_impedance_and_with_limits_of_zero_share_alike(self) -> None:
        given = case(*(f"G 100V | {name} r=0 imax=0 | C 120W" for name in "ABD"))
        assert currents(given, flow_of(given)) == pytest.approx({"A": 0.4, "B": 0.4, "D": 0.4})

    def test_written_against_each_other(self) -> None:
        flow = flow_of(case("G 100V | A | C 1W", "C | B | G"))
        assert flow.from_source.tolist() == [True, False]
        assert flow.current_a[0] == pytest.approx(flow.current_a[1])

    def test_with_different_angles_add_up_to_more_than_their_sum(self) -> None:
        given = case("G 100V | A r=1 x=0 | C 100W", "G | B r=0 x=1 | C")
        flow = flow_of(given)
        total = abs(flow.sent_power_va.sum()) / 100
        assert flow.current_a.sum() > total * 1.4
        assert flow.sent_power_va.sum().real - flow.loss_w.sum() == pytest.approx(100, rel=1e-9)


class TestCutOffParts:
    given = case("G 100V | A r=10 | C 1W | B sw | X | D | Y | E sw | Z", "Y | F | W", "C | H | V")

    def test_have_the_voltage_of_the_bus_they_hang_on(self) -> None:
        voltage = voltages(self.given, flow_of(self.given))
        assert voltage["C"] < 100
        assert {voltage[node] for node in "XYZWV"} == {voltage["C"]}

    def test_carry_nothing_but_are_present(self) -> None:
        flow = flow_of(self.given)
        assert flow.is_present.all()
        assert not flow.current_a[1:].any()

    def test_are_dark_behind_an_open_switch(self) -> None:
        voltage = voltages(self.given, flow_of(self.given, ["E"]))
        assert (voltage["Z"], voltage["Y"]) == (0, voltage["C"])
        voltage = voltages(self.given, flow_of(self.given, ["B"]))
        assert [voltage[node] for node in "XYZW"] == [0, 0, 0, 0]
        assert voltage["V"] == voltage["C"]

    def test_with_loops_in_them(self) -> None:
        given = case("G 100V | A r=10 | C 1W", "C | 0 | N1 | 1 | N2 | 2 | N3 | 3 | N4 | 4 | N2")
        voltage = voltages(given, flow_of(given))
        assert {voltage[f"N{k}"] for k in (1, 2, 3, 4)} == {voltage["C"]}

    def test_that_hang_inside_a_merged_line(self) -> None:
        given = case("G 100V | A r=10 | T | B r=10 | C 1W", "T | D | X")
        voltage = voltages(given, flow_of(given))
        assert voltage["X"] == voltage["T"] == pytest.approx((100 + voltage["C"]) / 2, rel=1e-12)


class TestDarkness:
    def test_is_zero_everywhere(self) -> None:
        given = case("G 100V | A | B 1W", "B | S open | C 1W | K | D 1W")
        flow = flow_of(given)
        assert flow.voltage_v[2:].tolist() == [0, 0]
        assert flow.is_present.tolist() == [True, False, True]
        assert flow.current_a[1:].tolist() == [0, 0]

    def test_of_what_no_switch_connects(self) -> None:
        given = case("G 100V | A | B 1W", "X | K | Y 0W | L sw | Z")
        flow = flow_of(given)
        assert flow.voltage_v[2:].tolist() == [0, 0, 0]
        assert flow.is_present.tolist() == [True, True, True]


def test_grid_without_anything_has_a_flow() -> None:
    flow = flow_of(case())
    assert flow.status is FlowStatus.EXACT
    assert flow.status_details == "0 iterations"
    assert flow.voltage_v.size == 0


def test_failed_flow_keeps_its_numbers() -> None:
    flow = flow_of(case("G 100V | L r=1000 | C 100W"))
    assert flow.status is FlowStatus.FAILED
    assert flow.current_a.tolist() == [1]
    assert np.isfinite(flow.voltage_v).all()


@pytest.mark.parametrize("branch", ["r=1e305", "r=1e200 x=-1e200", "r=1e-320", "r=1e308 x=1e308", "r=0 x=1e154"])
@pytest.mark.parametrize("watts", ["1e300W", "1e-300W", "5W 1e300var", "1W"])
def test_absurd_numbers_end_in_a_verdict_and_not_in_an_error(branch: str, watts: str) -> None:
    given = case(
        f"G 100V cap=1 | A {branch} imax=1 vmax=1 | C {watts} vmin=5",
        f"C | B {branch} | G",
        f"C | D {branch} | T | E | G",
    )
    result = evaluate(given.grid, reduce_network(given.grid), given.demands, given.opened(), None)
    assert result.verdict.violation_amount >= 0  # which also says that it is a number
