"""Start configurations and uploaded solutions: every rule, in the stated order."""

from __future__ import annotations

import re

import pytest

from services.optimizer.documents.demand import read_demands
from services.optimizer.documents.errors import DocumentError, UnreadableDocumentError
from services.optimizer.documents.power_grid import read_power_grid
from services.optimizer.documents.switch_settings import read_solution, read_start_configuration
from tests.unit.optimizer.documents.variations import (
    DEMANDS,
    DROP,
    SOLUTION,
    START,
    Json,
    changed,
    encoded,
    network,
)

GRID = read_power_grid(network())
PERIODS = read_demands(encoded(DEMANDS), GRID, allow_unspecified=False)
SETTING = "switch_settings[0]."
DAY = "period_solutions[0]."


def test_start_configuration_is_an_array_over_all_lines() -> None:
    start = read_start_configuration(encoded(START), GRID)
    assert start is not None
    assert start.tolist() == [False, True, False]
    assert not start.flags.writeable


@pytest.mark.parametrize("document", [b"", b" \n", b"null", b"\xef\xbb\xbf null "])
def test_an_empty_start_configuration_is_none(document: bytes) -> None:
    assert read_start_configuration(document, GRID) is None


def test_period_of_a_start_configuration_does_not_matter() -> None:
    for period in ("never", None, 7):
        assert read_start_configuration(encoded(changed(START, {"period": period})), GRID) is not None


def test_network_without_switches_has_an_empty_configuration() -> None:
    grid = read_power_grid(network({"lines": []}))
    start = read_start_configuration(b'{"switch_settings": []}', grid)
    assert start is not None
    assert start.shape == (0,)


BAD_SETTINGS: list[tuple[dict[str, Json], str]] = [
    ({"switch_settings": None}, r"'switch_settings' is null. Path '.*switch_settings'"),
    ({"switch_settings": DROP}, "'switch_settings' is missing"),
    ({"switch_settings[+]": None}, r"'switch_settings'.* null. Path '.*switch_settings\[2\]'"),
    ({SETTING + "line_id": None}, r"'line_id' is null. Path '.*switch_settings\[0\]\.line_id'"),
    ({SETTING + "line_id": DROP}, r"'line_id' is missing. Path '.*switch_settings\[0\]'"),
    ({SETTING + "line_id": "z"}, r"unknown lines: z\Z"),
    ({SETTING + "line_id": ""}, "unknown lines: "),
    ({SETTING + "open": DROP}, r"'open' is missing. Path '.*switch_settings\[0\]'"),
    ({SETTING + "open": None}, r"'open' is null"),
    ({SETTING + "open": 1}, r"true or false.* Path '.*switch_settings\[0\]\.open'"),
    ({"switch_settings[+]": {"line_id": "a", "open": False}}, r"not switchable: a\Z"),
    ({"switch_settings": []}, r"no setting for switchable lines: b, c\Z"),
    ({"switch_settings[0]": DROP}, r"no setting for switchable lines: [bc]\Z"),
    ({"switch_settings[+]": {"line_id": "b", "open": True}}, r"more than one setting for lines: b\Z"),
]


