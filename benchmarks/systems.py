"""Published test systems of network reconfiguration, read from ``benchmarks/data``, and losses that others report for them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from services.optimizer.reconfiguration.network import (
    BoolArray,
    BusKind,
    Demands,
    FloatArray,
    Line,
    Node,
    Period,
    PowerGrid,
)

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class System:
    """A network with its demand, the configuration it is published with, and the best one known."""

    name: str
    grid: PowerGrid
    demands: Demands  # one hour
    is_open: BoolArray  # (L,) as published
    base_loss_kw: float
    best_loss_kw: float
    best_open: tuple[str, ...]  # ids of lines


def system_names(folder: Path = DATA) -> list[str]:
    """The systems of a folder, smallest first."""
    return [row["name"] for row in _rows(folder / "systems.csv")]


def load_system(name: str, folder: Path = DATA) -> System:
    """Read one system."""
    (facts,) = (row for row in _rows(folder / "systems.csv") if row["name"] == name)
    buses = _rows(folder / f"{name}_buses.csv")
    branches = _rows(folder / f"{name}_branches.csv")
    v_source = 1e3 * float(facts["base_kv"]) * float(facts["source_v_pu"])
    sources = set(facts["source_buses"].split())
    nodes = tuple(
        Node(bus["bus"], BusKind.PROVIDER, v_gen_v=v_source)
        if bus["bus"] in sources
        else Node(bus["bus"], BusKind.CONSUMER)
        for bus in buses
    )
    place = {node.id: position for position, node in enumerate(nodes)}
    lines = tuple(
        Line(
            branch["branch"],
            place[branch["from_bus"]],
            place[branch["to_bus"]],
            r_ohm=float(branch["r_ohm"]),
            x_ohm=float(branch["x_ohm"]),
            is_switch=True,
        )
        for branch in branches
    )
    p_w = 1e3 * np.array([0.0 if bus["bus"] in sources else float(bus["p_kw"]) for bus in buses])
    q_var = 1e3 * np.array([0.0 if bus["bus"] in sources else float(bus["q_kvar"]) for bus in buses])
    return System(
        name=name,
        grid=PowerGrid(name, nodes, lines),
        demands=one_hour(p_w, q_var),
        is_open=np.array([branch["is_open"] == "1" for branch in branches], dtype=np.bool_),
        base_loss_kw=float(facts["base_loss_kw"]),
        best_loss_kw=float(facts["best_loss_kw"]),
        best_open=tuple(facts["best_open"].split()),
    )


def one_hour(p_w: FloatArray, q_var: FloatArray) -> Demands:
    """Demands (N,) for a single hour."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return Demands((Period("0", start, start + timedelta(hours=1)),), p_w[None, :], q_var[None, :])


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
