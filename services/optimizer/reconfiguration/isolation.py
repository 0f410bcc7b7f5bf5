"""Who waits for the repair of a faulted line: whoever stays dark when the switches closest to it cut it out.

Lines that cannot be switched tie buses into *islands*. The switches closest to a line are those at the island in which it lies,
or at the two islands that it joins if it is a switch itself, so that all faults in one island leave the same buses dark.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from services.optimizer.reconfiguration.arrays import fixed, ints
from services.optimizer.reconfiguration.interruption import Waiting
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.walk import walk_from_providers


def waiting_for_repair(network: ReducedNetwork, can_fault: BoolArray) -> Waiting:
    """The buses that stay dark when the closest switches around a line are open and all others closed.

    Args:
        can_fault: (m,) lines in question.
    """
    is_fixed = ~network.is_switch
    ends = (network.source[is_fixed], network.target[is_fixed])
    ties = coo_array((np.ones(ends[0].size), ends), shape=(network.bus_count, network.bus_count))
    _, island = connected_components(ties, directed=False)
    near, far = island[network.source], island[network.target]
    row_of_line, row_of_island = np.full(network.source.size, -1), dict[int, int]()
    rows: list[NDArray[np.uint8]] = []
    for line in np.flatnonzero(can_fault).tolist():
        a, b = int(near[line]), int(far[line])
        if not network.is_switch[line] and a in row_of_island:
            row_of_line[line] = row_of_island[a]
            continue
        is_open = network.is_switch & ((near == a) | (far == a) | (near == b) | (far == b))
        is_open[line] = False  # it is not among the switches that cut it out
        walk = walk_from_providers(network.source, network.target, network.is_provider, is_open)
        row_of_line[line] = len(rows)
        if not network.is_switch[line]:
            row_of_island[a] = len(rows)
        rows.append(np.packbits(~walk.is_supplied, bitorder="little"))
    bits = np.array(rows, dtype=np.uint8).reshape(len(rows), (network.bus_count + 7) // 8)
    return Waiting(ints(row_of_line), fixed(bits))