@pytest.mark.parametrize(("changes", "needle"), BAD_SETTINGS, ids=str)
def test_bad_start_configurations_are_refused(changes: dict[str, Json], needle: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_start_configuration(encoded(changed(START, changes)), GRID)
    assert re.search(needle, caught.value.message), caught.value.message


@pytest.mark.parametrize(("changes", "needle"), BAD_SETTINGS, ids=str)
def test_bad_settings_in_a_solution_are_refused_with_the_period(changes: dict[str, Json], needle: str) -> None:
    in_solution = {DAY + path: value for path, value in changes.items()}
    with pytest.raises(DocumentError) as caught:
        read_solution(encoded(changed(SOLUTION, in_solution)), GRID, PERIODS)
    assert re.match(rf"Period 'day': .*{needle}", caught.value.message), caught.value.message
    # What is null is wrong with the settings, as clients are told in a sentence; the form of the document is another matter.
    has_wrong_form = "Path '" in caught.value.message and "null" not in needle
    assert isinstance(caught.value, UnreadableDocumentError) == has_wrong_form


def entry(line_id: Json, is_open: Json = True) -> Json:
    return {"line_id": line_id, "open": is_open}


@pytest.mark.parametrize(
    ("settings", "needle"),
    [
        ([entry("z"), None], "null"),
        ([entry("z"), entry(None)], "'line_id' is null"),
        ([entry("a"), entry("z"), entry("b"), entry("b")], "unknown lines: z"),
        ([entry("a"), entry("b"), entry("b")], "not switchable: a"),
        ([entry("b"), entry("b")], "no setting for switchable lines: c"),
        ([entry("b"), entry("c"), entry("b", is_open=False)], "more than one setting for lines: b"),
    ],
    ids=str,
)
def test_the_first_error_of_settings_in_the_stated_order_wins(settings: Json, needle: str) -> None:
    with pytest.raises(DocumentError, match=needle):
        read_start_configuration(encoded({"switch_settings": settings}), GRID)


def test_solution_is_an_array_over_periods_in_order_and_lines() -> None:
    solution = read_solution(encoded(SOLUTION), GRID, PERIODS)
    assert solution.tolist() == [[False, False, False], [False, False, True]]
    assert not solution.flags.writeable


@pytest.mark.parametrize(
    ("changes", "has_wrong_form"),
    [
        ({"period_solutions": None}, True),
        ({"period_solutions": DROP}, True),
        ({"period_solutions[+]": None}, False),
        ({"period_solutions[+]": 5}, True),
        ({DAY + "period": None}, False),
        ({DAY + "period": DROP}, False),
        ({DAY + "period": 5}, True),
    ],
    ids=str,
)
def test_a_period_that_is_not_named_is_no_wrong_form(changes: dict[str, Json], has_wrong_form: bool) -> None:
    with pytest.raises(DocumentError) as caught:
        read_solution(encoded(changed(SOLUTION, changes)), GRID, PERIODS)
    assert isinstance(caught.value, UnreadableDocumentError) == has_wrong_form


@pytest.mark.parametrize(
    ("changes", "needle"),
    [
        ({"period_solutions": None}, "'period_solutions' is null. Path 'period_solutions'"),
        ({"period_solutions": DROP}, "'period_solutions' is missing"),
        ({"period_solutions[+]": None}, r"'period_solutions'.* null. Path 'period_solutions\[2\]'"),
        ({DAY + "period": None}, r"'period' is null. Path 'period_solutions\[0\]\.period'"),
        ({DAY + "period": DROP}, r"'period' is missing. Path 'period_solutions\[0\]'"),
        ({DAY + "period": 5}, r"string.* Path 'period_solutions\[0\]\.period'"),
        ({DAY + "period": "dusk"}, r"unknown periods: dusk\Z"),
        ({DAY + "period": "night"}, r"more than one entry: night\Z"),
        ({"period_solutions[0]": DROP}, r"periods without settings: day\Z"),
        ({"period_solutions": []}, r"periods without settings: night, day\Z"),
        ({DAY + "period": None, "period_solutions[+]": None}, "null. Path 'period_solutions.2.'"),
        ({DAY + "period": "dusk", "period_solutions[+]": {"period": None}}, "'period' is null"),
        ({DAY + "period": "night", "period_solutions[+]": {"period": "dusk"}}, "unknown periods: dusk"),
        ({DAY + "period": "night", DAY + "switch_settings": None}, "more than one entry: night"),
        ({"period_solutions[1]": DROP, DAY + "switch_settings": None}, "periods without settings: night"),
    ],
    ids=str,
)
def test_bad_solutions_are_refused_in_the_stated_order(changes: dict[str, Json], needle: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_solution(encoded(changed(SOLUTION, changes)), GRID, PERIODS)
    assert re.search(needle, caught.value.message), caught.value.message
