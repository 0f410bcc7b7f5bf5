"""When events are known, as a sensor's attribute says."""

from __future__ import annotations

import pytest

from shared.beliefs import KnowledgeHorizon, KnowledgeHorizonInvalid, knowledge_horizon

HOUR_US = 3_600_000_000


def known(attribute: object) -> KnowledgeHorizon:
    return knowledge_horizon({"knowledge_horizon": attribute}, resolution_s=3600, timezone="Europe/Oslo")


def test_an_event_is_known_at_its_end_unless_something_else_is_said() -> None:
    assert knowledge_horizon({}, resolution_s=3600, timezone="UTC") == KnowledgeHorizon(HOUR_US)
    assert knowledge_horizon({}, resolution_s=0, timezone="UTC") == KnowledgeHorizon(0)


def test_a_duration_is_how_long_before_the_event() -> None:
    assert known("PT24H") == KnowledgeHorizon(-24 * HOUR_US)
    assert known("-PT1H") == KnowledgeHorizon(HOUR_US)


def test_a_time_of_a_day_before_is_in_the_sensors_timezone_or_another() -> None:
    assert known({"days": 1, "time": "12:00"}) == KnowledgeHorizon(0, 1, 12 * HOUR_US, "Europe/Oslo")
    expected = KnowledgeHorizon(0, 2, 9 * HOUR_US + HOUR_US // 2, "Asia/Tokyo")
    assert known({"days": 2, "time": "9:30", "timezone": "Asia/Tokyo"}) == expected


@pytest.mark.parametrize(
    "attribute",
    [
        "noon",
        "P1M",
        7,
        ["PT1H"],
        {},
        {"days": 1},
        {"days": -1, "time": "12:00"},
        {"days": True, "time": "12:00"},
        {"days": 1, "time": "24:00"},
        {"days": 1, "time": "12:00", "timezone": "Mars"},
        {"days": 1, "time": "12:00", "timezone": "../UTC"},
        {"days": 1, "time": "12:00", "at": 1},
    ],
)
def test_what_cannot_be_understood_is_said_with_what_was_expected(attribute: object) -> None:
    with pytest.raises(KnowledgeHorizonInvalid, match="knowledge_horizon must be an ISO 8601 duration"):
        known(attribute)
