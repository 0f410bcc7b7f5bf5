"""Numbers as texts: what JSON writes, a little more, and nothing that only looks like a number to a program."""

from __future__ import annotations

import pytest

from shared.number_text import number_in


@pytest.mark.parametrize(
    ("text", "number"),
    [("12.5", 12.5), (" +1e3 ", 1000.0), ("-.5", -0.5), ("7.", 7.0), ("1E-2", 0.01), ("0" * 64, 0.0)],
)
def test_a_number_is_read(text: str, number: float) -> None:
    assert number_in(text) == number


@pytest.mark.parametrize(
    "text", ["", " ", "1_000", "0x10", "nan", "Infinity", "1e999", "1,5", "1 2", "\N{ARABIC-INDIC DIGIT ONE}", "0" * 65]
)
def test_what_is_none_is_none(text: str) -> None:
    assert number_in(text) is None
