"""What a configuration of the reduced network is worth, exactly: the measure of everything that the optimiser publishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.optimizer.reconfiguration.arrays import Scalar, bools, fixed, ints
from services.optimizer.reconfiguration.kernels.trees import incidence
from services.optimizer.reconfiguration.kernels.worth import Circuit, Modes, Workspace, judge_period
from services.optimizer.reconfiguration.network import BoolArray, FloatArray
from services.optimizer.reconfiguration.problem import (
    IMAX,
    IMAX_50,
    INTERRUPTION,
    SWITCHING,
    TOTAL_LOSS,
    ReconfigurationProblem,
    ReducedNetwork,
)

ROUNDING = 1e-9  # relative: what two computations of the same violation may differ by
NOT_RADIAL_AMOUNT = 1e100  # of a period; outweighs every other amount


@dataclass(frozen=True, slots=True)
class Appraisal:
    """Worth of one solution; ``precedes`` orders solutions."""

    values: FloatArray  # (5,) unweighted
    violation_amount: float
    objective: float
    is_strictly_radial: bool  # in every period each bus has supply, over one path

    def precedes(self, other: Appraisal) -> bool:
        """Whether this is better: less violation by more than rounding, or as much and a lower objective."""
        if abs(self.violation_amount - other.violation_amount) > ROUNDING * other.violation_amount:
            return self.violation_amount < other.violation_amount
        return self.objective < other.objective or (self.objective == self.objective and np.isnan(other.objective))


@dataclass(frozen=True, slots=True)
class PeriodWorth:
    """Worth of the configuration of one period by itself, switching apart."""

    values: FloatArray  # (5,) unweighted, of the whole period
    violation_amount: float
    is_strictly_radial: bool
    has_flow: bool


def appraise(problem: ReconfigurationProblem, is_open: BoolArray) -> Appraisal:
    """Evaluate a solution (T, m) with the power flow that is reported: see :class:`Appraiser`."""
    return Appraiser(problem).appraise(is_open)


class Appraiser:
    """Evaluates solutions of one problem; what depends on the network alone is computed once.

    The violation amount adds volts beyond voltage limits, squared watts beyond the capacities of providers, a sum that
    outweighs these for each period whose flow fails, and one that outweighs everything for each period that has cycles, uses
    a transformer in a missing mode or leaves demand without supply.
    """

    def __init__(self, problem: ReconfigurationProblem) -> None:
        self._problem = problem
        self._circuit = _circuit(problem.network)
        self._modes = _modes(problem.network)
        self._p_w, self._q_var = _view(problem.p_w), _view(problem.q_var)
        self._price = problem.network.switching_cost
        self._is_priced = bool(self._price.any())
        self._room = _workspace(self._circuit, self._modes)

    def appraise(self, is_open: BoolArray) -> Appraisal:
        """The worth of a solution (T, m)."""
        return self.combine([self.appraise_period(t, one) for t, one in enumerate(is_open)], is_open)

    def appraise_period(self, period: int, is_open: BoolArray) -> PeriodWorth:
        """The worth of the configuration (m,) of one period."""
        problem, room = self._problem, self._room
        found = judge_period(self._circuit, self._modes, self._p_w[period], self._q_var[period], bools(is_open), room)
        hours = problem.hours[period]
        values: FloatArray = np.zeros(5)
        values[TOTAL_LOSS] = hours * (found.loss_w / 1e6)
        values[IMAX] = hours * found.over_a
        values[IMAX_50] = hours * found.over_half_a
        if problem.interruptions is not None and not found.cycle_count:
            order = room.order[: room.tree_start[-1]]
            values[INTERRUPTION] = problem.interruptions.cost(
                period, order, room.upstream_line, room.upstream_bus
            ).sum()
        violation = found.violation
        if not (found.has_flow and found.supplies_demand):
            violation += NOT_RADIAL_AMOUNT
        return PeriodWorth(values, violation, found.has_flow and found.supplies_all, found.has_flow)

    def combine(self, periods: Sequence[PeriodWorth], is_open: BoolArray) -> Appraisal:
        """The worth of a solution (T, m) from that of its periods."""
        values: FloatArray = np.zeros(5)
        for worth in periods:
            values += worth.values
        if not all(worth.has_flow for worth in periods):
            values[TOTAL_LOSS] = 0.0  # as clients know it: a loss is that of all periods or none
        values[SWITCHING] = self._switching_cost(is_open)
        return Appraisal(
            values,
            sum(worth.violation_amount for worth in periods),
            float(values @ self._problem.weights),
            all(worth.is_strictly_radial for worth in periods),
        )

    def _switching_cost(self, is_open: BoolArray) -> float:
        """Cost of all switches moved between consecutive configurations, and from the start if there is one."""
        if not self._is_priced:
            return 0.0
        start = self._problem.start_open
        before = is_open[:1] if start is None else start[None, :]
        is_moved = is_open ^ np.concatenate([before, is_open[:-1]])
        return float((is_moved * self._price).sum())


def _circuit(network: ReducedNetwork) -> Circuit:
    first, incident = incidence(network.bus_count, network.source, network.target)
    return Circuit(
        first=fixed(first),
        incident=fixed(incident),
        roots=ints(np.flatnonzero(network.is_provider)),
        source=_view(network.source),
        target=_view(network.target),
        r_ohm=_view(network.r_ohm),
        x_ohm=_view(network.x_ohm),
        v_gen_v=_view(network.v_gen_v),
        p_gen_max_w=_view(network.p_gen_max_w),
        v_min_v=_view(network.v_min_v),
        v_max_v=_view(network.v_max_v),
        part_start=_view(network.part_start),
        part_share=_view(network.part_share),
        part_offset_near=_view(network.part_offset_near),
        part_offset_far=_view(network.part_offset_far),
        part_imax_a=_view(network.part_imax_a),
        part_vmax_v=_view(network.part_vmax_v),
    )


def _modes(network: ReducedNetwork) -> Modes:
    tables = network.transformers
    if tables is None:
        nowhere, none = ints(np.full(network.bus_count, -1)), fixed(np.zeros((0, 3, 3)))
        return Modes(nowhere, ints(np.full(network.source.size, -1)), bools(none), none, none, none)
    return Modes(
        of_bus=_view(tables.of_bus),
        terminal_of_line=_view(tables.terminal_of_line),
        has_mode=_view(tables.has_mode),
        ratio=_view(tables.ratio),
        set_voltage_v=_view(tables.set_voltage_v),
        power_factor=_view(tables.power_factor),
    )


def _workspace(circuit: Circuit, modes: Modes) -> Workspace:
    n, m, roots = circuit.v_gen_v.size, circuit.source.size, circuit.roots.size
    return Workspace(
        order=np.empty(n, dtype=np.int32),
        tree_start=np.empty(roots + 1, dtype=np.int32),
        upstream_line=np.empty(n, dtype=np.int32),
        upstream_bus=np.empty(n, dtype=np.int32),
        is_output=np.empty(n, dtype=np.bool_),
        ratio=np.empty(n),
        set_voltage_v=np.empty(n),
        power_factor=np.empty(n),
        is_misfed=np.empty(len(modes.has_mode), dtype=np.bool_),
        voltage=np.empty(n, dtype=np.complex128),
        current=np.empty(m, dtype=np.complex128),
        power=np.empty(m, dtype=np.complex128),
        injection=np.empty(roots, dtype=np.complex128),
        rounds=np.empty(roots, dtype=np.int32),
        status=np.empty(roots, dtype=np.int32),
    )


def _view(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """The array as the compiled loops want it, read-only; the owner may write to it as before."""
    return fixed(array.view())
