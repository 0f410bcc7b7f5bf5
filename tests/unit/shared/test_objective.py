from __future__ import annotations

import math

import pytest

from shared.objective import DEFAULT_WEIGHTS, is_reached, relative_gap, weighted_sum


def test_each_value_counts_by_its_weight() -> None:
    assert weighted_sum(DEFAULT_WEIGHTS, [2.0, 3.0, 5.0, 500.0, 7.0]) == 2_003_013.0


def test_a_weight_of_zero_leaves_an_infinite_value_out() -> None:
    assert weighted_sum([1.0, 0.0], [2.0, math.inf]) == 2.0
    assert weighted_sum([0.0], [math.nan]) == 0.0


def test_a_value_too_many_is_an_error() -> None:
    with pytest.raises(ValueError, match="longer"):
        weighted_sum([1.0], [1.0, 2.0])


@pytest.mark.parametrize(
    ("objective", "bound", "reached"), [(1.0, 1.0, True), (1.0, 1 - 1e-10, True), (1.0, 1 - 1e-8, False)]
)
def test_a_bound_is_reached_up_to_the_rounding_of_sums(objective: float, bound: float, reached: bool) -> None:
    assert is_reached(objective, bound) is reached
    assert is_reached(1e6 * objective, 1e6 * bound) is reached


def test_zero_is_reached_by_zero_and_nothing_by_infinity() -> None:
    assert is_reached(0.0, 0.0)
    assert not is_reached(math.inf, 1.0)


@pytest.mark.parametrize(
    ("objective", "bound", "gap"),
    [
        (200.0, 190.0, 0.05),
        (-200.0, -210.0, 0.05),
        (200.0, 200.0 + 1e-9, 0.0),  # the same sum, added up in another order
        (0.0, 0.0, 0.0),
        (0.0, -1.0, None),  # a share of nothing
        (200.0, None, None),
        (math.inf, 1.0, None),
        (1.0, -math.inf, None),
    ],
)
def test_the_gap_is_a_share_of_the_objective(objective: float, bound: float | None, gap: float | None) -> None:
    assert relative_gap(objective, bound) == (None if gap is None else pytest.approx(gap, abs=1e-15))
