"""When processes run: 24 hours of which the middle eight are cheap."""

from __future__ import annotations

import numpy as np
import pytest

from services.optimizer.scheduling.processes import (
    ProcessImpossible,
    ProcessType,
    blocked_steps,
    needed_steps,
    running_steps,
)

PRICE = np.repeat([30.0, 10.0, 30.0], 8)
FREE = np.zeros(24, dtype=np.bool_)
HOUR = 3600


def blocked(*hours: int) -> np.ndarray:
    found = FREE.copy()
    found[list(hours)] = True
    return found


@pytest.mark.parametrize(
    ("kind", "restricted", "expected"),
    [
        (ProcessType.SHIFTABLE, (), [8, 9, 10, 11]),
        (ProcessType.SHIFTABLE, (8, 9), [10, 11, 12, 13]),
        (ProcessType.INFLEXIBLE, (), [0, 1, 2, 3]),
        (ProcessType.INFLEXIBLE, (2,), [3, 4, 5, 6]),
        (ProcessType.BREAKABLE, (9, 11, 13, 15), [8, 10, 12, 14]),
        (ProcessType.BREAKABLE, (), [8, 9, 10, 11]),
    ],
)
def test_four_hours_run_where_they_may_and_cost_least(
    kind: ProcessType, restricted: tuple[int, ...], expected: list[int]
) -> None:
    runs = running_steps(kind, PRICE, blocked(*restricted), 4)
    assert np.flatnonzero(runs).tolist() == expected


@pytest.mark.parametrize("kind", [ProcessType.SHIFTABLE, ProcessType.BREAKABLE])
def test_a_process_that_earns_runs_where_prices_are_highest(kind: ProcessType) -> None:
    runs = running_steps(kind, PRICE, FREE, 4, is_maximised=True)
    assert np.flatnonzero(runs).tolist() == [0, 1, 2, 3]


def test_sums_that_differ_by_rounding_are_a_tie() -> None:
    price = np.array([0.3, 0.1, 0.2, 0.1 + 0.2, 0.1, 0.2])
    assert np.flatnonzero(running_steps(ProcessType.SHIFTABLE, price, np.zeros(6, np.bool_), 3)).tolist() == [0, 1, 2]


def test_a_process_longer_than_the_window_runs_all_the_time() -> None:
    assert running_steps(ProcessType.SHIFTABLE, PRICE, FREE, 30).all()


def test_a_process_as_long_as_the_window_suffers_no_restriction() -> None:
    with pytest.raises(ProcessImpossible):
        running_steps(ProcessType.INFLEXIBLE, PRICE, blocked(3), 24)


@pytest.mark.parametrize("kind", list(ProcessType))
def test_a_process_without_room_is_refused(kind: ProcessType) -> None:
    with pytest.raises(ProcessImpossible):
        running_steps(kind, PRICE, blocked(*(h for h in range(24) if h % 8)), 4)


def test_begun_steps_count_in_full() -> None:
    assert [needed_steps(hours * HOUR, HOUR) for hours in (0.0, 0.1, 1.0, 1.01, 4.0)] == [0, 1, 1, 2, 4]


def test_a_restriction_blocks_every_step_that_it_touches() -> None:
    starts = np.arange(6) * HOUR
    assert np.flatnonzero(blocked_steps(starts, HOUR, [(1.5 * HOUR, 3 * HOUR), (5 * HOUR, 5.1 * HOUR)])).tolist() == [
        1,
        2,
        5,
    ]
