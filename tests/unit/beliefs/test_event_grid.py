"""Attributes that say where the events of a sensor may begin."""

from __future__ import annotations

import pytest

from shared.beliefs import frequency_s, is_floored


@pytest.mark.parametrize(
    ("frequency", "seconds"),
    [
        ("5min", 300),
        (" 15T ", 900),
        ("h", 3600),
        ("2H", 7200),
        ("30s", 30),
        ("D", 86400),
        ("0min", None),
        ("often", None),
        ("5 min", None),
        ("1234567s", None),
        (5, None),
        (None, None),
    ],
)
def test_a_frequency_is_a_number_and_a_unit(frequency: object, seconds: int | None) -> None:
    assert frequency_s({"frequency": frequency}) == seconds
    assert frequency_s({}) is None


@pytest.mark.parametrize(("given", "expected"), [(True, True), (False, False), (None, True), ("no", True)])
def test_starts_go_down_to_the_resolution_unless_it_is_refused(given: object, expected: bool) -> None:
    assert is_floored({"floor_datetimes_to_resolution": given}) is expected
    assert is_floored({})
