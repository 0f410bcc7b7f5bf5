"""Caps of the relaxation against the exact flows of every radial configuration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.optimizer.reconfiguration.bounds.arcs import find_arcs, used_arcs
from services.optimizer.reconfiguration.bounds.caps import find_caps
from services.optimizer.reconfiguration.bounds.errors import NoRelaxation
from services.optimizer.reconfiguration.bounds.relaxation import per_unit_of
from services.optimizer.reconfiguration.expansion import solve_reduced
from services.optimizer.reconfiguration.kernels.distflow import CONVERGED
from services.optimizer.reconfiguration.topology import grow_trees
from tests.support.random_problems import Kind, random_problem
from tests.support.slow_radial import radial_configurations

ROUNDING = 1e-9
# With laterals and zero demand, so that blocks hang on each other; the last one has capacitive lines.
KINDS = {
    "loads": Kind(buses=9, ties=3, zero_demand=0.3),
    "some generation": Kind(buses=9, ties=3, generation=0.2, zero_demand=0.3),
    "much generation": Kind(providers=2, buses=8, ties=3, generation=0.6),
    "capacitive": Kind(buses=8, ties=3, generation=0.2),
}


@pytest.mark.parametrize("name", KINDS)
def test_no_radial_flow_exceeds_its_caps(name: str) -> None:
    checked = 0
    for seed in range(12):
        problem, _ = random_problem(seed, KINDS[name])
        network = problem.network
        if name == "capacitive":
            signs = np.random.default_rng(seed).choice([-0.5, 1.0], network.x_ohm.size)
            network = replace(network, x_ohm=signs * network.x_ohm)
        arcs = find_arcs(network)
        try:
            per_unit = per_unit_of(replace(problem, network=network), 0, arcs)
        except NoRelaxation:
            continue
        for is_open in radial_configurations(network):
            trees = grow_trees(network, is_open)
            flow = solve_reduced(network, trees, problem.p_w[0], problem.q_var[0])
            used = used_arcs(arcs, trees)
            voltage, current = flow.voltage_v[arcs.fed[used]], np.abs(flow.current_a[arcs.line[used]])
            loss_pu = float((network.r_ohm[arcs.line[used]] * current**2).sum()) / per_unit.s_base_va
            if (flow.outcome != CONVERGED).any():
                continue
            try:
                caps = find_caps(network, arcs, per_unit, loss_pu * (1.0 + ROUNDING))
            except NoRelaxation:
                break
            s = voltage * np.conj(flow.current_a[arcs.line[used]]) / per_unit.s_base_va
            # Without generation the caps are on what flows beyond the fed bus's own demand.
            p, q = s.real - per_unit.p_fed[used], s.imag - per_unit.q_fed[used]
            assert (caps.p_low[used] - ROUNDING <= p).all()
            assert (p <= caps.p_high[used] + ROUNDING).all()
            assert (caps.q_low[used] - ROUNDING <= q).all()
            assert (q <= caps.q_high[used] + ROUNDING).all()
            v2 = np.abs(voltage / per_unit.v_base_v) ** 2
            assert (v2 <= caps.v2[arcs.fed[used]] * (1.0 + ROUNDING)).all()
            checked += 1
    assert checked > 100
