"""Variable quantities on steps and moments: what wins where they overlap, what stands where they are silent."""

from __future__ import annotations

from datetime import UTC, datetime
from math import nan
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from services.optimizer.scheduling.building.errors import PlanImpossible, PricesUnknown
from services.optimizer.scheduling.building.ground import Ground
from services.optimizer.scheduling.building.input_series import InputSeries, SeriesKey
from services.optimizer.scheduling.building.series_filling import filled, filled_at_moments, prices
from services.optimizer.scheduling.building.window import Window, epoch_s
from shared.flexibility.facts import SensorFacts
from shared.flexibility.flex_context import FlexContext
from shared.flexibility.quantities import (
    CAPACITY_FILLING,
    EFFICIENCY_FILLING,
    STOCK_FLOW_FILLING,
    Filling,
    Fixed,
    Overlap,
    QuantityKind,
    SensorReference,
    VariableQuantity,
)
from shared.flexibility.reading import read_flex_context, read_flex_model
from tests.support.schedules import START, hour


def ground(unit: str = "kW", resolution_s: int = 3600, values: list[float] | None = None, count: int = 4) -> Ground:
    """Four hours, and sensor 7 with values from the start on."""
    known = [] if values is None else values
    starts = epoch_s(START) + 3600 * np.arange(len(known), dtype=np.int64)
    inputs = {SeriesKey(7): InputSeries(starts, np.array(known, dtype=float), resolution_s, unit)}
    return Ground(Window(START, 3600, count), inputs, {7: SensorFacts(7, 1, "seven", unit, resolution_s)}, {}, "EUR")


def period(value: str, start: float, end: float) -> dict[str, str]:
    return {"value": value, "start": hour(start), "end": hour(end)}


def capacity(raw: Any) -> VariableQuantity:
    found = read_flex_model({"consumption-capacity": raw}).consumption_capacity
    assert found is not None
    return found


def wish(field: str, raw: Any) -> VariableQuantity:
    found: VariableQuantity | None = getattr(read_flex_model({field: raw}), field.replace("-", "_"))
    assert found is not None
    return found


def price(raw: Any) -> VariableQuantity:
    context: FlexContext = read_flex_context({"consumption-price": raw})
    assert context.top.consumption_price is not None
    return context.top.consumption_price


def test_of_capacities_the_smallest_counts_and_none_is_no_limit() -> None:
    quantity = capacity([period("9 kW", 0, 3), period("4 kW", 2, 3), period("7 kW", 2, 3)])
    np.testing.assert_allclose(filled(quantity, CAPACITY_FILLING, ground()) * 1000, [9, 9, 4, nan])


@pytest.mark.parametrize(
    ("field", "overlap", "expected"),
    [
        ("soc-minima", Overlap.LARGEST, [nan, 4, 9, 9, nan]),
        ("soc-maxima", Overlap.SMALLEST, [nan, 4, 4, 9, nan]),
        ("soc-targets", Overlap.FIRST, [nan, 4, 4, 9, nan]),
    ],
)
def test_wishes_count_from_start_to_end_with_both_moments(field: str, overlap: Overlap, expected: list[float]) -> None:
    quantity = wish(field, [period("4 kWh", 1, 2), period("9 kWh", 2, 3)])
    found = filled_at_moments(quantity, overlap, ground(), soc_max_mwh=None)
    np.testing.assert_allclose(found * 1000, expected)


def test_the_first_price_of_a_list_counts_and_its_ends_hold_on() -> None:
    quantity = price([period("20 EUR/MWh", 1, 2), period("30 EUR/MWh", 1, 3)])
    found = prices(quantity, ground(), "price")
    assert list(found.values) == [20, 20, 30, 30]
    assert list(found.is_within_known) == [False, True, True, False]


def test_a_gap_between_prices_carries_the_last_one_on_with_a_warning() -> None:
    on = ground("EUR/kWh", values=[0.01, nan, nan, 0.06])
    found = prices(SensorReference(7, QuantityKind.ENERGY_PRICE), on, "consumption price")
    np.testing.assert_allclose(found.values, [10, 10, 10, 60])
    assert list(on.warnings) == [
        "The consumption price has a gap: in 2 of 4 steps the last known value is carried forward."
    ]


