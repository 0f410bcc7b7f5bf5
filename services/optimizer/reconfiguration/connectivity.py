"""Whether a grid can be operated radially at all: cycles that no switch breaks, and nodes that no switch connects."""

from __future__ import annotations

import numpy as np

from services.optimizer.reconfiguration.connectivity_status import ConnectivityStatus
from services.optimizer.reconfiguration.network import PowerGrid
from services.optimizer.reconfiguration.orientation import find_islands, radial_tree
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.reduction import Reduction
from services.optimizer.reconfiguration.topology import grow_trees, original_path, shortest_cycle


def connectivity_status(grid: PowerGrid, reduction: Reduction) -> ConnectivityStatus:
    """The connectivity of a grid.

    The decision is exact: a radial configuration that supplies every connectable node exists if and only if the lines
    without switch, all providers taken as one node, contain no cycle in the reduced network, and transformers can be fed in
    their modes (see :mod:`orientation`). The cycle that is shown is a shortest one there; of lines in parallel it takes the
    one with the alphabetically first id. Transformers are looked at only where nothing else is wrong.
    """
    cycle = shortest_cycle(reduction.network, reduction.network.is_switch)
    ids = None if cycle is None else tuple(grid.lines[line].id for line in original_path(cycle, reduction.paths))
    unconnectable = tuple(grid.nodes[node].id for node in reduction.unconnectable_nodes)
    invalid: tuple[str, ...] = ()
    if cycle is None and not unconnectable:
        invalid = tuple(grid.transformers[x].id for x in _misfed(reduction.network))
    return ConnectivityStatus(
        ok=cycle is None and not invalid,
        unbreakable_cycle=ids,
        unconnectable_buses=unconnectable or None,
        invalid_transformers=invalid or None,
    )


def _misfed(network: ReducedNetwork) -> list[int]:
    """Transformers that end up in a missing mode where no configuration feeds all of them well."""
    if network.transformers is None:
        return []
    islands, indifferent = find_islands(network), np.zeros(network.source.size)
    if radial_tree(network, islands, indifferent) is not None:
        return []
    is_open = radial_tree(network, islands, indifferent, must_suit=False)
    assert is_open is not None, "without cycles, all that is connectable can be connected"
    misfed: list[int] = grow_trees(network, is_open).outputs.misfed.tolist()
    return misfed
