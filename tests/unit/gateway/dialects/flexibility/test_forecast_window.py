from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.gateway.dialects.flexibility.data_store import Target
from services.gateway.dialects.flexibility.forecast_request_schemas import TriggerForecast
from services.gateway.dialects.flexibility.forecast_window import request_of
from services.gateway.dialects.flexibility.validation import Invalid, read_as
from shared.flexibility.forecast_request import ForecastRequest, RegressorReference, SnapRange

SENSOR = Target(5, None, "kW", 900, "Europe/Amsterdam", {}, None, True)
NOW = datetime(2024, 6, 20, 10, 7, 12, tzinfo=UTC)
START = "2024-06-21T00:00:00+02:00"
BAG = "combined_sensor_data_description"


def asked(**body: Any) -> ForecastRequest:
    given = {name.replace("_", "-"): value for name, value in body.items()}
    return request_of(read_as(TriggerForecast, given, BAG), SENSOR, NOW)


def refused(**body: Any) -> dict[str, Any]:
    with pytest.raises(Invalid) as caught:
        asked(**body)
    found: dict[str, Any] = caught.value.messages[BAG]
    return found


def hours(request: ForecastRequest) -> float:
    return (request.end - request.start).total_seconds() / 3600


def test_without_a_wish_it_is_two_days_from_the_event_that_is_under_way() -> None:
    request = asked()
    assert request.start == datetime(2024, 6, 20, 10, 0, tzinfo=UTC)
    assert (hours(request), request.is_start_given, request.prior) == (48, False, None)
    assert (request.horizon_s, request.frequency_s, request.retrain_s) == (172_800, 172_800, 172_800)
    assert (request.train_period_s, request.max_training_period_s) == (30 * 86_400, 365 * 86_400)
    assert len(request.cycles()) == 1


def test_the_window_is_told_by_two_of_start_end_and_duration() -> None:
    expected = datetime(2024, 6, 20, 22, tzinfo=UTC)
    for body in (
        {"start": START, "duration": "PT24H"},
        {"start": START, "end": "2024-06-22T00:00:00+02:00"},
        {"end": "2024-06-22T00:00:00+02:00", "duration": "PT24H"},
        {"start": "2024-06-21", "end": "2024-06-22"},
    ):
        request = asked(**body)
        assert (request.start, hours(request)) == (expected, 24)


def test_all_three_are_refused() -> None:
    body = {"start": START, "end": "2024-06-22T00:00:00+02:00", "duration": "PT24H"}
    text = "Provide 'duration' with either 'start' or 'end', but not with both."
    assert refused(**body) == {"duration": [text]}


@pytest.mark.parametrize("end", [START, "2024-06-20T00:00:00+02:00"])
def test_a_window_ends_after_its_start(end: str) -> None:
    assert refused(start=START, end=end) == {"start": ["start must be before end"]}


def test_a_horizon_shorter_than_the_default_window_shortens_it() -> None:
    request = asked(start=START, max_forecast_horizon="PT12H")
    assert (hours(request), request.horizon_s, request.frequency_s) == (12, 43_200, 43_200)


def test_a_horizon_with_a_frequency_leaves_the_window() -> None:
    request = asked(start=START, max_forecast_horizon="PT12H", forecast_frequency="PT6H")
    assert (hours(request), request.horizon_s, request.frequency_s) == (48, 43_200, 21_600)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"duration": "PT24H", "max_forecast_horizon": "PT48H"}, "max-forecast-horizon"),
        ({"duration": "PT24H", "max_forecast_horizon": "PT12H"}, "max-forecast-horizon"),
        ({"max_forecast_horizon": "PT20M"}, "max-forecast-horizon"),
        ({"forecast_frequency": "PT20M"}, "forecast-frequency"),
        ({"forecast_frequency": "P1M"}, "forecast-frequency"),
        ({"duration": "P4Y"}, "duration"),
        (
            {"duration": "P1000D", "forecast_frequency": "PT1H", "config": {"retrain-frequency": "PT1H"}},
            "forecast-frequency",
        ),
        ({"sensor_to_save": 6}, "sensor-to-save"),
        ({"start": "soon"}, "start"),
        ({"start": "2024-06-21T00:00:00"}, "start"),
        ({"colour": 1}, "colour"),
    ],
)
def test_what_does_not_fit_is_told_of_its_field(body: dict[str, Any], field: str) -> None:
    assert set(refused(**({"start": START} | body))) == {field}


@pytest.mark.parametrize(
    ("config", "field", "text"),
    [
        ({"train-period": "PT24H"}, "train-period", "train-period must be at least 2 days (48 hours)"),
        ({"max-training-period": "P1Y"}, "max-training-period", "must not be in months or years"),
        ({"retrain-frequency": "PT30M"}, "retrain-frequency", "at least 1 hour"),
        ({"missing-threshold": 2}, "missing-threshold", "less than or equal to 1"),
        ({"magic": 1}, "magic", "Unknown field."),
        ({"upper": "5 EUR"}, "upper", "EUR"),
    ],
)
def test_what_is_wrong_with_the_configuration_is_told_below_it(config: dict[str, Any], field: str, text: str) -> None:
    found = refused(start=START, config=config)["config"]
    assert set(found) == {field}
    assert text in found[field][0]


def test_the_number_of_cycles_is_the_window_by_the_longer_of_both_frequencies() -> None:
    def cycles(duration: str, frequency: str, retrain: str) -> int:
        config = {"retrain-frequency": retrain}
        return len(asked(start=START, duration=duration, forecast_frequency=frequency, config=config).cycles())

    assert cycles("PT24H", "PT12H", "PT12H") == 2
    assert cycles("PT24H", "PT12H", "PT24H") == 1
    assert cycles("PT30H", "PT12H", "PT1H") == 2
    assert cycles("PT72H", "PT1H", "PT24H") == 3


def test_limits_are_numbers_or_quantities_and_snaps_are_ranges() -> None:
    config = {"ensure-positive": True, "lower": "100 W", "upper": 5, "snap": {"0": [-0.5, 0.5]}}
    request = asked(start=START, config=config)
    assert (request.ensure_positive, request.lower, request.upper) == (True, 0.1, 5.0)
    assert request.snaps == (SnapRange(0.0, -0.5, 0.5),)
    assert asked(config={"snap": [{"target": 1, "range": [0, 2]}]}).snaps == (SnapRange(1.0, 0.0, 2.0),)


def test_regressors_are_ids_or_references_with_filters() -> None:
    config = {
        "past-regressors": [7],
        "future-regressors": [{"sensor": 8, "source-types": ["forecaster"]}],
        "regressors": [{"sensor": 9, "sources": [1, 2], "source-account": [3], "exclude-source-types": ["user"]}],
    }
    assert asked(config=config).regressors == (
        RegressorReference(7, is_past=True, is_future=False),
        RegressorReference(8, is_past=False, is_future=True, source_types=("forecaster",)),
        RegressorReference(9, True, True, (), ("user",), (1, 2), (3,)),
    )


def test_prior_restricts_what_is_known() -> None:
    request = asked(start=START, prior="2024-06-20T18:00:00+02:00")
    assert request.prior == datetime(2024, 6, 20, 16, tzinfo=UTC)
    assert request.is_start_given
    assert request.end - request.start == timedelta(hours=48)
