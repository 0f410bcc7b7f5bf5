"""Who waits for the repair of a faulted line: whoever stays dark when the switches closest to it cut it out.

Lines that cannot be switched tie buses into *islands*. The switches closest to a line are those at the island in which it lies,
or at the two islands that it joins if it is a switch itself, so that all faults in one island leave the same buses dark.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from services.optimizer.reconfiguration.arrays import fixed
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.walk import walk_from_providers


def waiting_for_repair(network: ReducedNetwork, can_fault: BoolArray) -> BoolArray:
    """(m, n) buses that stay dark when the closest switches around a line are open and all others closed.

    Args:
        can_fault: (m,) lines in question; the rows of others are empty.
    """
    is_fixed = ~network.is_switch
    ends = (network.source[is_fixed], network.target[is_fixed])
    ties = coo_array((np.ones(ends[0].size), ends), shape=(network.bus_count, network.bus_count))
    _, island = connected_components(ties, directed=False)
    near, far = island[network.source], island[network.target]
    waits: BoolArray = np.zeros((network.source.size, network.bus_count), dtype=bool)
    dark_without: dict[int, BoolArray] = {}  # by island
    for line in np.flatnonzero(can_fault).tolist():
        a, b = int(near[line]), int(far[line])
        if not network.is_switch[line] and a in dark_without:
            waits[line] = dark_without[a]
            continue
        is_open = network.is_switch & ((near == a) | (far == a) | (near == b) | (far == b))
        is_open[line] = False  # it is not among the switches that cut it out
        waits[line] = ~walk_from_providers(network.source, network.target, network.is_provider, is_open).is_supplied
        if not network.is_switch[line]:
            dark_without[a] = waits[line]
    return fixed(waits)
