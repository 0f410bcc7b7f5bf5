"""The solution document: grouping by sending end, units, order, and what becomes of flows that failed or do not exist."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from services.optimizer.documents.demand import read_demands
from services.optimizer.documents.power_grid import read_power_grid
from services.optimizer.documents.solution import write_solution
from services.optimizer.documents.switch_settings import read_solution
from services.optimizer.reconfiguration.flow import FlowStatus, PeriodFlow
from tests.unit.optimizer.documents.variations import DEMANDS, Json, encoded, network

GRID = read_power_grid(network())
PERIODS = read_demands(encoded(DEMANDS), GRID, allow_unspecified=False)
# Lines a (Dam-Fork), b (Fork-Mill) and c (Farm-Fork); in the first period c is open.
OPEN = np.array([[False, False, True], [False, False, False]])
NO_COSTS = np.zeros((2, 4))
NIGHT = PeriodFlow(
    status=FlowStatus.EXACT,
    status_details="5 iterations",
    voltage_v=np.array([22e3, 21.5e3, 21e3, 0.0]),
    is_present=np.array([True, True, False]),
    from_source=np.array([True, True, True]),
    current_a=np.array([125.0, 100.0, 0.0]),
    sent_power_va=np.array([2.5e6 + 1.25e6j, 2.25e6 - 0.5e6j, 0j]),
    loss_va=np.array([1500.0, 250.0, 0.0], dtype=complex),
)
DAY = PeriodFlow(
    status=FlowStatus.APPROXIMATE,
    status_details="up to 7 iterations",
    voltage_v=np.array([22e3, 21e3, 20e3, 20.5e3]),
    is_present=np.array([True, True, True]),
    from_source=np.array([True, True, False]),
    current_a=np.array([1.0, 2.0, 3.0]),
    sent_power_va=np.array([1e6 + 0j, 2e6 + 0j, 3e6 + 0.5e6j]),
    loss_va=np.array([1.0, 2.0, 3.0], dtype=complex),
)


def written(flows: list[PeriodFlow | None], **options: Json) -> Json:
    return json.loads(write_solution(GRID, PERIODS, OPEN, flows, **({"expected_costs": NO_COSTS} | options)))


def test_closed_switches_come_before_open_ones() -> None:
    assert written([NIGHT, DAY])["period_solutions"] == [
        {
            "switch_settings": [{"line_id": "b", "open": False}, {"line_id": "c", "open": True}],
            "period": "night",
        },
        {
            "switch_settings": [{"line_id": "b", "open": False}, {"line_id": "c", "open": False}],
            "period": "day",
        },
    ]
    first = json.loads(write_solution(GRID, PERIODS, ~OPEN & GRID.is_switch, [None, None], NO_COSTS))[
        "period_solutions"
    ][0]
    assert first["switch_settings"] == [{"line_id": "c", "open": False}, {"line_id": "b", "open": True}]


def test_flow_is_grouped_by_sending_end_in_kv_ka_and_mw() -> None:
    document = written([NIGHT, DAY])
    assert list(document) == ["period_solutions", "flows", "kile_costs"]
    night, day = document["flows"]
    assert night == {
        "period_id": "night",
        "status": "exact",
        "status_details": "5 iterations",
        "voltages": {"Dam": 22.0, "Fork": 21.5, "Mill": 21.0, "Farm": 0.0},
        "currents": {
            "Dam": [{"target": "Fork", "line_id": "a", "current": 0.125}],
            "Fork": [{"target": "Mill", "line_id": "b", "current": 0.1}],
        },
        "injected_power": {
            "Dam": [{"target": "Fork", "line_id": "a", "active": 2.5, "reactive": 1.25, "thermal_loss": 0.0015}],
            "Fork": [{"target": "Mill", "line_id": "b", "active": 2.25, "reactive": -0.5, "thermal_loss": 0.00025}],
        },
    }
    assert list(night) == ["period_id", "status", "status_details", "voltages", "currents", "injected_power"]
    assert (day["status"], day["status_details"]) == ("approximate", "up to 7 iterations")
    assert day["currents"]["Fork"] == [
        {"target": "Mill", "line_id": "b", "current": 0.002},
        {"target": "Farm", "line_id": "c", "current": 0.003},
    ]
    assert day["injected_power"]["Fork"][1] == {
        "target": "Farm",
        "line_id": "c",
        "active": 3.0,
        "reactive": 0.5,
        "thermal_loss": 3e-6,
    }


def test_periods_without_flow_are_left_out() -> None:
    document = written([None, DAY])
    assert [flow["period_id"] for flow in document["flows"]] == ["day"]
    assert [cost["period_id"] for cost in document["kile_costs"]] == ["day"]
    assert [settings["period"] for settings in document["period_solutions"]] == ["night", "day"]


def test_every_flow_has_a_cost_for_every_consumer() -> None:
    assert written([NIGHT, DAY])["kile_costs"][0] == {
        "period_id": "night",
        "expected_costs": {"Mill": 0.0, "Farm": 0.0},
    }
    costs = np.array([[0, 0, 1.5, 2.5], [0, 0, 3.5, 4.5]])
    assert written([None, DAY], expected_costs=costs)["kile_costs"] == [
        {"period_id": "day", "expected_costs": {"Mill": 3.5, "Farm": 4.5}}
    ]


def test_numbers_of_a_failed_flow_are_numbers_all_the_same() -> None:
    nonsense = np.array([math.nan, math.inf, -math.inf])
    failed = PeriodFlow(
        status=FlowStatus.FAILED,
        status_details="the loss exceeds the power (1 iterations)",
        voltage_v=np.array([22e3, math.nan, math.inf, 1.0]),
        is_present=np.ones(3, dtype=bool),
        from_source=np.ones(3, dtype=bool),
        current_a=nonsense,
        sent_power_va=nonsense + 1j,
        loss_va=nonsense.astype(complex),
    )
    flow = written([failed, None])["flows"][0]
    assert flow["status"] == "failed"
    assert flow["voltages"] == {"Dam": 22.0, "Fork": 0.0, "Mill": 0.0, "Farm": 0.001}
    assert flow["currents"]["Dam"] == [{"target": "Fork", "line_id": "a", "current": 0.0}]
    assert flow["injected_power"]["Farm"][0]["thermal_loss"] == 0.0


def test_written_solution_can_be_uploaded_again() -> None:
    document = write_solution(GRID, PERIODS, OPEN, [NIGHT, DAY], NO_COSTS)
    np.testing.assert_array_equal(read_solution(document, GRID, PERIODS), OPEN)


def test_empty_network_has_an_empty_solution() -> None:
    grid = read_power_grid(b'{"@schema_version":1,"nodes":[],"lines":[]}')
    nothing, none = np.zeros(0), np.zeros(0, dtype=bool)
    flow = PeriodFlow(
        FlowStatus.EXACT, "0 iterations", nothing, none, none, nothing, np.zeros(0, complex), np.zeros(0, complex)
    )
    document = json.loads(write_solution(grid, PERIODS, np.zeros((2, 0), dtype=bool), [flow, None], np.zeros((2, 0))))
    assert document["flows"][0]["voltages"] == document["flows"][0]["currents"] == {}
    assert document["period_solutions"][1] == {"switch_settings": [], "period": "day"}
    assert document["kile_costs"] == [{"period_id": "night", "expected_costs": {}}]


def test_one_flow_or_none_is_needed_for_every_period() -> None:
    with pytest.raises(ValueError, match="zip"):
        write_solution(GRID, PERIODS, OPEN, [NIGHT], NO_COSTS)
