"""Compiled look-up of what transformers do in a configuration."""

from __future__ import annotations

from services.optimizer.reconfiguration.kernels.jit import compiled
from services.optimizer.reconfiguration.network import BoolArray, FloatArray, IntArray


@compiled
def find_outputs(
    of_bus: IntArray,
    terminal_of_line: IntArray,
    has_mode: BoolArray,
    mode_ratio: FloatArray,
    mode_set_voltage_v: FloatArray,
    mode_power_factor: FloatArray,
    upstream_line: IntArray,
    upstream_bus: IntArray,
    is_output: BoolArray,
    ratio: FloatArray,
    set_voltage_v: FloatArray,
    power_factor: FloatArray,
    is_misfed: BoolArray,
) -> bool:
    """What the transformers do in given trees; whether each that has supply is used in its modes.

    Args:
        of_bus, terminal_of_line, has_mode, mode_ratio, mode_set_voltage_v, mode_power_factor: of ``TransformerTables``.
        upstream_line, upstream_bus: (n,) of ``walk_trees``.
        is_output, ratio, set_voltage_v, power_factor: (n,) out, as in ``Outputs``.
        is_misfed: (X,) out: transformers used in a missing mode.
    """
    is_output[:] = False
    ratio[:] = 1.0
    set_voltage_v[:] = 0.0
    power_factor[:] = 1.0
    is_misfed[:] = False
    all_fed_well = True
    for bus in range(upstream_bus.size):
        center = upstream_bus[bus]
        if center < 0 or of_bus[center] < 0:
            continue
        transformer = of_bus[center]
        source = terminal_of_line[upstream_line[center]]
        target = terminal_of_line[upstream_line[bus]]
        is_output[bus] = True
        ratio[bus] = mode_ratio[transformer, source, target]
        set_voltage_v[bus] = mode_set_voltage_v[transformer, source, target]
        power_factor[bus] = mode_power_factor[transformer, source, target]
        if not has_mode[transformer, source, target]:
            is_misfed[transformer] = True
            all_fed_well = False
    return all_fed_well
