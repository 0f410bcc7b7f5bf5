"""Transformers in a network: which way each may be fed, and what that makes of voltage and power at its outputs.

A transformer is a bus with an ideal line to each terminal. Fed through one terminal, every other one is an output, for which
it needs a *mode*; fed in any other way it is used in a missing mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.optimizer.reconfiguration.arrays import bools, fixed, floats, ints
from services.optimizer.reconfiguration.kernels.modes import find_outputs
from services.optimizer.reconfiguration.network import BoolArray, FloatArray, IntArray, PowerGrid, TransformerOperation

MOST_TERMINALS = 3


@dataclass(frozen=True)
class TransformerTables:
    """The transformers of a network with n buses and m lines; X transformers, arrays of modes by (input, output)."""

    of_bus: IntArray  # (n,) transformer whose bus it is, -1 elsewhere
    of_line: IntArray  # (m,) transformer to whose terminal the line leads, -1 elsewhere
    terminal_of_line: IntArray  # (m,) which terminal, -1 elsewhere
    has_mode: BoolArray  # (X, 3, 3)
    ratio: FloatArray  # (X, 3, 3) input over output voltage, 1 where the output voltage is set
    set_voltage_v: FloatArray  # (X, 3, 3) output voltage of an automatic mode, 0 elsewhere
    power_factor: FloatArray  # (X, 3, 3) output over input power
    is_terminal: BoolArray  # (X, 3)

    @cached_property
    def can_be_fed_at(self) -> BoolArray:
        """(X, 3) terminals with a mode to each of the others."""
        needs = self.is_terminal[:, None, :] & ~np.eye(MOST_TERMINALS, dtype=bool)
        can_be_fed: BoolArray = (self.has_mode | ~needs).all(axis=2) & self.is_terminal
        return can_be_fed


@dataclass(frozen=True)
class Outputs:
    """What the transformers do in the trees of a configuration, by the bus at the downstream end of a line.

    ``ratio``, ``set_voltage_v`` and ``power_factor`` mean something only where ``is_output``: the bus is supplied by a
    transformer.
    """

    is_output: BoolArray  # (n,)
    ratio: FloatArray  # (n,)
    set_voltage_v: FloatArray  # (n,) 0 where the ratio holds
    power_factor: FloatArray  # (n,)
    misfed: IntArray  # transformers used in a missing mode


def tabulate(grid: PowerGrid, node_of_bus: IntArray, line_of_line: IntArray) -> TransformerTables | None:
    """The transformers of a network whose buses and lines are those of the grid; None where the grid has none.

    Args:
        node_of_bus: (n,) node of each bus.
        line_of_line: (m,) line of the grid that stands for each line.
    """
    if not grid.transformers:
        return None
    shape = (len(grid.transformers), MOST_TERMINALS, MOST_TERMINALS)
    has_mode, is_terminal = np.zeros(shape, dtype=bool), np.zeros(shape[:2], dtype=bool)
    ratio, set_voltage_v, power_factor = np.ones(shape), np.zeros(shape), np.ones(shape)
    for x, transformer in enumerate(grid.transformers):
        is_terminal[x, : len(transformer.terminals)] = True
        place = {node: terminal for terminal, node in enumerate(transformer.terminals)}
        for mode in transformer.modes:
            ways = [(place[mode.source], place[mode.target], mode.ratio)]
            if mode.is_bidirectional:
                ways.append((place[mode.target], place[mode.source], 1 / mode.ratio if mode.ratio else None))
            for source, target, way_ratio in ways:
                has_mode[x, source, target] = True
                power_factor[x, source, target] = mode.power_factor
                if mode.operation is TransformerOperation.AUTOMATIC:
                    set_voltage_v[x, source, target] = transformer.end_voltages_v[target]
                else:
                    ratio[x, source, target] = way_ratio
    first_bus = len(grid.document_nodes)
    lines = [grid.lines[line] for line in line_of_line.tolist()]
    return TransformerTables(
        of_bus=ints(np.where(node_of_bus >= first_bus, node_of_bus - first_bus, -1)),
        of_line=ints([line.transformer for line in lines]),
        terminal_of_line=ints([line.terminal for line in lines]),
        has_mode=bools(has_mode),
        ratio=floats(ratio),
        set_voltage_v=floats(set_voltage_v),
        power_factor=floats(power_factor),
        is_terminal=bools(is_terminal),
    )


def outputs_of(
    tables: TransformerTables | None, bus_count: int, upstream_line: IntArray, upstream_bus: IntArray
) -> Outputs:
    """What the transformers do in trees given by the line and bus upstream of each bus (n,)."""
    is_output: BoolArray = np.zeros(bus_count, dtype=bool)
    ratio, set_voltage_v, power_factor = np.ones(bus_count), np.zeros(bus_count), np.ones(bus_count)
    is_misfed: BoolArray = np.zeros(0 if tables is None else len(tables.has_mode), dtype=bool)
    if tables is not None:
        find_outputs(
            tables.of_bus,
            tables.terminal_of_line,
            tables.has_mode,
            tables.ratio,
            tables.set_voltage_v,
            tables.power_factor,
            upstream_line,
            upstream_bus,
            is_output,
            ratio,
            set_voltage_v,
            power_factor,
            is_misfed,
        )
    misfed = ints(np.flatnonzero(is_misfed))
    return Outputs(fixed(is_output), fixed(ratio), fixed(set_voltage_v), fixed(power_factor), misfed)
