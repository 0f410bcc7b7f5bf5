"""Checks on a grid and its demands before a session: can the demand be met at all, and are limits and voltages akin?"""

from __future__ import annotations

from collections.abc import Iterator

from services.optimizer.reconfiguration.network import BusKind, Demands, PowerGrid
from services.optimizer.reconfiguration.reduction import Reduction
from services.optimizer.reconfiguration.wording import complex_number, listed, listed_ids, number, quoted

LOWEST_VOLTAGE_SHARE = 0.5  # of the lowest provider voltage; a consumer limited to less cannot have been meant
HIGHEST_VOLTAGE_SHARE = 1.5  # of the highest provider voltage


class Implausible(ValueError):
    """The demands cannot belong to the grid; ``message`` lists what is wrong, a line for each period and check."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def check_plausibility(grid: PowerGrid, reduction: Reduction, demands: Demands) -> None:
    """Check the demands of all periods against a grid. Voltages are compared only where no transformer changes them.

    Raises:
        Implausible: with every failure; periods are counted from 0.
    """
    failures = [] if grid.transformers else list(_voltage_failures(grid))
    generation, capacity = _total_generation(grid), _capacity_at_providers(grid)
    for t in range(len(demands.periods)):
        total = complex(demands.p_w[t].sum(), demands.q_var[t].sum())
        if abs(total) > abs(generation):
            failures.append(
                f"Period {t}: the total demand {complex_number(total)} VA"
                f" exceeds the total generation {complex_number(generation)} VA"
            )
        if abs(total) > capacity:
            failures.append(
                f"Period {t}: the total demand of {number(abs(total))} VA exceeds the {number(capacity)} VA"
                " that the lines at the providers can carry"
            )
        failures += [f"Period {t}: {failure}" for failure in _unconnectable_failures(grid, reduction, demands, t)]
    if failures:
        raise Implausible("\n".join(failures))


def _total_generation(grid: PowerGrid) -> complex:
    """The sum of all limits [VA]; without end if one is."""
    providers = [node for node in grid.nodes if node.kind is BusKind.PROVIDER]
    return complex(sum(node.p_gen_max_w for node in providers), sum(node.q_gen_max_var for node in providers))


def _capacity_at_providers(grid: PowerGrid) -> float:
    """What all lines at providers can carry together [VA]; a line between two counts at each."""
    v_gen = [node.v_gen_v if node.kind is BusKind.PROVIDER else None for node in grid.nodes]
    voltages = ((v_gen[end], line.imax_a) for line in grid.lines for end in (line.source, line.target))
    return sum(v * imax_a for v, imax_a in voltages if v is not None)


def _voltage_failures(grid: PowerGrid) -> Iterator[str]:
    """Limits far from every provider's voltage; the same in all periods."""
    v_gen = [node.v_gen_v for node in grid.nodes if node.kind is BusKind.PROVIDER]
    if not v_gen:
        return
    lowest, highest = LOWEST_VOLTAGE_SHARE * min(v_gen), HIGHEST_VOLTAGE_SHARE * max(v_gen)
    strange = [
        f"{quoted(node.id)} ({number(node.v_min_v)} V to {number(node.v_max_v)} V)"
        for node in grid.nodes
        if node.kind is BusKind.CONSUMER and (node.v_max_v < lowest or node.v_min_v > highest)
    ]
    if strange:
        yield (
            f"All periods: the providers have {number(min(v_gen))} V to {number(max(v_gen))} V,"
            f" far from the limits of {len(strange)} consumers: {listed(strange)}"
        )


def _unconnectable_failures(grid: PowerGrid, reduction: Reduction, demands: Demands, t: int) -> Iterator[str]:
    nodes = reduction.unconnectable_nodes
    wanting = nodes[(demands.p_w[t, nodes] != 0) | (demands.q_var[t, nodes] != 0)]
    if wanting.size:
        ids = listed_ids([grid.nodes[node].id for node in wanting])
        yield f"there is demand at {wanting.size} consumers that no provider can be connected to: {ids}"
