"""The reduced network of a grid and the way between the two: demands and configurations forth, configurations back.

Decisions are made and flows computed on the reduced network: without what no provider can reach, without transition
buses that dangle or merely join two lines, and with lines in parallel as one. It depends on the grid alone. What a
configuration means in the grid is found by :mod:`expansion`. Buses of transformers and the lines to their terminals stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.optimizer.reconfiguration.arrays import Scalar, bools, complexes, fixed, floats, ints
from services.optimizer.reconfiguration.interruption import FaultData, Interruptions, Waiting, fault_data
from services.optimizer.reconfiguration.isolation import waiting_for_repair
from services.optimizer.reconfiguration.merging import Composite, Dangling, Merger, Middle, Part, shortest_path, unfold
from services.optimizer.reconfiguration.network import (
    BoolArray,
    BusKind,
    ComplexArray,
    Demands,
    FloatArray,
    IntArray,
    PowerGrid,
)
from services.optimizer.reconfiguration.problem import ReconfigurationProblem, ReducedNetwork
from services.optimizer.reconfiguration.transformers import tabulate
from services.optimizer.reconfiguration.walk import walk_from_providers


@dataclass(frozen=True)
class Reduction:
    """A reduced network with n buses, m lines and M parts, and where everything in a grid of N nodes and L lines went.

    Nodes inside a merged line have the voltage ``V - offset * I`` (as parts have). Nodes cut off hang on another node,
    perhaps through a switch, and share its voltage; the one that is hung on comes first in the order of the arrays.
    """

    network: ReducedNetwork
    node_of_bus: IntArray  # (n,)
    bus_of_node: IntArray  # (N,) -1 where removed
    reduced_line_of_line: IntArray  # (L,) -1 where gone
    unconnectable_nodes: IntArray  # ascending
    part_is_forward: BoolArray  # (M,) the part's own source is the end nearer to the source of the reduced line
    middle_node: IntArray  # (K,) nodes inside merged lines
    middle_line: IntArray  # (K,) the reduced line
    middle_offset: ComplexArray  # (K,) [ohm]
    hung_node: IntArray  # (H,) nodes cut off
    hung_on: IntArray  # (H,) node
    hung_switch: IntArray  # (H,) switchable line between the two, -1 where there is none
    hung_line: IntArray  # lines cut off
    hung_line_is_forward: BoolArray  # the line's own source is its end nearer to the rest of the grid
    hung_line_end: IntArray  # the node at the other end
    hung_line_vmax_v: FloatArray
    paths: tuple[tuple[int, ...], ...]  # one way through each reduced line from source to target, by original lines
    faults: FaultData | None  # none where no line can fault

    @property
    def representative_line(self) -> IntArray:
        """(m,) an original line of each reduced one; the line itself where it was not merged, as no switch ever is."""
        return self.network.part_line[self.network.part_start[:-1]]

    @cached_property
    def waiting(self) -> Waiting:
        """The buses that a fault of each line leaves dark until it is repaired; depends on the network alone."""
        can_fault = np.zeros(self.network.source.size) if self.faults is None else self.faults.faults_per_year
        return waiting_for_repair(self.network, can_fault > 0.0)


def reduce_network(grid: PowerGrid) -> Reduction:
    """Reduce a grid."""
    is_connectable = _connectable(grid)
    merger = Merger(grid, np.flatnonzero(is_connectable).tolist())
    merger.run()
    composites = merger.composites()
    node_of_bus = np.array(sorted(merger.lines_at), dtype=np.int32)
    bus_of_node = np.full(len(grid.nodes), -1, dtype=np.int32)
    bus_of_node[node_of_bus] = np.arange(node_of_bus.size)
    parts, middles = _unfold_all(composites)
    hung, hung_lines = _unfold_dangling(grid, merger.dangling)
    reduced_line_of_line = np.full(len(grid.lines), -1, dtype=np.int32)
    for k, part in parts:
        reduced_line_of_line[part.line] = k
    network = _network(grid, composites, node_of_bus, bus_of_node, parts)
    representatives = ints([composite.first_line for composite in composites])
    return Reduction(
        network=network,
        faults=fault_data(grid, node_of_bus, network.part_start, network.part_line, representatives),
        node_of_bus=fixed(node_of_bus),
        bus_of_node=fixed(bus_of_node),
        reduced_line_of_line=fixed(reduced_line_of_line),
        unconnectable_nodes=ints(np.flatnonzero(~is_connectable)),
        part_is_forward=bools([part.is_forward for _, part in parts]),
        middle_node=ints([middle.node for _, middle in middles]),
        middle_line=ints([k for k, _ in middles]),
        middle_offset=complexes([middle.offset for _, middle in middles]),
        hung_node=ints([node for node, _, _ in hung]),
        hung_on=ints([on for _, on, _ in hung]),
        hung_switch=ints([switch for _, _, switch in hung]),
        hung_line=ints([part.line for part in hung_lines]),
        hung_line_is_forward=bools([part.is_forward for part in hung_lines]),
        hung_line_end=ints([_far_end(grid, part) for part in hung_lines]),
        hung_line_vmax_v=floats([grid.lines[part.line].vmax_v for part in hung_lines]),
        paths=tuple(tuple(shortest_path(composite)) for composite in composites),
    )


def reduce_demands(reduction: Reduction, demands: Demands) -> tuple[FloatArray, FloatArray]:
    """Active and reactive demand (T, n) at the buses of the reduced network [W, var]."""
    nodes = reduction.node_of_bus
    return fixed(demands.p_w[:, nodes]), fixed(demands.q_var[:, nodes])


def interruptions_of(reduction: Reduction, demands: Demands) -> Interruptions | None:
    """Interruption costs under these demands; None where no line can fault."""
    if reduction.faults is None:
        return None
    p_w, _ = reduce_demands(reduction, demands)
    return Interruptions(reduction.faults, reduction.waiting, p_w, floats(demands.hours))


def reduce_configuration(reduction: Reduction, is_open: BoolArray) -> BoolArray:
    """(..., m) open switches of the reduced network, from (..., L) of the grid."""
    return np.take(is_open, reduction.representative_line, axis=-1) & reduction.network.is_switch


def expand_configuration(reduction: Reduction, reduced_open: BoolArray, start: BoolArray | None) -> BoolArray:
    """(..., L) open switches of the grid, from (..., m) of the reduced network.

    Switches that the reduced network does not have stay as they are in ``start`` (..., L), or closed without one.
    """
    line_count = reduction.reduced_line_of_line.size
    shape = (*reduced_open.shape[:-1], line_count)
    is_open: BoolArray = np.zeros(shape, dtype=bool)
    if start is not None:
        is_open[...] = start
    switches = reduction.network.is_switch
    is_open[..., reduction.representative_line[switches]] = reduced_open[..., switches]
    return is_open


def build_problem(
    reduction: Reduction, demands: Demands, weights: Sequence[float] | FloatArray, start: BoolArray | None
) -> ReconfigurationProblem:
    """The optimisation problem of a session; ``start`` (L,) is the configuration before the first period.

    Its network also has the voltage limits of lines that were cut off.
    """
    p_w, q_var = reduce_demands(reduction, demands)
    return ReconfigurationProblem(
        network=_with_ceilings(reduction, start),
        p_w=p_w,
        q_var=q_var,
        hours=floats(demands.hours),
        weights=floats(weights),
        start_open=None if start is None else fixed(reduce_configuration(reduction, start)),
        interruptions=interruptions_of(reduction, demands),
    )


def _connectable(grid: PowerGrid) -> BoolArray:
    """(N,) nodes that some provider reaches when all switches are closed."""
    is_provider = bools([node.kind is BusKind.PROVIDER for node in grid.nodes])
    nothing_open = bools(np.zeros(len(grid.lines)))
    return walk_from_providers(grid.line_source, grid.line_target, is_provider, nothing_open).is_supplied


def _unfold_all(composites: list[Composite]) -> tuple[list[tuple[int, Part]], list[tuple[int, Middle]]]:
    """Parts and swallowed buses of all reduced lines, with the position of the line."""
    parts: list[tuple[int, Part]] = []
    middles: list[tuple[int, Middle]] = []
    for k, composite in enumerate(composites):
        for piece in unfold(composite):
            if isinstance(piece, Part):
                parts.append((k, piece))
            else:
                middles.append((k, piece))
    return parts, middles


def _unfold_dangling(grid: PowerGrid, dangling: list[Dangling]) -> tuple[list[tuple[int, int, int]], list[Part]]:
    """Nodes cut off as (node, hung on, switch or -1), last cut first, and their lines seen from where they hang."""
    hung: list[tuple[int, int, int]] = []
    lines: list[Part] = []
    for cut in reversed(dangling):
        for piece in unfold(cut.composite, is_reversed=cut.composite.near == cut.node):
            if isinstance(piece, Part):
                lines.append(piece)
            else:
                hung.append((piece.node, cut.hung_on, -1))
        line = cut.composite.first_line
        hung.append((cut.node, cut.hung_on, line if grid.lines[line].is_switch else -1))
    return hung, lines


def _far_end(grid: PowerGrid, part: Part) -> int:
    line = grid.lines[part.line]
    return line.target if part.is_forward else line.source


def _ceilings(reduction: Reduction, start: BoolArray | None) -> FloatArray:
    """(N,) highest voltage that lines cut off allow the node on which they hang; inf where none do.

    Lines that have no supply but through one node have its voltage. The switches among them stay as they are in ``start`` (see
    :func:`expand_configuration`): what hangs behind an open one is dark.
    """
    ceiling = np.full(reduction.bus_of_node.size, np.inf)
    roots: dict[int, int] = {}  # of the nodes cut off, that on which they hang together; -1 behind an open switch
    hung = (reduction.hung_node, reduction.hung_on, reduction.hung_switch)
    for node, on, switch in zip(*(places.tolist() for places in hung), strict=True):  # each after the one it hangs on
        is_cut = switch >= 0 and start is not None and start[switch]
        roots[node] = -1 if is_cut else roots.get(on, on)
    for end, vmax_v in zip(reduction.hung_line_end.tolist(), reduction.hung_line_vmax_v.tolist(), strict=True):
        if roots[end] >= 0:
            ceiling[roots[end]] = min(ceiling[roots[end]], vmax_v)
    return ceiling


def _with_ceilings(reduction: Reduction, start: BoolArray | None) -> ReducedNetwork:
    """The reduced network with the limits of lines cut off: as limits of buses, or of points inside merged lines.

    A point is a part without current whose two ends are one.
    """
    network, ceiling_v = reduction.network, _ceilings(reduction, start)
    at_bus = np.where(network.is_provider, np.inf, ceiling_v[reduction.node_of_bus])
    limited = np.isfinite(ceiling_v[reduction.middle_node])
    line_of_point = reduction.middle_line[limited]
    if not line_of_point.size:
        return replace(network, v_max_v=fixed(np.minimum(network.v_max_v, at_bus)))
    offset = reduction.middle_offset[limited]
    places = network.part_start[line_of_point + 1]  # behind the line's own parts

    def insert(values: NDArray[Scalar], added: NDArray[Scalar] | complex) -> NDArray[Scalar]:
        return fixed(np.insert(values, places, added))

    counts = np.diff(network.part_start) + np.bincount(line_of_point, minlength=network.source.size)
    return replace(
        network,
        v_max_v=fixed(np.minimum(network.v_max_v, at_bus)),
        part_start=ints(np.concatenate([[0], np.cumsum(counts)])),
        part_line=insert(network.part_line, network.part_line[places - 1]),
        part_share=insert(network.part_share, 0j),
        part_offset_near=insert(network.part_offset_near, offset),
        part_offset_far=insert(network.part_offset_far, offset),
        part_imax_a=insert(network.part_imax_a, np.inf),
        part_vmax_v=insert(network.part_vmax_v, ceiling_v[reduction.middle_node][limited]),
    )


def _network(
    grid: PowerGrid,
    composites: list[Composite],
    node_of_bus: IntArray,
    bus_of_node: IntArray,
    parts: list[tuple[int, Part]],
) -> ReducedNetwork:
    nodes = [grid.nodes[node] for node in node_of_bus]
    lines = [grid.lines[composite.first_line] for composite in composites]
    originals = [grid.lines[part.line] for _, part in parts]
    part_count = np.bincount(np.array([k for k, _ in parts], dtype=np.int64), minlength=len(composites))
    is_consumer = [node.kind is BusKind.CONSUMER for node in nodes]
    representatives = ints([composite.first_line for composite in composites])
    return ReducedNetwork(
        transformers=tabulate(grid, node_of_bus, representatives),
        bus_count=len(nodes),
        source=ints([bus_of_node[composite.near] for composite in composites]),
        target=ints([bus_of_node[composite.far] for composite in composites]),
        r_ohm=floats([composite.z_ohm.real for composite in composites]),
        x_ohm=floats([composite.z_ohm.imag for composite in composites]),
        is_switch=bools([line.is_switch for line in lines]),
        switching_cost=floats([line.switching_cost if line.is_switch else 0.0 for line in lines]),
        is_provider=bools([node.kind is BusKind.PROVIDER for node in nodes]),
        v_gen_v=floats([node.v_gen_v for node in nodes]),
        p_gen_max_w=floats([node.p_gen_max_w for node in nodes]),
        v_min_v=floats([node.v_min_v if limited else 0.0 for node, limited in zip(nodes, is_consumer, strict=True)]),
        v_max_v=floats([node.v_max_v if limited else np.inf for node, limited in zip(nodes, is_consumer, strict=True)]),
        part_start=ints(np.concatenate([[0], np.cumsum(part_count)])),
        part_line=ints([part.line for _, part in parts]),
        part_share=complexes([part.share for _, part in parts]),
        part_offset_near=complexes([part.offset_near for _, part in parts]),
        part_offset_far=complexes([part.offset_far for _, part in parts]),
        part_imax_a=floats([line.imax_a for line in originals]),
        part_vmax_v=floats([line.vmax_v for line in originals]),
    )