def test_prices_that_are_not_known_at_all_are_an_error_that_names_the_sensor() -> None:
    with pytest.raises(PricesUnknown) as unknown:
        prices(SensorReference(7, QuantityKind.ENERGY_PRICE), ground("EUR/kWh"), "price")
    assert unknown.value.message == "Prices unknown for planning window. (sensor 7)"


@pytest.mark.parametrize(
    ("filling", "expected"),
    [
        (STOCK_FLOW_FILLING, [0.002, 0, 0, 0]),
        (EFFICIENCY_FILLING, [0.002, 1, 1, 1]),
        (CAPACITY_FILLING, [0.002, nan, nan, nan]),
    ],
)
def test_what_stands_in_gaps_depends_on_the_quantity(filling: Filling, expected: list[float]) -> None:
    np.testing.assert_allclose(filled(SensorReference(7, QuantityKind.POWER), filling, ground(values=[2])), expected)


def test_a_default_stands_in_the_gaps_of_a_sensor() -> None:
    reference = SensorReference(7, QuantityKind.POWER, default=Fixed(0.005, QuantityKind.POWER))
    np.testing.assert_allclose(filled(reference, CAPACITY_FILLING, ground(values=[2])), [0.002, 0.005, 0.005, 0.005])


@pytest.mark.parametrize(
    ("unit", "kind", "expected"),
    [
        ("kWh", QuantityKind.POWER, 0.006),  # 6 kWh in an hour
        ("kVA", QuantityKind.POWER, 0.006),
        ("cEUR/kWh", QuantityKind.ENERGY_PRICE, 60),
        ("EUR/kW", QuantityKind.POWER_PRICE, 6000),
        ("%", QuantityKind.SHARE, 0.06),
        ("", QuantityKind.SHARE, 6),
    ],
)
def test_what_sensors_say_is_converted(unit: str, kind: QuantityKind, expected: float) -> None:
    assert filled(SensorReference(7, kind), CAPACITY_FILLING, ground(unit, values=[6]))[0] == pytest.approx(expected)


def test_a_state_of_charge_in_per_cent_is_of_soc_max() -> None:
    reference = SensorReference(7, QuantityKind.ENERGY)
    on = ground("%", 0, [25, 50])
    np.testing.assert_allclose(
        filled_at_moments(reference, Overlap.LARGEST, on, soc_max_mwh=0.2), [0.05, 0.1, nan, nan, nan]
    )
    with pytest.raises(PlanImpossible, match="soc-max"):
        filled_at_moments(reference, Overlap.LARGEST, on, soc_max_mwh=None)


@pytest.mark.parametrize(
    ("zone", "day", "steps"),
    [
        ("Europe/Amsterdam", (2026, 3, 29), 46),
        ("Europe/Amsterdam", (2026, 10, 25), 50),
        ("Australia/Lord_Howe", (2026, 4, 5), 49),
        ("Australia/Lord_Howe", (2026, 10, 4), 47),
    ],
)
def test_a_day_of_a_list_is_a_day_of_the_clock(zone: str, day: tuple[int, int, int], steps: int) -> None:
    start = datetime(*day, tzinfo=ZoneInfo(zone))
    quantity = capacity([{"value": "5 kW", "start": start.isoformat(), "duration": "P1D"}])
    on = Ground(Window(start.astimezone(UTC), 1800, 60), {}, {}, {}, "EUR")
    assert np.count_nonzero(~np.isnan(filled(quantity, CAPACITY_FILLING, on, zone))) == steps


def test_a_value_at_a_moment_counts_in_the_step_that_it_lies_in() -> None:
    quantity = capacity([{"value": "5 kW", "datetime": hour(1.5)}])
    np.testing.assert_allclose(filled(quantity, CAPACITY_FILLING, ground()) * 1000, [nan, 5, nan, nan])


def test_what_lies_outside_the_window_has_no_effect() -> None:
    quantity = capacity([period("5 kW", -3, 1), period("4 kW", 3, 9), period("3 kW", 9, 10), period("2 kW", -3, -1)])
    np.testing.assert_allclose(filled(quantity, CAPACITY_FILLING, ground()) * 1000, [5, nan, nan, 4])
    moments = filled_at_moments(
        wish("soc-minima", [period("5 kWh", -3, 1), period("4 kWh", 9, 10)]),
        Overlap.LARGEST,
        ground(),
        soc_max_mwh=None,
    )
    np.testing.assert_allclose(moments * 1000, [5, 5, nan, nan, nan])
