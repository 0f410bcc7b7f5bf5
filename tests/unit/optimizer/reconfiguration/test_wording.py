"""Numbers, ids and lists in sentences."""

from __future__ import annotations

import pytest

from services.optimizer.reconfiguration.wording import complex_number, listed, listed_ids, number, quoted, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [(100.0, "100"), (0.1 + 0.2, "0.3"), (11559.725, "11559.725"), (float("inf"), "∞"), (0.0, "0"), (1e7, "10000000")],
)
def test_numbers_show_what_is_known_of_them(value: float, text: str) -> None:
    assert number(value) == text


def test_complex_numbers_are_in_angle_brackets() -> None:
    assert complex_number(101 - 2.5j) == "<101; -2.5>"
    assert complex_number(complex(float("inf"), 0)) == "<∞; 0>"


def test_ten_entries_are_shown() -> None:
    assert listed_ids([str(k) for k in range(10)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert listed_ids([str(k) for k in range(11)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …"
    assert listed(["a", "b"], "; ") == "a; b"


def test_long_ids_are_cut() -> None:
    assert shown("x" * 200) == "x" * 200
    assert shown("x" * 201) == "x" * 200 + "…"
    assert listed_ids(["y" * 300, "z"]) == "y" * 200 + "…, z"


def test_a_quoted_id_is_cut_and_holds_no_character_that_the_database_refuses() -> None:
    assert quoted("a") == "'a'"
    assert quoted("x" * 201) == "'" + "x" * 200 + "…'"
    assert quoted("a\0b") == "'a␀b'"
