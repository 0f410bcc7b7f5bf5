"""What a child plans before anybody waits for it."""

from __future__ import annotations

import pytest

from services.optimizer.tasks.first_schedule import first_schedule
from services.optimizer.tasks.flexibility_values import FoundSchedule


def test_the_first_schedule_of_a_child_is_a_real_one() -> None:
    """Within its hour the battery sells what it holds: 1 kWh, of which the square root of 0.9 arrives."""
    found = first_schedule()
    assert isinstance(found, FoundSchedule)
    (power,) = found.found
    assert len(power.values) == 4
    assert sum(power.values) / 4 == pytest.approx(-(0.9**0.5), abs=1e-6)
