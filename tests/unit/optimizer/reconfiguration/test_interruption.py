"""Interruption cost: the worked cases of the model, its table of rates, and small grids by hand."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from services.optimizer.reconfiguration.evaluation import Evaluation, evaluate
from services.optimizer.reconfiguration.interruption import Interruptions, average_power, cost_rate
from services.optimizer.reconfiguration.network import ConsumerCategory, FloatArray, IntArray
from services.optimizer.reconfiguration.problem import INTERRUPTION, TOTAL_LOSS
from services.optimizer.reconfiguration.protection import Unprotected, check_protection
from services.optimizer.reconfiguration.reduction import interruptions_of, reduce_configuration, reduce_network
from services.optimizer.reconfiguration.topology import grow_trees
from tests.support.grids import Case, case

HOUR = 3600.0


def evaluated(one: Case) -> Evaluation:
    return evaluate(one.grid, reduce_network(one.grid), one.demands, one.opened(), None)


def cost(one: Case) -> float:
    return float(evaluated(one).verdict.values[INTERRUPTION])


def feeder(consumer: str, fault: str, **options: object) -> Case:
    return case(
        f"G 10000V | L1 r=0.1 sw brk | M | L2 r=0.1 {fault} | C {consumer}",
        **options,  # type: ignore[arg-type]  # hours and factors
    )


def test_industry_waits_five_hours_for_the_repair() -> None:
    one = feeder("1500000W is=industry", f"f=365 sect={2 * HOUR} rep={3 * HOUR}", hours=24.0)
    assert cost(one) == pytest.approx(630900, rel=1e-12)
    assert evaluated(one).verdict.values[TOTAL_LOSS] == pytest.approx(0.108652901, rel=1e-8)
    assert evaluated(one).expected_costs[0, one.grid.node_index["C"]] == pytest.approx(630900, rel=1e-12)


def test_a_farm_of_200_watts_and_two_faults_a_year() -> None:
    one = feeder("200W is=agriculture", f"f=2 sect={0.5 * HOUR} rep={1.5 * HOUR}")
    assert cost(one) == pytest.approx(0.00157990868, rel=1e-8)


def test_an_outage_that_outlasts_its_period_costs_by_the_demand_of_the_next() -> None:
    one = feeder("1000000W is=household", f"f=365 sect={3 * HOUR}", hours=12.0, factors=(1.0, 2.0))
    assert cost(one) == pytest.approx(17156.25 + 30500, rel=1e-12)
    consumer = one.grid.node_index["C"]
    assert evaluated(one).expected_costs[:, consumer].tolist() == pytest.approx([15250, 30500], rel=1e-12)


@pytest.mark.parametrize(
    ("category", "hours", "rate"),
    [
        ("agriculture", 0.5, 12.15),
        ("agriculture", 1.0, 19.0),
        ("agriculture", 4.0, 66.0),
        ("agriculture", 10.0, 66 + 14.3 * 6),
        ("household", 2.0, 20.7),
        ("industry", 0.01, 34.0),
        ("industry", 0.5, 76.35),
        ("industry", 3.0, 282.6),
        ("industry", 8.0, 588.0),
        ("services", 1 / 60, 28 + 168.3 / 60),
        ("services", 5.0, 610.3),
        ("public", 0.001, 7.0),
        ("public", 4.0, 257.0),
        ("public", 9.0, 481.6),
        ("elind", 3.999, 49 + 2.8 * 3.999),
        ("elind", 4.0, 102.2),
    ],
)
def test_rates_of_the_table_and_their_boundaries(category: str, hours: float, rate: float) -> None:
    assert cost_rate(ConsumerCategory(category), hours) == pytest.approx(rate, rel=1e-12)


def test_a_consumer_that_can_be_fed_another_way_waits_for_the_sectioning_only() -> None:
    # The fault lies between the switches S1 and S2; behind S2 the tie S3 brings supply from H.
    one = case(
        "G 10000V | B1 sw brk | M | L f=365 sect=3600 rep=7200 | N 1000W is=household | S2 sw | P 2000W is=household",
        "P | S3 sw open | H 10000V",
        hours=24.0,
    )
    rates = {hours: 1.1 + 9.8 * hours for hours in (1.0, 3.0)}
    assert cost(one) == pytest.approx(rates[3.0] * 1 + rates[1.0] * 2, rel=1e-9)


def test_a_breaker_in_between_keeps_the_fault_from_those_above_it() -> None:
    one = case(
        "G 10000V | B1 sw brk | M 1000W is=household | B2 brk | N | L f=365 sect=3600 | C 1000W is=household",
        hours=24.0,
    )
    costs = evaluated(one).expected_costs[0]
    assert costs[one.grid.node_index["M"]] == 0
    assert costs[one.grid.node_index["C"]] == pytest.approx(1.1 + 9.8, rel=1e-12)


def test_all_consumers_below_the_breaker_are_hit_not_only_those_behind_the_fault() -> None:
    one = case(
        "G 10000V | B1 sw brk | M 1000W is=household | L f=365 sect=3600 | C 1000W is=household",
        hours=24.0,
    )
    assert cost(one) == pytest.approx(2 * (1.1 + 9.8), rel=1e-12)


def test_a_fault_that_is_over_at_once_costs_nothing() -> None:
    assert cost(feeder("1000W is=household", "f=10")) == 0


def test_periods_may_differ_in_length() -> None:
    powers = np.array([[1.0], [4.0]])
    hours = np.array([2.0, 6.0])
    # Beginning u hours before the end, an outage of 1 h spends 1 - u of it in the second period where u < 1.
    assert average_power(powers, hours, 0, 1.0).tolist() == pytest.approx([1.0 + 3.0 * 0.5 / 2.0])
    assert average_power(powers, hours, 1, 9.0).tolist() == pytest.approx([4.0])


def test_a_second_without_power_in_a_year_is_counted_to_the_last_digit() -> None:
    powers, hours = np.array([[3.0, 0.0], [0.0, 5.0]]), np.array([8784.0, 1.0])
    second = 1 / 3600
    # Of the outages of one second only those that begin in the last second reach the next period, on average by half.
    expected = [3.0 * (1 - second / 2 / 8784), 5.0 * second / 2 / 8784]
    assert average_power(powers, hours, 0, second).tolist() == pytest.approx(expected, rel=1e-14)


def test_an_outage_may_last_over_several_short_periods() -> None:
    powers, hours = np.array([[1.0], [10.0], [100.0], [1000.0]]), np.array([1.0, 0.5, 0.5, 1.0])
    # It begins u hours after the period does and lasts until u + 3: 1 - u hours in this period, one in the next two together,
    # and u + 1 in the last, which goes on for ever. On average u is a half.
    assert average_power(powers, hours, 0, 3.0).tolist() == pytest.approx(
        [(0.5 * 1 + 0.5 * 10 + 0.5 * 100 + 1.5 * 1000) / 3]
    )


def many_lengths(lines: int, periods: int) -> tuple[Interruptions, tuple[IntArray, IntArray, IntArray]]:
    """Faults each of which lasts as long as no other, and who is supplied over what."""
    stretches = " | ".join(f"B{k} sw f=1 sect={600 + k} rep={60 * k} | C{k} 1000W is=household" for k in range(lines))
    one = case(f"G 10000V | S sw brk | M | {stretches}", factors=[1.0 + k % 3 for k in range(periods)])
    reduction = reduce_network(one.grid)
    interruptions = interruptions_of(reduction, one.demands)
    assert interruptions is not None
    trees = grow_trees(reduction.network, reduce_configuration(reduction, one.is_open))
    return interruptions, (trees.supplied_order, trees.upstream_line, trees.upstream_bus)


def test_costs_of_many_periods_need_little_memory() -> None:
    everything, above = many_lengths(80, periods=30)
    bounded = replace(everything, room_bytes=2**19, _prices={})
    tracemalloc.start()
    costs = np.array([bounded.cost(t, *above) for t in range(30)])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 2**20  # all periods together have 3 MB
    assert (costs == [everything.cost(t, *above) for t in range(30)]).all()


def test_prices_that_are_kept_are_there_when_the_periods_come_again() -> None:
    everything, above = many_lengths(80, periods=30)
    prices: dict[tuple[int, int, bool], FloatArray] = {}
    bounded = replace(everything, room_bytes=2**20, _prices=prices)
    seen = []
    for _ in range(2):
        for t in range(30):
            bounded.cost(t, *above)
        seen.append({id(array) for array in prices.values()})
    assert len(seen[0]) >= 4
    assert seen[0] == seen[1]


def test_costs_of_one_period_keep_to_the_room_too() -> None:
    everything, above = many_lengths(400, periods=1)
    everything.cost(0, *above)
    bounded = replace(everything, room_bytes=2**19, _prices={})
    tracemalloc.start()
    costs = bounded.cost(0, *above)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * 2**19  # the prices of all 800 lengths at 401 buses are 2.6 MB, and so are their rates
    assert costs == pytest.approx(everything.cost(0, *above), rel=1e-12)


def test_who_waits_for_a_repair_is_a_bit_for_each_line_and_bus() -> None:
    everything, _ = many_lengths(400, periods=1)
    waiting = everything.waiting
    assert waiting.bits.nbytes == 400 * (402 + 6) / 8
    # A fault in the k-th of a row of switches leaves what lies behind it dark, and the bus before it, whose switches are open.
    dark = np.unpackbits(waiting.bits, axis=1, bitorder="little")[waiting.row_of_line[waiting.row_of_line >= 0]]
    assert sorted(dark.sum(axis=1).tolist()) == list(range(2, 402))


def test_a_dark_consumer_costs_nothing_and_cycles_make_it_all_zero() -> None:
    dark = case(
        "G 10000V | B1 sw brk | M | L f=365 sect=3600 | N 1000W is=household | S sw open | P 1000W is=household"
    )
    assert evaluated(dark).expected_costs[0, dark.grid.node_index["P"]] == 0
    looped = case(
        "G 10000V | B1 sw brk | M | L f=365 sect=3600 | N 1000W is=household",
        "M | S sw | N",
    )
    assert cost(looped) == 0


@pytest.mark.parametrize(
    ("branches", "missing"),
    [
        (["G 100V | S sw | M | L f=1 | C 1W"], "breaker"),
        (["G 100V | B brk | M | L f=1 | C 1W"], "switch without faults"),
        (["G 100V | B sw brk | M | L f=1 | C 1W", "H 100V | S sw | C"], "breaker"),
    ],
)
def test_lines_that_can_fault_need_a_breaker_and_a_switch_towards_each_provider(
    branches: list[str], missing: str
) -> None:
    with pytest.raises(Unprotected, match=rf"'L' can fault, and there is no {missing} .* provider '[GH]'"):
        check_protection(case(*branches).grid)


def test_a_breaker_that_is_a_switch_protects() -> None:
    check_protection(case("G 100V | B sw brk | M | L f=1 | C 1W").grid)
