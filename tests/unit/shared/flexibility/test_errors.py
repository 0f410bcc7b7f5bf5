from __future__ import annotations

import pytest

from shared.flexibility.errors import FlexConfigInvalid, Problems


def test_problems_nest_by_their_places() -> None:
    problems = Problems()
    model = problems.at("flex-model")
    model.at(0, "soc-min").add("too small")
    model.at(0, "soc-min").add("too small")
    model.at(0, "soc-min").add("no unit")
    model.add_here("twice")
    assert problems.tree == {"flex-model": {"0": {"soc-min": ["too small", "no unit"]}, "_schema": ["twice"]}}


def test_a_field_may_be_wrong_as_a_whole_and_in_its_parts() -> None:
    for order in (1, -1):
        problems = Problems()
        for path, text in [(("soc-gain",), "no list"), (("soc-gain", "1"), "no unit")][::order]:
            problems.at(*path).add(text)
        assert problems.tree == {"soc-gain": {"_schema": ["no list"], "1": ["no unit"]}}


def test_problems_gathered_elsewhere_are_taken_over() -> None:
    here, elsewhere = Problems(), Problems()
    here.at("a", "b").add("one")
    elsewhere.at("a", "b").add("two")
    elsewhere.at("a", "c", "d").add("three")
    here.take(elsewhere.tree)
    assert here.tree == {"a": {"b": ["one", "two"], "c": {"d": ["three"]}}}


def test_nothing_is_raised_for_nothing() -> None:
    Problems().raise_if_any()


def test_the_error_says_the_first_problem_and_where() -> None:
    problems = Problems()
    problems.at("flex-model", 0, "soc-min").add("too small")
    with pytest.raises(FlexConfigInvalid) as caught:
        problems.raise_if_any()
    assert (caught.value.message, caught.value.field) == ("flex-model.0.soc-min: too small", "flex-model.0.soc-min")
