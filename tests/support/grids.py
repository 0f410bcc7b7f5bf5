"""Small grids written in a line of text each, for tests that need a grid and not a document.

``case("G 100V | L1 sw r=2 | C 1W", "G | L2 open | C")`` has a provider G, a consumer C and two switches between them:
nodes and lines alternate, each with its properties at its first mention.

A node is a provider with ``100V``, a consumer with ``5W`` (and ``2var``), else a transition; ``cap=`` is a provider's limit
in W (none in var), ``vmin=`` and ``vmax=`` are V. A line has 1 ohm unless ``r=`` or ``x=`` say otherwise; ``sw`` makes it
switchable, ``open`` also opens it in the configuration of the case, ``brk`` makes it a breaker; ``imax=`` is A, ``vmax=``
V, ``cost=`` the price of switching, ``f=`` faults a year, ``sect=`` and ``rep=`` the times after a fault in s. ``is=`` and a
category say what a consumer is to the tables of interruption costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import numpy as np

from services.optimizer.reconfiguration.network import (
    BoolArray,
    BusKind,
    ConsumerCategory,
    Demands,
    FloatArray,
    Line,
    Node,
    Period,
    PowerGrid,
    Transformer,
    TransformerMode,
    TransformerOperation,
    with_transformer_buses,
)

START = datetime(2024, 1, 1, tzinfo=UTC)
NODE_LIMITS = {"vmin": "v_min_v", "vmax": "v_max_v"}
LINE_FIELDS = {
    "r": "r_ohm",
    "x": "x_ohm",
    "imax": "imax_a",
    "vmax": "vmax_v",
    "cost": "switching_cost",
    "f": "faults_per_year",
    "sect": "sectioning_time_s",
    "rep": "repair_time_s",
}


@dataclass(frozen=True)
class Case:
    """A grid, its demands and one configuration."""

    grid: PowerGrid
    demands: Demands
    is_open: BoolArray  # (L,)

    def opened(self, *opened_ids: Iterable[str]) -> BoolArray:
        """(T, L) configurations with these lines open in each period; without arguments the one of the case in all."""
        if not opened_ids:
            return np.tile(self.is_open, (len(self.demands.periods), 1))
        return np.array([[line.id in ids for line in self.grid.lines] for ids in map(set, opened_ids)], dtype=bool)


@dataclass(frozen=True)
class Winding:
    """A transformer by the names of its nodes: end voltages [V] and modes as (input, output, ratio or None, power factor).

    Without a ratio the output voltage is set. Modes with ``is_one_way`` have no reverse.
    """

    end_voltages_v: Mapping[str, float]
    modes: Sequence[tuple[str, str, float | None, float]]
    is_one_way: bool = False


def case(
    *branches: str,
    hours: float = 1.0,
    factors: Sequence[float] = (1.0,),
    transformers: Mapping[str, Winding] = MappingProxyType({}),
) -> Case:
    """A case of one period of ``hours`` for each factor on the demands; the periods are called 0, 1, ..."""
    nodes: dict[str, Node] = {}
    demand_va: dict[str, complex] = {}
    lines: list[Line] = []
    open_lines: list[bool] = []
    for branch in branches:
        parts = [part.split() for part in branch.split("|")]
        for name, *words in parts[::2]:
            if name not in nodes:
                nodes[name] = _node(name, words)
                demand_va[name] = _demand(words)
        for before, (name, *words), after in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
            places = list(nodes)
            lines.append(_line(name, places.index(before[0]), places.index(after[0]), words))
            open_lines.append("open" in words)
    places = list(nodes)
    made = tuple(_transformer(name, winding, places) for name, winding in transformers.items())
    grid = with_transformer_buses("case", tuple(nodes.values()), tuple(lines), made)
    base = np.array([demand_va.get(node.id, 0j) for node in grid.nodes], dtype=complex)
    is_open = np.zeros(len(grid.lines), dtype=bool)
    is_open[: len(lines)] = open_lines
    return Case(grid, demands_of(base, factors, hours), is_open)


def _transformer(name: str, winding: Winding, places: list[str]) -> Transformer:
    return Transformer(
        id=name,
        terminals=tuple(places.index(node) for node in winding.end_voltages_v),
        end_voltages_v=tuple(winding.end_voltages_v.values()),
        modes=tuple(
            TransformerMode(
                places.index(source),
                places.index(target),
                TransformerOperation.AUTOMATIC if ratio is None else TransformerOperation.FIXED_RATIO,
                ratio,
                power_factor,
                is_bidirectional=not winding.is_one_way,
            )
            for source, target, ratio, power_factor in winding.modes
        ),
    )


def demands_of(
    base_va: Sequence[complex] | np.ndarray, factors: Sequence[float] = (1.0,), hours: float = 1.0
) -> Demands:
    """Demands of one period of ``hours`` for each factor; ``base_va`` is (N,)."""
    scale: FloatArray = np.array(factors, dtype=float)[:, None]
    base = np.asarray(base_va, dtype=complex)
    length = timedelta(hours=hours)
    periods = tuple(Period(str(k), START + k * length, START + (k + 1) * length) for k in range(len(factors)))
    return Demands(periods, p_w=scale * base.real, q_var=scale * base.imag)


def _node(name: str, words: list[str]) -> Node:
    fields: dict[str, Any] = {"kind": BusKind.TRANSITION}  # Any: values of several types by field name
    for word in words:
        key, _, value = word.partition("=")
        if key == "cap":
            fields |= {"p_gen_max_w": float(value), "q_gen_max_var": 0.0}
        elif key == "is":
            fields["category_fractions"] = {ConsumerCategory(value): 1.0}
        elif value:
            fields[NODE_LIMITS[key]] = float(value)
        elif word.endswith("V"):
            fields |= {"kind": BusKind.PROVIDER, "v_gen_v": float(word[:-1])}
        else:
            fields["kind"] = BusKind.CONSUMER
    return Node(id=name, **fields)


def _demand(words: list[str]) -> complex:
    active = sum(float(word[:-1]) for word in words if word.endswith("W"))
    reactive = sum(float(word[:-3]) for word in words if word.endswith("var"))
    return complex(active, reactive)


def _line(name: str, source: int, target: int, words: list[str]) -> Line:
    fields: dict[str, Any] = {"r_ohm": 1.0}  # Any: values of several types by field name
    for word in words:
        key, _, value = word.partition("=")
        if value:
            fields[LINE_FIELDS[key]] = float(value)
        else:
            fields["is_breaker" if word == "brk" else "is_switch"] = True
    return Line(id=name, source=source, target=target, **fields)
