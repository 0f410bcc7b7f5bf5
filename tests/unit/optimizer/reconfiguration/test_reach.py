"""What is supplied through what, and the caps that follow, against every radial configuration of the usable arcs."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from services.optimizer.reconfiguration.bounds import reach as reach_module
from services.optimizer.reconfiguration.bounds.arcs import find_arcs, used_arcs
from services.optimizer.reconfiguration.bounds.caps import find_caps
from services.optimizer.reconfiguration.bounds.errors import NoRelaxation
from services.optimizer.reconfiguration.bounds.reach import find_reach, tighten
from services.optimizer.reconfiguration.bounds.relaxation import per_unit_of
from services.optimizer.reconfiguration.expansion import solve_reduced
from services.optimizer.reconfiguration.kernels.distflow import CONVERGED
from services.optimizer.reconfiguration.topology import grow_trees
from tests.support.random_problems import Kind, random_problem
from tests.support.slow_radial import radial_configurations

ROUNDING = 1e-9
KINDS = {
    "some generation": Kind(buses=9, ties=3, generation=0.2, zero_demand=0.3),
    "much generation": Kind(providers=2, buses=8, ties=3, generation=0.6),
    "capacitive": Kind(buses=8, ties=3, generation=0.2),
}


def test_a_vertex_is_held_by_those_on_all_ways_to_it() -> None:
    for seed in range(10):
        problem, _ = random_problem(seed, Kind(buses=12, ties=4))
        network = problem.network
        arcs = find_arcs(network)
        usable = np.random.default_rng(seed).random(arcs.count) < 0.9
        of = find_reach(network, arcs, usable)
        ways = nx.DiGraph()
        ways.add_edges_from((of.feeding[arc], of.fed[arc]) for arc in np.flatnonzero(usable).tolist())
        if 0 not in ways:
            continue
        above = nx.immediate_dominators(ways, 0)
        for vertex in range(1, network.bus_count + 1):
            expected = set()
            if vertex in above:
                expected, step = {vertex}, vertex
                while step != 0:
                    step = above[step]
                    expected.add(step)
            assert {other for other in range(len(of.held)) if of.held[other] >> vertex & 1} == expected


@pytest.mark.parametrize("steps", [2, 100])
@pytest.mark.parametrize("name", KINDS)
def test_no_flow_of_usable_arcs_exceeds_its_caps(name: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach_module, "STEPS", steps)
    checked = narrower = 0
    for seed in range(12):
        problem, _ = random_problem(seed, KINDS[name])
        network = problem.network
        rng = np.random.default_rng(seed)
        if name == "capacitive":
            network = replace(network, x_ohm=rng.choice([-0.5, 1.0], network.x_ohm.size) * network.x_ohm)
        arcs = find_arcs(network)
        try:
            per_unit = per_unit_of(replace(problem, network=network), 0, arcs)
        except NoRelaxation:
            continue
        if per_unit.is_drawing:
            continue
        # Every other time some arcs are not usable; configurations that use them are no concern then.
        usable = (rng.random(arcs.count) < 0.85) | (seed % 2 == 0)
        of = find_reach(network, arcs, usable)
        for is_open in radial_configurations(network):
            trees = grow_trees(network, is_open)
            used = used_arcs(arcs, trees)
            flow = solve_reduced(network, trees, problem.p_w[0], problem.q_var[0])
            if not usable[used].all() or (flow.outcome != CONVERGED).any():
                continue
            voltage, current = flow.voltage_v[arcs.fed[used]], np.abs(flow.current_a[arcs.line[used]])
            loss_pu = float((network.r_ohm[arcs.line[used]] * current**2).sum()) / per_unit.s_base_va
            loss_cap = loss_pu * (1.0 + ROUNDING)
            try:
                wide = find_caps(network, arcs, per_unit, loss_cap)
            except NoRelaxation:
                break
            caps = tighten(wide, of, per_unit, loss_cap)
            assert of.is_usable[used].all()
            s = voltage * np.conj(flow.current_a[arcs.line[used]]) / per_unit.s_base_va
            assert (caps.p_low[used] - ROUNDING <= s.real).all()
            assert (s.real <= caps.p_high[used] + ROUNDING).all()
            assert (caps.q_low[used] - ROUNDING <= s.imag).all()
            assert (s.imag <= caps.q_high[used] + ROUNDING).all()
            v2 = np.abs(voltage / per_unit.v_base_v) ** 2
            assert (v2 <= caps.v2[arcs.fed[used]] * (1.0 + ROUNDING)).all()
            assert (caps.v2 <= wide.v2).all()
            narrower += int((caps.v2 < wide.v2 - 1e-6).sum())
            checked += 1
    assert checked > 50
    assert narrower > checked
