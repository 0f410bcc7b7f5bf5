"""Demands and grids that cannot belong together, and the numbers that the message names."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from services.optimizer.reconfiguration.plausibility import Implausible, check_plausibility
from services.optimizer.reconfiguration.reduction import reduce_network
from tests.support.grids import case


def check(*branches: str, factors: Sequence[float] = (1.0,)) -> None:
    given = case(*branches, factors=factors)
    check_plausibility(given.grid, reduce_network(given.grid), given.demands)


def refusal(*branches: str, factors: Sequence[float] = (1.0,)) -> str:
    with pytest.raises(Implausible) as caught:
        check(*branches, factors=factors)
    return caught.value.message


def test_plain_feeder_is_plausible() -> None:
    check("G 100V | L | C 1W")


def test_grid_without_demand_and_provider_is_plausible() -> None:
    check("C 0W | L | D 0W vmax=1")


class TestGeneration:
    def test_below_demand_is_refused_with_both_complex_numbers(self) -> None:
        message = refusal("G 100V cap=100 | L | C 101W")
        assert re.search(r"Period 0: .*<101; 0>.*<100; 0>", message)

    def test_of_several_providers_adds_up(self) -> None:
        check("G 100V cap=60 | L | C 101W", "H 100V cap=60")

    def test_compares_magnitudes(self) -> None:
        assert "<80; 70>" in refusal("G 100V cap=100 | L | C 80W 70var")
        check("G 100V cap=100 | L | C 80W 60var")

    def test_names_every_failing_period(self) -> None:
        message = refusal("G 100V cap=100 | L | C 60W", factors=(1, 2, 1, 3))
        assert re.findall(r"Period (\d)", message) == ["1", "3"]

    def test_without_any_provider_is_nothing(self) -> None:
        assert "<0; 0>" in refusal("C 1W | L | D 0W")


class TestLinesAtProviders:
    def test_that_carry_too_little_are_refused_with_both_numbers(self) -> None:
        message = refusal("G 100V | L imax=0.9 | C 100W")
        assert re.search(r"Period 0: .*\b100 VA.*\b90 VA", message)

    def test_add_up(self) -> None:
        check("G 100V | L imax=0.9 | C 100W", "C | K imax=0.2 | G")
        check("G 100V | L imax=0.9 | C 100W", "H 200V | K imax=0.1 | C")

    def test_without_limit_carry_everything(self) -> None:
        check("G 100V | L imax=0.1 | C 100W", "G | K | D 1W")

    def test_elsewhere_do_not_count(self) -> None:
        check("G 100V | L imax=1 | C 100W", "C | K imax=0 | D 0W")


class TestVoltages:
    def test_far_above_the_providers_are_refused(self) -> None:
        message = refusal("G 100V | L | Consumer 1W vmin=151")
        assert re.search(r"\b100 V to 100 V.*'Consumer' \(151 V to ∞ V\)", message)

    def test_far_below_the_providers_are_refused(self) -> None:
        assert "'C' (0 V to 49 V)" in refusal("G 100V | L | C 1W vmax=49")

    def test_near_the_providers_are_accepted(self) -> None:
        check("G 100V | L | C 1W vmin=150", "G | K | D 1W vmax=50")
        check("G 100V | L | C 1W vmin=151", "H 200V | K | C")

    def test_are_named_once_for_all_periods(self) -> None:
        assert refusal("G 100V | L | C 1W vmin=151", factors=(1, 1)).count("'C'") == 1


class TestUnconnectable:
    def test_demand_is_refused_with_count_and_ids(self) -> None:
        message = refusal("G 100V | L | C 1W", "Consumer2 1W | L2 | Consumer3 1W")
        assert re.search(r"\b2 consumers.*Consumer2, Consumer3", message)

    def test_reactive_demand_alone_counts(self) -> None:
        assert "D" in refusal("G 100V | L | C 1W", "D 0W 1var")

    def test_without_demand_is_accepted(self) -> None:
        check("G 100V | L | C 1W", "Consumer2 0W | L2 | Consumer3 0W")

    def test_shows_ten_ids(self) -> None:
        message = refusal("G 100V | L | C 1W", *(f"D{k} 1W" for k in range(12)))
        assert "at 12 consumers" in message
        assert message.endswith("D9, …")


def test_all_failures_are_collected() -> None:
    message = refusal("G 100V cap=100 | L imax=0.5 | C 120W vmin=200", "D 5W", factors=(1, 2))
    assert [line.partition(":")[0] for line in message.split("\n")] == [
        "All periods",
        *["Period 0"] * 3,
        *["Period 1"] * 3,
    ]
