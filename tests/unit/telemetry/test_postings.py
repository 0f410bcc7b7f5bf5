"""Posted values on their way to a sensor's resolution and unit."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.telemetry.postings import PostingInvalid, Stated, ValuesArguments, read_arguments, series_of
from shared.beliefs import KnowledgeHorizon, NewSeries, microseconds
from shared.ids import OPEN_ACCOUNT_ID, SensorId, SourceId

D = datetime(2024, 3, 1, tzinfo=UTC)
NAN = math.nan
MINUTE_US = 60_000_000


def posted(
    values: list[float], *, resolution_s: int = 900, frequency_s: int | None = None, **arguments: object
) -> NewSeries:
    given: dict[str, Any] = {
        "kind": "values",
        "start": D,
        "step_s": 900,
        "belief_time": D,
        "source": {"name": "planner"},
    }
    about = Stated(
        OPEN_ACCOUNT_ID, SensorId(1), SourceId(2), resolution_s, KnowledgeHorizon(resolution_s * 1_000_000), frequency_s
    )
    packed = struct.pack(f"<{len(values)}d", *values)
    return series_of(read_arguments(ValuesArguments, given | arguments), packed, about)


def minutes(series: NewSeries) -> list[float]:
    return [(at - microseconds(D)) / MINUTE_US for at in series.starts_us]


def test_values_at_the_sensors_resolution_stay_as_they_are() -> None:
    series = posted([4.5, 5, NAN, 6.25])
    assert minutes(series) == [0, 15, 30, 45]
    assert list(series.values)[:2] == [4.5, 5] and math.isnan(series.values[2])
    assert (series.belief_time, series.source_id, series.account_id) == (D, 2, OPEN_ACCOUNT_ID)


def test_a_coarser_message_is_repeated() -> None:
    assert list(posted([3, 6], step_s=3600).values) == [3] * 4 + [6] * 4


def test_a_finer_message_is_averaged_over_what_is_stated() -> None:
    series = posted([1, 2, 3, 4, 5, 9], step_s=300)
    assert (minutes(series), list(series.values)) == ([0, 15], [2, 6])
    partly = posted([1, NAN, 3, NAN, NAN, NAN, 7], step_s=300)
    assert partly.values[0] == 2 and math.isnan(partly.values[1]) and partly.values[2] == 7
    assert list(posted([1.0] * 14, step_s=900 / 7).values) == [1, 1]


def test_the_unit_is_converted_by_factor_and_offset() -> None:
    assert list(posted([1, 2.5], factor=4.0).values) == [4, 10]
    assert list(posted([32, 212], factor=5 / 9, offset=-160 / 9).values) == pytest.approx([0, 100])


@pytest.mark.parametrize("step_s", [525, 600, 0, 1350])
def test_a_distance_that_does_not_fit_is_refused(step_s: float) -> None:
    with pytest.raises(PostingInvalid, match="does not fit the sensor's resolution"):
        posted([1, 2], step_s=step_s)


def test_a_horizon_is_counted_back_from_the_end_of_each_event() -> None:
    series = posted([1, 2], horizon_s=6 * 3600, belief_time=None)
    assert (series.belief_time, series.believed_after_us) == (None, (900 - 6 * 3600) * 1_000_000)


def test_moments_are_exact_unless_a_frequency_rounds_them() -> None:
    at = D + timedelta(minutes=2, microseconds=7)
    (exact,) = posted([5], resolution_s=0, step_s=0, start=at).starts_us
    assert exact == microseconds(at)
    for offset, expected in ((2, 0), (3, 5), (2.5, 0), (7.5, 10)):
        series = posted([5], resolution_s=0, step_s=0, frequency_s=300, start=D + timedelta(minutes=offset))
        assert minutes(series) == [expected]
    assert minutes(posted([1, 2, 3], resolution_s=0, step_s=0.5)) == pytest.approx([0, 0.5 / 60, 1 / 60])


def test_two_values_for_one_moment_are_refused() -> None:
    with pytest.raises(PostingInvalid, match="overlap"):
        posted([1, 2], resolution_s=0, step_s=60, frequency_s=300)


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"start": "soon"}, "start"),
        ({"start": "2024-03-01T00:00:00"}, "start"),
        ({"step_s": -1}, "step_s"),
        ({"factor": "NaN"}, "factor"),
        ({"source": {}}, "source.name"),
        ({"kind": "upload"}, "kind"),
    ],
)
def test_arguments_that_are_wrong_are_said_by_their_path(wrong: dict[str, Any], path: str) -> None:
    with pytest.raises(PostingInvalid, match=f"arguments are wrong: {path}:"):
        posted([1], **wrong)


def test_data_that_are_no_numbers_are_refused() -> None:
    arguments = read_arguments(ValuesArguments, {"kind": "values", "start": D, "step_s": 900, "source": {"name": "x"}})
    with pytest.raises(PostingInvalid, match="no packed numbers"):
        series_of(arguments, b"1234567", Stated(None, SensorId(1), SourceId(1), 900, KnowledgeHorizon(0)))
