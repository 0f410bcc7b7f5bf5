"""How the job result tells which wishes for states of charge are met, and by how much."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import pytest

from services.optimizer.scheduling.building.off_tick import Bounds
from services.optimizer.scheduling.building.soc_wishes import SocWishes, StockLimits
from services.optimizer.scheduling.building.stocks import KnownStock
from services.optimizer.scheduling.building.window import Window
from services.optimizer.scheduling.results.wishes import wishes_met
from shared.flexibility.collection import CollectedEntry
from shared.flexibility.flex_model import FlexModelEntry
from shared.flexibility.roles import Role
from tests.support.schedules import START, hour

NONE = [nan] * 3


def told(
    levels_kwh: list[float],
    minima: list[float] = NONE,
    maxima: list[float] = NONE,
    targets: list[float] = NONE,
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Resolved and unresolved, of two hours."""
    asked = Bounds(*(np.array(one) / 1000 for one in (minima, maxima, targets)))
    entry = CollectedEntry(FlexModelEntry(), 31, Role.DEVICE, "flex-model.0")
    stock = KnownStock(entry, None, (0,), 0.0, StockLimits(None, None), None, None, SocWishes(asked, asked, False))
    return wishes_met([stock], [np.array(levels_kwh) / 1000], Window(START, 3600, 2))


def test_margins_and_violations_are_told_in_kilowatt_hours_with_their_times() -> None:
    resolved, unresolved = told([0, 10.25, 20], minima=[nan, 10, 18.123456789], maxima=[nan, 10, nan])
    assert resolved == (
        {
            "asset": 31,
            "soc-minima": [
                {"datetime": hour(1), "margin": "0.25 kWh"},
                {"datetime": hour(2), "margin": "1.876543 kWh"},
            ],
        },
    )
    assert unresolved == ({"asset": 31, "soc-maxima": [{"datetime": hour(1), "violation": "0.25 kWh"}]},)


def test_a_field_has_margins_only_where_all_of_it_is_met() -> None:
    resolved, unresolved = told([0, 5, 20], minima=[nan, 10, 15])
    assert resolved == ()
    assert unresolved == ({"asset": 31, "soc-minima": [{"datetime": hour(1), "violation": "5.0 kWh"}]},)


@pytest.mark.parametrize("level_kwh", [15, 25])
def test_targets_are_told_where_they_are_missed_either_way(level_kwh: float) -> None:
    assert told([0, 0, level_kwh], targets=[nan, nan, 20]) == (
        (),
        ({"asset": 31, "soc-targets": [{"datetime": hour(2), "violation": "5.0 kWh"}]},),
    )
    assert told([0, 0, 20], targets=[nan, nan, 20]) == ((), ())


def test_what_rounding_makes_of_a_wish_is_no_violation() -> None:
    resolved, unresolved = told([0, 0, 19.999997], minima=[nan, nan, 20], targets=[nan, nan, 20])
    assert resolved == ({"asset": 31, "soc-minima": [{"datetime": hour(2), "margin": "0.0 kWh"}]},)
    assert unresolved == ()


def test_the_moment_of_the_start_and_moments_without_wishes_are_left_out() -> None:
    assert told([0, 5, 5], minima=[50, nan, nan]) == ((), ())
