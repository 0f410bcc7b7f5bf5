"""Good documents, and copies of them with a value put, added or taken away at a path such as ``nodes[0].id``."""

from __future__ import annotations

import copy
import json
import re
from typing import Any


class _Drop:
    def __repr__(self) -> str:
        return "DROP"


DROP = _Drop()
"""As a value: the property or entry is taken away."""

Json = Any  # documents are whatever a test wants to send

NETWORK: Json = {
    "@schema_version": 1,
    "name": "Sørvik",
    "nodes": [
        {
            "id": "Dam",
            "type": "provider",
            "v_gen": 22,
            "p_gen_min": 1,
            "p_gen_max": 40,
            "q_gen_min": -5,
            "q_gen_max": 20,
        },
        {"id": "Fork", "type": "transition", "v_min": 20, "v_max": 24, "coordinates": [2.5, -1]},
        {"id": "Mill", "type": "consumer", "consumer_type": "industry", "v_min": 19.8, "v_max": 24.2},
        {"id": "Farm", "type": "consumer"},
    ],
    "lines": [
        {"id": "a", "source": "Dam", "target": "Fork", "r": 0.25, "x": 0.5, "imax": 400, "vmax": 24},
        {"id": "b", "source": "Fork", "target": "Mill", "switchable": True, "switching_cost": 12.5},
        {"id": "c", "source": "Farm", "target": "Fork", "switchable": True, "breaker": True},
    ],
}

TRANSFORMER: Json = {
    "id": "T",
    "connections": [{"node_id": "Fork", "end_voltage": 22}, {"node_id": "Mill", "end_voltage": 11}],
    "modes": [{"source": "Fork", "target": "Mill", "operation": "fixed_ratio", "ratio": 2}],
}

DEMANDS: Json = {
    "@schema_version": 1,
    "periods": [
        {"id": "night", "start_time": "2024-02-01T00:00:00Z", "end_time": "2024-02-01T06:00:00Z"},
        {"id": "day", "start_time": "2024-02-01T06:00:00Z", "end_time": "2024-02-01T18:00:00Z"},
    ],
    "loads": [
        {"node_id": "Farm", "p_loads": [0.25, 0.5], "q_loads": [0, -0.125]},
        {"node_id": "Mill", "p_loads": [2, 3], "q_loads": [1, 1.5]},
    ],
}

START: Json = {"switch_settings": [{"line_id": "b", "open": True}, {"line_id": "c", "open": False}]}

SOLUTION: Json = {
    "period_solutions": [
        {"period": "day", "switch_settings": [{"line_id": "c", "open": True}, {"line_id": "b", "open": False}]},
        {"period": "night", "switch_settings": [{"line_id": "b", "open": False}, {"line_id": "c", "open": False}]},
    ],
    "flows": [None, "anything"],
    "kile_costs": {"whatever": 1},
}


def changed(document: Json, changes: dict[str, Json]) -> Json:
    """A copy of the document with these changes; ``nodes[+]`` adds an entry."""
    result = copy.deepcopy(document)
    for path, value in changes.items():
        *way, last = re.findall(r"[^.\[\]]+", path)
        place = result
        for step in way:
            place = place[int(step) if isinstance(place, list) else step]
        key = int(last) if isinstance(place, list) and last != "+" else last
        if value is DROP:
            del place[key]
        elif key == "+":
            place.append(copy.deepcopy(value))
        else:
            place[key] = copy.deepcopy(value)
    return result


def encoded(document: Json) -> bytes:
    """The document as it would be sent; unlike our own writers this one writes NaN if it is told to."""
    return json.dumps(document).encode()


def network(changes: dict[str, Json] | None = None) -> bytes:
    """The good network with these changes."""
    return encoded(changed(NETWORK, changes or {}))
