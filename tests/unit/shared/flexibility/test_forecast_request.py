"""How a forecast is cut into cycles and looks ahead, and how it is written down."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shared.flexibility.forecast_request import ForecastRequest, RegressorReference, SnapRange

START = datetime(2024, 6, 18, tzinfo=UTC)
ASKED = datetime(2024, 6, 17, 9, tzinfo=UTC)
HOUR_S = 3600


def request(hours: int = 24, **more: object) -> ForecastRequest:
    end = START + timedelta(hours=hours)
    given = {"horizon_s": hours * HOUR_S, "frequency_s": hours * HOUR_S, "retrain_s": 48 * HOUR_S} | more
    return ForecastRequest(sensor_id=7, start=START, end=end, window_end=end, **given)  # type: ignore[arg-type]


def after(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def test_one_cycle_is_the_request_itself() -> None:
    assert request().cycles() == (request(),)


def test_a_day_retrained_every_twelve_hours_has_two_cycles() -> None:
    cycles = request(frequency_s=12 * HOUR_S, retrain_s=12 * HOUR_S).cycles()
    assert [(one.start, one.end, one.window_end) for one in cycles] == [
        (after(0), after(12), after(24)),
        (after(12), after(24), after(24)),
    ]


def test_the_rest_of_a_window_belongs_to_the_last_cycle() -> None:
    cycles = request(hours=30, frequency_s=6 * HOUR_S, retrain_s=12 * HOUR_S).cycles()
    assert [(one.start, one.end) for one in cycles] == [(after(0), after(12)), (after(12), after(30))]


def test_a_single_look_covers_the_window_and_is_believed_at_its_start() -> None:
    (view,) = request().views(ASKED)
    assert (view.start, view.end, view.belief_time) == (after(0), after(24), after(0))


def test_without_a_start_it_is_believed_when_it_is_asked_for() -> None:
    (view,) = request(is_start_given=False).views(ASKED)
    assert view.belief_time == ASKED


def test_looks_overlap_where_their_moments_tell_them_apart() -> None:
    views = request(frequency_s=12 * HOUR_S).views(ASKED)
    assert [(one.start, one.end, one.belief_time) for one in views] == [
        (after(0), after(24), after(0)),
        (after(12), after(24), after(12)),
    ]


def test_looks_of_one_moment_do_not_overlap() -> None:
    views = request(frequency_s=12 * HOUR_S, prior=ASKED).views(START)
    assert [(one.start, one.end, one.belief_time) for one in views] == [
        (after(0), after(12), ASKED),
        (after(12), after(24), ASKED),
    ]


def test_a_horizon_shorter_than_the_distance_of_looks_leaves_a_gap() -> None:
    views = request(frequency_s=12 * HOUR_S, horizon_s=6 * HOUR_S).views(ASKED)
    assert [(one.start, one.end) for one in views] == [(after(0), after(6)), (after(12), after(18))]


def test_cycles_of_one_moment_do_not_overlap_either() -> None:
    whole = request(frequency_s=12 * HOUR_S, retrain_s=12 * HOUR_S, prior=ASKED)
    ends = [view.end for cycle in whole.cycles() for view in cycle.views(ASKED)]
    assert ends == [after(12), after(24)]


def test_a_request_comes_back_from_its_arguments() -> None:
    full = replace(
        request(),
        prior=ASKED,
        train_start=after(-240),
        lower=-1.0,
        snaps=(SnapRange(0.0, -0.5, 0.5),),
        regressors=(
            RegressorReference(95, is_past=False, is_future=True, source_types=("forecaster",), source_ids=(3,)),
        ),
        model_params={"n_estimators": 50},
    )
    assert ForecastRequest.from_arguments(json.loads(json.dumps(full.as_arguments()))) == full
