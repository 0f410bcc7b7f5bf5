"""A network as most programs have it, whichever it came from, and the documents of the reconfiguration API that it makes.

Currents are in the convention of the documents: S = V·conj(I) with line-to-line voltage and power of all three phases, so
√3 times that of one phase.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.cli.usage import WrongUsage
from services.optimizer.documents import DocumentError, read_demands, read_power_grid, read_start_configuration

Document = dict[str, Any]  # a JSON document of the API

ROOT_3 = math.sqrt(3.0)

# Loss in watts is then the objective, which is in watt-hours.
PERIOD = {"id": "hour", "start_time": "2024-01-01T00:00:00Z", "end_time": "2024-01-01T01:00:00Z"}


@dataclass(frozen=True, slots=True)
class Bus:
    """A bus. One with ``source_kv`` is held at that voltage, and its load does not matter."""

    id: str
    kv: float  # nominal, line to line
    p_mw: float = 0.0
    q_mvar: float = 0.0
    v_min_pu: float = 0.0
    v_max_pu: float = math.inf
    source_kv: float | None = None
    p_max_mw: float = math.inf  # of the source


@dataclass(frozen=True, slots=True)
class Branch:
    """A line, or with ``ratio`` an ideal transformer at its source with the line behind it, in ohm of the target's side."""

    id: str
    source: str
    target: str
    r_ohm: float
    x_ohm: float
    imax_a: float = math.inf
    is_switch: bool = True
    is_open: bool = False
    ratio: float | None = None  # no-load voltage at the source over that at the target


@dataclass(frozen=True)
class Case:
    """A network with its load and the state of its switches. ``remarks`` tell what was left out or taken for something else."""

    name: str
    buses: Sequence[Bus]
    branches: Sequence[Branch]
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ImportedDocuments:
    """A network, its demands for one hour, and the configuration that it came with."""

    network: Document
    demands: Document
    start: Document
    remarks: Sequence[str]


def documents_of(case: Case) -> ImportedDocuments:
    """The documents of a case, as the API takes them.

    Raises:
        WrongUsage: it is none that the API could take.
    """
    remarks = list(case.remarks)
    branches = [branch for branch in case.branches if branch.is_switch or not branch.is_open]
    if len(branches) < len(case.branches):
        remarks.append(f"{len(case.branches) - len(branches)} branches are out of service and no switches: left out")
    loaded_sources = [bus.id for bus in case.buses if bus.source_kv is not None and (bus.p_mw or bus.q_mvar)]
    if loaded_sources:
        remarks.append(f"load at sources causes no loss: left out at {', '.join(loaded_sources)}")
    for bus in case.buses:
        if bus.source_kv is None and bus.p_mw < 0.0:
            raise WrongUsage(
                f"bus '{bus.id}': its load is {bus.p_mw:g} MW; the API has no consumers that feed in, expected 0 or more"
            )
    network = {
        "name": case.name,
        "@schema_version": 1,
        "nodes": [_node(bus) for bus in case.buses] + [_inner_node(branch) for branch in branches if branch.ratio],
        "lines": [_line(branch) for branch in branches],
        "transformers": list(_transformers(case.buses, branches)),
    }
    demands = {
        "@schema_version": 1,
        "periods": [PERIOD],
        "loads": [
            {"node_id": bus.id, "p_loads": [bus.p_mw], "q_loads": [bus.q_mvar]}
            for bus in case.buses
            if _is_consumer(bus)
        ],
    }
    start = {
        "period": PERIOD["id"],
        "switch_settings": [{"line_id": branch.id, "open": branch.is_open} for branch in branches if branch.is_switch],
    }
    _check(network, demands, start)
    return ImportedDocuments(network, demands, start, remarks)


def _is_consumer(bus: Bus) -> bool:
    return bus.source_kv is None and (bus.p_mw != 0.0 or bus.q_mvar != 0.0)


def _node(bus: Bus) -> Document:
    if bus.source_kv is not None:
        return {"id": bus.id, "type": "provider", "v_gen": bus.source_kv, "p_gen_max": _number(bus.p_max_mw)}
    if not _is_consumer(bus):
        return {"id": bus.id, "type": "transition"}
    limits = {"v_min": bus.v_min_pu * bus.kv, "v_max": _number(bus.v_max_pu * bus.kv)}
    return {"id": bus.id, "type": "consumer", **limits}


def _inner_node(branch: Branch) -> Document:
    return {"id": _inner_id(branch), "type": "transition"}


def _inner_id(branch: Branch) -> str:
    return f"{branch.id} inside"


def _line(branch: Branch) -> Document:
    return {
        "id": branch.id,
        "source": _inner_id(branch) if branch.ratio else branch.source,
        "target": branch.target,
        "r": branch.r_ohm,
        "x": branch.x_ohm,
        "imax": _number(branch.imax_a),
        "switchable": branch.is_switch,
    }


def _transformers(buses: Sequence[Bus], branches: Sequence[Branch]) -> Iterator[Document]:
    kv = {bus.id: bus.kv for bus in buses}
    for branch in branches:
        for end in (branch.source, branch.target):
            if branch.ratio and end not in kv:
                raise WrongUsage(f"transformer '{branch.id}': there is no bus '{end}'")
        if branch.ratio:
            inner = _inner_id(branch)
            yield {
                "id": f"{branch.id} ratio",
                "connections": [
                    {"node_id": branch.source, "end_voltage": kv[branch.source]},
                    {"node_id": inner, "end_voltage": kv[branch.target]},
                ],
                "modes": [
                    {"source": branch.source, "target": inner, "operation": "fixed_ratio", "ratio": branch.ratio}
                ],
            }


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else "Infinity"


def _check(network: Document, demands: Document, start: Document) -> None:
    """Have the API's own readers look at the documents."""
    try:
        grid = read_power_grid(orjson.dumps(network))
        read_demands(orjson.dumps(demands), grid, allow_unspecified=False)
        read_start_configuration(orjson.dumps(start), grid)
    except DocumentError as err:
        raise WrongUsage(err.message) from err
