"""Test systems in JSON files of the layout ``dnr-case-1``, for systems whose licences keep them out of the project.

They are read from the folder that ``--cases FOLDER`` or the environment variable ``BENCHMARK_CASES`` names; without
it the benchmarks go without these systems.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from benchmarks.systems import System, one_hour
from services.optimizer.reconfiguration.network import BusKind, Line, Node, PowerGrid

VARIABLE = "BENCHMARK_CASES"
BEST_KNOWN = "best_known.json"  # losses and open branches by name


def cases_folder() -> Path | None:
    """The folder of case files, if one is named."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def load_case(name: str, folder: Path) -> System:
    """The system of ``<name>.json``, without limits, and its entry in ``best_known.json``."""
    document = json.loads((folder / f"{name}.json").read_bytes())
    best = json.loads((folder / BEST_KNOWN).read_bytes())[name]
    v_source = {source["bus"]: 1e3 * document["base_kv"] * source["v_pu"] for source in document["slack"]}
    nodes = tuple(
        Node(str(bus["id"]), BusKind.PROVIDER, v_gen_v=v_source[bus["id"]])
        if bus["id"] in v_source
        else Node(str(bus["id"]), BusKind.CONSUMER)
        for bus in document["buses"]
    )
    place = {node.id: position for position, node in enumerate(nodes)}
    lines = tuple(
        Line(
            str(branch["id"]),
            place[str(branch["from"])],
            place[str(branch["to"])],
            r_ohm=branch["r_ohm"],
            x_ohm=branch["x_ohm"],
            is_switch=True,
        )
        for branch in document["branches"]
    )
    demand = 1e3 * np.array([[bus["p_kw"], bus["q_kvar"]] for bus in document["buses"]], dtype=float)
    demand[[bus["id"] in v_source for bus in document["buses"]]] = 0.0
    return System(
        name=name,
        grid=PowerGrid(name, nodes, lines),
        demands=one_hour(demand[:, 0], demand[:, 1]),
        is_open=np.array([branch["normally_open"] for branch in document["branches"]], dtype=np.bool_),
        base_loss_kw=best["base_loss_kw"],
        best_loss_kw=best["best_loss_kw"],
        best_open=tuple(map(str, best["best_open"])),
    )
