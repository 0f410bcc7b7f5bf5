"""Voltages, powers, numbers of rounds and failures of random trees against iterated DistFlow written out bus by bus."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from services.optimizer.reconfiguration.evaluation import evaluate
from services.optimizer.reconfiguration.flow import FlowStatus, PeriodFlow
from services.optimizer.reconfiguration.reduction import reduce_network
from tests.support.grids import Case, Winding, case
from tests.support.seeds import new_seed
from tests.support.slow_distflow import SlowTree, solve_tree

REASONS = {"loss": "the loss of a line exceeds the power delivered", "drop": "the voltage drop over a line exceeds"}


def random_tree(seed: int) -> Case:
    """One or two providers with trees of consumers and perhaps transformers; loads from light to far too heavy."""
    rng = np.random.default_rng(seed)
    scale = 10 ** rng.uniform(1.5, 5.8)
    branches: list[str] = []
    windings: dict[str, Winding] = {}
    names = ["G", "H"][: rng.integers(1, 3)]
    described = {name: f"{name} {rng.uniform(950, 1050):.3f}V" for name in names}

    def add(name: str) -> str:
        described[name] = f"{name} {scale * rng.uniform(0, 1):.3f}W {scale * rng.uniform(-0.3, 0.6):.3f}var"
        names.append(name)
        return described[name]

    for k in range(int(rng.integers(len(names), 14))):
        parent = names[k] if k < 2 and k < len(names) else names[int(rng.integers(len(names)))]
        if rng.random() < 0.2 and parent not in "GH":
            ends = [f"T{k}{end}" for end in "ab"[: rng.integers(1, 3)]]
            branches += [f"{add(end)} | l{end} r={rng.uniform(0.1, 1):.4f} | {add(f'C{end}')}" for end in ends]
            modes = [
                (parent, end, rng.uniform(0.8, 1.3) if rng.random() < 0.7 else None, rng.uniform(0.9, 1))
                for end in ends
            ]
            windings[f"X{k}"] = Winding({parent: 1000.0, **dict.fromkeys(ends, 980.0)}, modes)
        else:
            branches.append(
                f"{described[parent]} | l{k} r={rng.uniform(0, 2):.4f} x={rng.uniform(-0.5, 2):.4f} | {add(f'C{k}')}"
            )
    return case(*branches, transformers=windings)


def solved(given: Case) -> tuple[PeriodFlow, list[SlowTree]]:
    reduction = reduce_network(given.grid)
    assert reduction.network.source.size == len(given.grid.lines)
    (flow,) = evaluate(given.grid, reduction, given.demands, given.opened(), None).flows
    assert flow is not None
    demand_va = (given.demands.p_w + 1j * given.demands.q_var)[0]
    roots = [k for k, node in enumerate(given.grid.nodes) if node.v_gen_v > 0]
    return flow, [solve_tree(given.grid, demand_va, root) for root in roots]


def test_rounds_failures_and_figures_are_those_of_the_definition() -> None:
    seed = new_seed("letter")
    seen: Counter[str] = Counter()
    for number in range(120):
        given = random_tree(seed + number)
        flow, trees = solved(given)
        failures = [tree.failure for tree in trees if tree.failure]
        seen.update(failures or ["none"])
        rounds = max(tree.rounds for tree in trees)
        assert f"{'up to ' if len(trees) > 1 else ''}{rounds} iterations" in flow.status_details
        assert (flow.status is FlowStatus.FAILED) == bool(failures)
        if failures:
            assert flow.status_details.startswith(REASONS[failures[0]])
            continue
        for tree in trees:
            for bus, v in tree.voltage.items():
                assert flow.voltage_v[bus] == pytest.approx(abs(v), rel=1e-12)
            for line, current in tree.current.items():
                assert flow.current_a[line] == pytest.approx(abs(current), rel=1e-11, abs=1e-12)
                power = tree.power[line]
                assert flow.sent_power_va[line] == pytest.approx(-power if power.real < 0 else power, rel=1e-11)
    assert seen["none"] > 20
    assert seen["drop"] + seen["loss"] > 10
