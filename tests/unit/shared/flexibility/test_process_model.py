from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.flexibility.errors import FlexConfigInvalid
from shared.flexibility.flex_model import FlexModelEntry, ProcessModel, ProcessType, TimeRestriction
from shared.flexibility.reading import read_flex_model
from tests.unit.shared.flexibility.places import POWER, SENSORS


def read(document: dict[str, Any], **more: Any) -> FlexModelEntry:
    return read_flex_model(document, sensors=SENSORS, **more)


def test_a_process_has_a_duration_a_power_and_hours_that_are_barred() -> None:
    entry = read({
        "sensor": POWER, "duration": "PT4H", "power": 0.004, "process-type": "SHIFTABLE", "optimization-direction": "MAX",
        "time-restrictions": [{"start": "2024-01-01T08:00:00+00:00", "duration": "PT2H"},
                              {"start": "2024-03-30T12:00:00+01:00", "duration": "P1D"}],
    })  # fmt: skip
    assert entry.process == ProcessModel(
        timedelta(hours=4),
        0.004,
        ProcessType.SHIFTABLE,
        (
            TimeRestriction(datetime.fromisoformat("2024-01-01T08:00Z"), datetime.fromisoformat("2024-01-01T10:00Z")),
            # A day of the sensor's place, which has 23 hours.
            TimeRestriction(datetime.fromisoformat("2024-03-30T11:00Z"), datetime.fromisoformat("2024-03-31T10:00Z")),
        ),
        is_maximised=True,
    )


def test_a_process_is_inflexible_and_cheap_unless_it_says_otherwise() -> None:
    process = read({"sensor": POWER, "duration": "PT4H", "power": "4 kW"}).process
    assert process == ProcessModel(timedelta(hours=4), 0.004, ProcessType.INFLEXIBLE)
    assert read({"sensor": POWER, "duration": "PT4H", "power": 1, "optimization-sense": "MAX"}).process != process


def test_the_power_may_be_the_capacity() -> None:
    process = read({"sensor": POWER, "duration": "PT4H", "power-capacity": "5 kW"}).process
    assert process is not None
    assert process.power_mw == 0.005


@pytest.mark.parametrize(
    ("document", "errors"),
    [
        ({"process-type": "SHIFTABLE", "power": 1}, {"duration": ["Missing data for required field."]}),
        ({"duration": "PT4H"}, {"power": ["Missing data for required field."]}),
        ({"duration": "P1M", "power": 1}, {"duration": ["Must be a fixed length of time above zero."]}),
        ({"duration": "PT0H", "power": 1}, {"duration": ["Must be a fixed length of time above zero."]}),
        ({"duration": "4 h", "power": 1}, {"duration": ["Cannot parse '4 h' as ISO8601 duration."]}),
        ({"duration": "PT4H", "power": "1 kWh"}, {"power": ["Cannot convert value `1 kWh` to 'MW'"]}),
        ({"duration": "PT4H", "power": -1}, {"power": ["Must be greater than or equal to 0."]}),
        ({"duration": "PT4H", "power": 1, "process-type": "LAZY"},
         {"process-type": ["Must be one of: INFLEXIBLE, BREAKABLE, SHIFTABLE."]}),
        ({"duration": "PT4H", "power": 1, "time-restrictions": [{"start": "2024-01-01T08:00:00+00:00"}]},
         {"time-restrictions": {"0": {"duration": ["Missing data for required field."]}}}),
        ({"duration": "PT4H", "power": 1, "soc-max": "1 kWh"}, {"soc-max": ["Unknown field."]}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_field(document: dict[str, Any], errors: object) -> None:
    with pytest.raises(FlexConfigInvalid) as caught:
        read(document)
    assert caught.value.errors == errors


def test_only_some_assets_are_processes() -> None:
    document = {"duration": "PT4H", "power": 1}
    assert read(document, asset_type="load").process is not None
    with pytest.raises(FlexConfigInvalid) as caught:
        read(document, asset_type="battery")
    assert caught.value.errors == {"duration": ["Unknown field."], "power": ["Unknown field."]}
