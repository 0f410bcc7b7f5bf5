"""Verdicts and connectivity as JSON-ready objects."""

from __future__ import annotations

import json
import math

import numpy as np
import orjson

from services.optimizer.documents.demand import read_demands
from services.optimizer.documents.info import connectivity_document, verdict_document
from services.optimizer.documents.power_grid import read_power_grid
from services.optimizer.reconfiguration.connectivity_status import ConnectivityStatus
from services.optimizer.reconfiguration.verdict import Verdict, Violation
from tests.unit.optimizer.documents.variations import DEMANDS, encoded, network

PERIODS = read_demands(encoded(DEMANDS), read_power_grid(network()), allow_unspecified=False).periods


def test_verdict() -> None:
    violations = (Violation("Radial configuration", "not radial in periods: day"), Violation("Provider capacity", None))
    verdict = Verdict(False, violations, np.array([1.5, 0, 2.5, 0.25, 0]), 12.0, (1, 2))
    assert verdict_document(verdict, PERIODS) == {
        "is_feasible": False,
        "values": [1.5, 0.0, 2.5, 0.25, 0.0],
        "period_information": [
            {
                "period": {
                    "id": "night",
                    "start_time": "2024-02-01T00:00:00Z",
                    "end_time": "2024-02-01T06:00:00Z",
                },
                "changed_switches": 1,
            },
            {
                "period": {"id": "day", "start_time": "2024-02-01T06:00:00Z", "end_time": "2024-02-01T18:00:00Z"},
                "changed_switches": 2,
            },
        ],
        "violations": [
            {"name": "Radial configuration", "description": "not radial in periods: day"},
            {"name": "Provider capacity", "description": None},
        ],
    }


def test_values_that_are_no_numbers_are_infinite_on_the_wire() -> None:
    verdict = Verdict(True, (), np.array([math.inf, math.nan, -math.inf, 1e308, 0.0]), 0.0, (0, 0))
    document = json.loads(orjson.dumps(verdict_document(verdict, PERIODS)))
    assert document["values"] == ["Infinity", "Infinity", "-Infinity", 1e308, 0.0]
    assert document["violations"] == []


def test_connectivity_status() -> None:
    assert connectivity_document(ConnectivityStatus(ok=True)) == {
        "ok": True,
        "unbreakable_cycle": None,
        "unconnectable_buses": None,
        "invalid_transformers": None,
    }
    status = ConnectivityStatus(False, ("a", "b"), ("Farm",), ("T",))
    assert json.loads(orjson.dumps(connectivity_document(status))) == {
        "ok": False,
        "unbreakable_cycle": ["a", "b"],
        "unconnectable_buses": ["Farm"],
        "invalid_transformers": ["T"],
    }
