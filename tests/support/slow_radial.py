"""A slow judge of radial solutions, written without the optimiser's code: plain loops, another method of power flow.

It knows all radial configurations by trying every set of open lines, solves a flow by summing currents instead of powers,
and finds optima by looking at everything.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import ReconfigurationProblem, ReducedNetwork


@dataclass(frozen=True)
class Worth:
    """What a solution is worth: unweighted loss, excess currents and switching; how much it breaks limits; the sum."""

    values: tuple[float, float, float, float]
    violation: float
    objective: float

    def precedes(self, other: Worth) -> bool:
        """Less violation by more than rounding, or as much and a lower objective."""
        if abs(self.violation - other.violation) > 1e-9 * other.violation:
            return self.violation < other.violation
        return self.objective < other.objective


def walk(network: ReducedNetwork, is_open: BoolArray) -> dict[int, tuple[int, int]] | None:
    """Upstream line and bus of each bus that has one, in walking order; None if not every bus has exactly one supply."""
    upstream: dict[int, tuple[int, int]] = {}
    waiting = [int(bus) for bus in np.flatnonzero(network.is_provider)]
    seen = set(waiting)
    used: set[int] = set()
    while waiting:
        bus = waiting.pop(0)
        for line in range(network.source.size):
            if is_open[line] or line in used or bus not in (network.source[line], network.target[line]):
                continue
            used.add(line)
            other = int(network.source[line] + network.target[line]) - bus
            if other in seen:
                return None
            seen.add(other)
            upstream[other] = (line, bus)
            waiting.append(other)
    return upstream if len(seen) == network.bus_count else None


def radial_configurations(network: ReducedNetwork) -> Iterator[BoolArray]:
    """Every configuration (m,) in which each bus is supplied over exactly one path."""
    switches = np.flatnonzero(network.is_switch).tolist()
    open_count = network.source.size - (network.bus_count - int(network.is_provider.sum()))
    for opened in itertools.combinations(switches, open_count) if open_count >= 0 else ():
        is_open = np.zeros(network.source.size, dtype=bool)
        is_open[list(opened)] = True
        if walk(network, is_open) is not None:
            yield is_open


def judge_period(problem: ReconfigurationProblem, period: int, is_open: BoolArray) -> Worth:
    """One period's loss [MWh] and excess currents [Ah], its violations, and the objective without switching."""
    network = problem.network
    upstream = walk(network, is_open)
    assert upstream is not None, "only radial configurations are judged"
    p, q = problem.p_w[period].tolist(), problem.q_var[period].tolist()
    voltage = {bus: complex(network.v_gen_v[bus]) for bus in range(network.bus_count)}
    for bus, (_, up) in upstream.items():
        voltage[bus] = voltage[up]
    current: dict[int, complex] = {}
    for _ in range(1000):
        previous = dict(voltage)
        current = {
            bus: complex(p[bus], q[bus]).conjugate() / voltage[bus].conjugate() if not network.is_provider[bus] else 0j
            for bus in range(network.bus_count)
        }
        for bus, (_, up) in reversed(upstream.items()):
            current[up] += current[bus]
        for bus, (line, up) in upstream.items():
            voltage[bus] = voltage[up] - complex(network.r_ohm[line], network.x_ohm[line]) * current[bus]
        if max((abs(voltage[bus] - previous[bus]) for bus in voltage), default=0.0) < 1e-9:
            break
    else:
        raise AssertionError("this judge needs flows that converge")
    loss = over = over_half = violation = 0.0
    for bus, (line, up) in upstream.items():
        loss += network.r_ohm[line] * abs(current[bus]) ** 2
        v = abs(voltage[bus])
        violation += max(0.0, network.v_min_v[bus] - v) + max(0.0, v - network.v_max_v[bus])
        from_source = current[bus] if network.source[line] == up else -current[bus]
        at_source = voltage[int(network.source[line])]
        for part in range(network.part_start[line], network.part_start[line + 1]):
            size = abs(network.part_share[part] * current[bus])
            over += max(0.0, size - network.part_imax_a[part])
            over_half += max(0.0, size - 0.5 * network.part_imax_a[part])
            near = abs(at_source - network.part_offset_near[part] * from_source)
            far = abs(at_source - network.part_offset_far[part] * from_source)
            violation += max(0.0, max(near, far) - network.part_vmax_v[part])
    for bus in np.flatnonzero(network.is_provider).tolist():
        excess = (voltage[bus] * current[bus].conjugate()).real - network.p_gen_max_w[bus]
        violation += max(0.0, excess) ** 2
    hours = float(problem.hours[period])
    values = (hours * loss / 1e6, hours * over, hours * over_half, 0.0)
    return Worth(values, violation, sum(a * b for a, b in zip(values, problem.weights.tolist(), strict=False)))


def switching(problem: ReconfigurationProblem, solution: BoolArray) -> float:
    """Unweighted cost of switching of a solution (T, m)."""
    before = problem.start_open
    cost = 0.0
    for is_open in solution:
        if before is not None:
            cost += sum(c for c, a, b in zip(problem.network.switching_cost, before, is_open, strict=True) if a != b)
        before = is_open
    return cost


def judge(problem: ReconfigurationProblem, solution: BoolArray) -> Worth:
    """A solution (T, m)."""
    periods = [judge_period(problem, period, is_open) for period, is_open in enumerate(solution)]
    return _joined(problem, periods, switching(problem, solution))


def best_solution(problem: ReconfigurationProblem) -> tuple[BoolArray, Worth]:
    """The best of all sequences of radial configurations."""
    choices = list(radial_configurations(problem.network))
    worths = [[judge_period(problem, t, choice) for choice in choices] for t in range(problem.hours.size)]
    best: tuple[BoolArray, Worth] | None = None
    for picks in itertools.product(range(len(choices)), repeat=problem.hours.size):
        solution = np.array([choices[pick] for pick in picks])
        worth = _joined(problem, [worths[t][pick] for t, pick in enumerate(picks)], switching(problem, solution))
        if best is None or worth.precedes(best[1]):
            best = solution, worth
    assert best is not None, "there is a radial configuration"
    return best


def _joined(problem: ReconfigurationProblem, periods: list[Worth], cost: float) -> Worth:
    loss, over, over_half = (sum(period.values[k] for period in periods) for k in range(3))
    return Worth(
        (loss, over, over_half, cost),
        sum(period.violation for period in periods),
        sum(period.objective for period in periods) + cost * float(problem.weights[3]),
    )
