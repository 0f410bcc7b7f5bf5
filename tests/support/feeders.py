"""Documents of the reconfiguration API for tests over HTTP: networks, demands and start configurations as clients send them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from services.cli.demo.journey import load_document

Document = dict[str, Any]  # a JSON document as clients send it


@dataclass(frozen=True)
class Feeder:
    """A network with demands for one hour and today's configuration."""

    network: Document
    demands: Document
    start: Document


def solution_of(feeder: Feeder) -> Document:
    """A solution document: the start configuration in every period."""
    settings = feeder.start["switch_settings"]
    return {
        "period_solutions": [
            {"period": period["id"], "switch_settings": settings} for period in feeder.demands["periods"]
        ]
    }


def baran_wu_33() -> Feeder:
    """The 33-bus feeder of Baran and Wu (1989)."""
    return Feeder(*(load_document(f"baran_wu_33{part}.json") for part in ("", "_demands", "_start")))


def two_feeders(**of_lines: Any) -> Feeder:  # Any: members of a JSON document
    """The smallest case with a choice: one provider, one consumer, two switches of which the first has half the resistance."""
    nodes = [provider("G"), consumer("C")]
    lines = [line("L1", "G", "C", r=0.1, **of_lines), line("L2", "G", "C", r=0.2, **of_lines)]
    return Feeder(network(nodes, lines), demands({"C": (0.5, 0.1)}), start_configuration({"L1": True, "L2": False}))


def lattice(rows: int, columns: int, *, seed: int) -> Feeder:
    """A grid of streets in which every line is a switch: many loops, so that a search is busy for long. Starts as a comb."""
    chance = random.Random(seed)
    names = [[f"N{row}-{column}" for column in range(columns)] for row in range(rows)]
    nodes = [provider("G"), *(consumer(name) for row in names for name in row)]
    lines = [line("feed", "G", names[0][0], r=0.01, switchable=False)]
    is_open: dict[str, bool] = {}
    for row in range(rows):
        for column in range(columns):
            if column + 1 < columns:
                lines.append(_street(f"E{row}-{column}", names[row][column], names[row][column + 1], chance))
                is_open[f"E{row}-{column}"] = row > 0
            if row + 1 < rows:
                lines.append(_street(f"S{row}-{column}", names[row][column], names[row + 1][column], chance))
                is_open[f"S{row}-{column}"] = False
    load_mw = 4.0 / (rows * columns)
    loads = {name: (load_mw * chance.uniform(0.2, 1.8), load_mw * 0.3) for row in names for name in row}
    return Feeder(network(nodes, lines), demands(loads), start_configuration(is_open))


def long_feeders(*, feeders: int, length: int, ties: int, seed: int) -> Feeder:
    """Many long feeders from one provider, joined by a few open ties: as large as utilities' networks, with a small choice."""
    chance = random.Random(seed)
    nodes = [provider("G")]
    lines: list[Document] = []
    is_open: dict[str, bool] = {}
    loads: dict[str, tuple[float, float]] = {}
    load_mw = 1.0 / length
    for feeder in range(feeders):
        before = "G"
        for place in range(length):
            name = f"N{feeder}-{place}"
            nodes.append(consumer(name))
            loads[name] = (load_mw * chance.uniform(0.5, 1.5), load_mw * 0.2)
            is_switch = place % 25 == 12
            lines.append(line(f"L{feeder}-{place}", before, name, r=0.002, switchable=is_switch))
            if is_switch:
                is_open[f"L{feeder}-{place}"] = False
            before = name
    for tie in range(ties):
        first = chance.randrange(feeders)
        ends = [f"N{f}-{chance.randrange(length // 2, length)}" for f in (first, (first + 1) % feeders)]
        lines.append(line(f"T{tie}", *ends, r=0.002, switchable=True))
        is_open[f"T{tie}"] = True
    return Feeder(network(nodes, lines), demands(loads), start_configuration(is_open))


def network(nodes: list[Document], lines: list[Document], **more: Any) -> Document:  # Any: members of a JSON document
    """A network document."""
    return {"@schema_version": 1, "name": "test", "nodes": nodes, "lines": lines, **more}


def provider(name: str, *, v_gen: float = 12.66) -> Document:
    """A source of ``v_gen`` kV without limits."""
    return {"id": name, "type": "provider", "v_gen": v_gen}


def consumer(name: str, **more: Any) -> Document:  # Any: members of a JSON document
    """A consumer; without limits unless given."""
    return {"id": name, "type": "consumer", **more}


def line(name: str, source: str, target: str, *, r: float = 0.1, switchable: bool = True, **more: Any) -> Document:
    """A line of ``r`` ohm and half as much reactance."""
    return {"id": name, "source": source, "target": target, "r": r, "x": r / 2, "switchable": switchable, **more}


def demands(loads: dict[str, tuple[float, float]], periods: int = 1) -> Document:
    """The same loads (MW, MVAr) in each of so many hours."""
    return {
        "@schema_version": 1,
        "periods": [
            {"id": str(k), "start_time": f"2026-01-01T{k:02}:00:00Z", "end_time": f"2026-01-01T{k + 1:02}:00:00Z"}
            for k in range(periods)
        ],
        "loads": [{"node_id": n, "p_loads": [p] * periods, "q_loads": [q] * periods} for n, (p, q) in loads.items()],
    }


def start_configuration(is_open: dict[str, bool]) -> Document:
    """A configuration by line id."""
    return {
        "period": "start",
        "switch_settings": [{"line_id": name, "open": opened} for name, opened in is_open.items()],
    }


def _street(name: str, source: str, target: str, chance: random.Random) -> Document:
    return line(name, source, target, r=chance.uniform(0.05, 0.4))
