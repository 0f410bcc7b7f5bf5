"""The power grid and its demands as typed values in SI units: what a document says once it has been found right.

Values here cannot be wrong: reading a document checks them. Nothing here computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int32]
ComplexArray = NDArray[np.complex128]


class BusKind(StrEnum):
    """What a bus is to the grid; documents know the first three as kinds of nodes."""

    TRANSITION = "transition"
    PROVIDER = "provider"
    CONSUMER = "consumer"
    TRANSFORMER = "transformer"


class ConsumerCategory(StrEnum):
    """Categories of the interruption-cost tables."""

    AGRICULTURE = "agriculture"
    HOUSEHOLD = "household"
    INDUSTRY = "industry"
    SERVICES = "services"
    PUBLIC = "public"
    ELIND = "elind"


@dataclass(frozen=True, slots=True)
class Node:
    """One bus of the grid. Voltages in V, powers in W and var; a provider has no voltage limits, others no generation."""

    id: str
    kind: BusKind
    v_min_v: float = 0.0
    v_max_v: float = np.inf
    v_gen_v: float = 0.0
    p_gen_min_w: float = 0.0
    p_gen_max_w: float = np.inf
    q_gen_min_var: float = 0.0
    q_gen_max_var: float = np.inf
    category_fractions: Mapping[ConsumerCategory, float] = field(default_factory=dict)
    coordinates: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One branch between two nodes, by their positions in ``PowerGrid.nodes``; its direction has no electrical meaning."""

    id: str
    source: int
    target: int
    r_ohm: float = 0.0
    x_ohm: float = 0.0
    imax_a: float = np.inf
    vmax_v: float = np.inf
    is_switch: bool = False
    switching_cost: float = 0.0
    is_breaker: bool = False
    faults_per_year: float = 0.0
    sectioning_time_s: float = 0.0
    repair_time_s: float = 0.0
    transformer: int = -1  # position of the transformer whose terminal this ideal line attaches
    terminal: int = -1  # which of its terminals


class TransformerOperation(StrEnum):
    """How a transformer mode sets its output voltage."""

    FIXED_RATIO = "fixed_ratio"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class TransformerMode:
    """One way a transformer may be fed: from terminal node ``source`` to terminal node ``target``, as uploaded."""

    source: int
    target: int
    operation: TransformerOperation
    ratio: float | None
    power_factor: float = 1.0
    is_bidirectional: bool = True


@dataclass(frozen=True, slots=True)
class Transformer:
    """A transformer with two or three terminals; ``end_voltages_v`` goes with ``terminals`` (positions of nodes)."""

    id: str
    terminals: tuple[int, ...]
    end_voltages_v: tuple[float, ...]
    modes: tuple[TransformerMode, ...]
    coordinates: tuple[float, float] | None = None


@dataclass(frozen=True)
class PowerGrid:
    """A whole network; nodes, lines and transformers in the order of the document.

    Behind the nodes of the document there is a bus for each transformer, and behind its lines an ideal line from that bus to
    each terminal: see :func:`with_transformer_buses`.
    """

    name: str | None
    nodes: tuple[Node, ...]
    lines: tuple[Line, ...]
    transformers: tuple[Transformer, ...] = ()

    @cached_property
    def node_index(self) -> dict[str, int]:
        """Position of each node of the document by its id."""
        return {node.id: position for position, node in enumerate(self.document_nodes)}

    @cached_property
    def line_index(self) -> dict[str, int]:
        """Position of each line of the document by its id."""
        return {line.id: position for position, line in enumerate(self.document_lines)}

    @property
    def bus_count(self) -> int:
        """Buses: one per node of the document and one per transformer."""
        return len(self.nodes)

    @property
    def document_nodes(self) -> tuple[Node, ...]:
        """The nodes without the buses of transformers."""
        return self.nodes[: len(self.nodes) - len(self.transformers)]

    @property
    def document_lines(self) -> tuple[Line, ...]:
        """The lines without those inside transformers."""
        return self.lines[: len(self.lines) - sum(len(transformer.terminals) for transformer in self.transformers)]

    @cached_property
    def is_switch(self) -> BoolArray:
        """(L,) which lines are switchable."""
        return np.array([line.is_switch for line in self.lines], dtype=bool)

    @cached_property
    def line_source(self) -> IntArray:
        """(L,) node at which each line starts."""
        return np.array([line.source for line in self.lines], dtype=np.int32)

    @cached_property
    def line_target(self) -> IntArray:
        """(L,) node at which each line ends."""
        return np.array([line.target for line in self.lines], dtype=np.int32)

    @cached_property
    def r_ohm(self) -> FloatArray:
        """(L,) resistances."""
        return np.array([line.r_ohm for line in self.lines], dtype=np.float64)

    @cached_property
    def x_ohm(self) -> FloatArray:
        """(L,) reactances."""
        return np.array([line.x_ohm for line in self.lines], dtype=np.float64)

    @cached_property
    def imax_a(self) -> FloatArray:
        """(L,) current limits."""
        return np.array([line.imax_a for line in self.lines], dtype=np.float64)

    @cached_property
    def vmax_v(self) -> FloatArray:
        """(L,) highest voltages."""
        return np.array([line.vmax_v for line in self.lines], dtype=np.float64)

    @cached_property
    def switching_cost(self) -> FloatArray:
        """(L,) price of opening or closing each switch once, 0 where a line is none."""
        return np.array([line.switching_cost if line.is_switch else 0.0 for line in self.lines], dtype=np.float64)


def with_transformer_buses(
    name: str | None, nodes: tuple[Node, ...], lines: tuple[Line, ...], transformers: tuple[Transformer, ...]
) -> PowerGrid:
    """The grid of a document's elements, with a bus for each transformer and a line from it to each of its terminals.

    The ids of these lines are generated, and differ from those of all others.
    """
    taken = {line.id for line in lines}
    buses: list[Node] = []
    ends: list[Line] = []
    for position, transformer in enumerate(transformers):
        bus = len(nodes) + position
        buses.append(Node(transformer.id, BusKind.TRANSFORMER, coordinates=transformer.coordinates))
        for terminal, node in enumerate(transformer.terminals):
            line_id = f"{transformer.id} -- {nodes[node].id}"
            while line_id in taken:
                line_id += "'"
            taken.add(line_id)
            ends.append(Line(line_id, node, bus, transformer=position, terminal=terminal))
    return PowerGrid(name, (*nodes, *buses), (*lines, *ends), transformers)


def instant(moment: datetime) -> datetime:
    """A moment as something to compare and subtract: one without a zone counts as it stands, as if it were UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time with constant demand; the instant ``end`` is after the instant ``start``.

    A time without a zone in the document stays naive, so that it is written back without one; others are in UTC.
    """

    id: str
    start: datetime
    end: datetime

    @property
    def hours(self) -> float:
        """Length in hours."""
        return (instant(self.end) - instant(self.start)).total_seconds() / 3600.0


@dataclass(frozen=True)
class Demands:
    """Consecutive periods and the demand of every node in each.

    ``p_w`` and ``q_var`` are (T, N) over ``PowerGrid.nodes``; zero where a node is no consumer or has no series.
    """

    periods: tuple[Period, ...]
    p_w: FloatArray
    q_var: FloatArray

    @cached_property
    def hours(self) -> FloatArray:
        """(T,) length of each period in hours."""
        return np.array([period.hours for period in self.periods])


# A configuration of one period is an (L,) boolean array over PowerGrid.lines: True where the switch is open; always
# False at lines that are not switchable. A solution is (T, L).
Configuration = BoolArray
