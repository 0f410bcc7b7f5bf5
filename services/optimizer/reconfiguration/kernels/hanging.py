"""Compiled spreading of voltages over parts of a grid that were cut off before the flow was computed."""

from __future__ import annotations

from services.optimizer.reconfiguration.kernels.jit import compiled
from services.optimizer.reconfiguration.network import BoolArray, ComplexArray, IntArray


@compiled
def spread_voltages(
    voltage: ComplexArray, hung_node: IntArray, hung_on: IntArray, hung_switch: IntArray, is_open: BoolArray
) -> None:
    """Give each hung node the voltage of the node it hangs on, or 0 where an open switch is between the two.

    Args:
        voltage: (N,) in and out [V].
        hung_node, hung_on, hung_switch: (H,) in an order in which a node comes before those that hang on it.
        is_open: (L,) open switches of the grid.
    """
    for k in range(hung_node.size):
        switch = hung_switch[k]
        voltage[hung_node[k]] = 0.0 if switch >= 0 and is_open[switch] else voltage[hung_on[k]]
