"""The reduced network and the optimisation problem as arrays: what power flow, search and enumeration work on.

Indices are of the reduced network: buses 0..n-1, lines 0..m-1. All arrays are read-only.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.optimizer.reconfiguration.interruption import Interruptions
from services.optimizer.reconfiguration.network import BoolArray, ComplexArray, FloatArray, IntArray
from services.optimizer.reconfiguration.transformers import TransformerTables

# Positions of the five objectives in every (5,) array of values or weights; ``shared.objective`` says what they are.
TOTAL_LOSS, IMAX, IMAX_50, SWITCHING, INTERRUPTION = range(5)


@dataclass(frozen=True)
class ReducedNetwork:
    """A network after removal of dangling, merging of serial and of parallel lines.

    Every line of it stands for one or more original lines, its *parts*. The parts of line k are the entries
    ``part_start[k]:part_start[k + 1]`` of the part arrays. With I the current of line k counted from its source to its
    target and V the voltage at its source, a part carries ``part_share * I`` and has the voltages
    ``V - part_offset_near * I`` and ``V - part_offset_far * I`` at its two ends.
    """

    bus_count: int
    source: IntArray  # (m,) bus
    target: IntArray  # (m,) bus
    r_ohm: FloatArray  # (m,) >= 0
    x_ohm: FloatArray  # (m,) any sign
    is_switch: BoolArray  # (m,)
    switching_cost: FloatArray  # (m,) 0 where not switchable
    is_provider: BoolArray  # (n,)
    v_gen_v: FloatArray  # (n,) voltage of providers, 0 elsewhere
    p_gen_max_w: FloatArray  # (n,) inf at buses that are no providers
    v_min_v: FloatArray  # (n,) limit of consumers, 0 elsewhere
    v_max_v: FloatArray  # (n,) limit of consumers, inf elsewhere; in a problem also of lines cut off at the bus
    part_start: IntArray  # (m + 1,)
    part_line: IntArray  # (M,) index of the original line
    part_share: ComplexArray  # (M,)
    part_offset_near: ComplexArray  # (M,) [ohm]
    part_offset_far: ComplexArray  # (M,) [ohm]
    part_imax_a: FloatArray  # (M,) inf where unlimited
    part_vmax_v: FloatArray  # (M,) inf where unlimited
    transformers: TransformerTables | None = None  # none where there are none


@dataclass(frozen=True)
class ReconfigurationProblem:
    """What to optimise: sum of weights times the five objectives over all periods, subject to the hard constraints.

    A configuration of one period is (m,) boolean, True where the switch is open; a solution is (T, m).
    """

    network: ReducedNetwork
    p_w: FloatArray  # (T, n) active demand
    q_var: FloatArray  # (T, n) reactive demand
    hours: FloatArray  # (T,)
    weights: FloatArray  # (5,)
    start_open: BoolArray | None  # (m,) configuration before the first period, if one is given
    interruptions: Interruptions | None = None  # none where no line can fault
