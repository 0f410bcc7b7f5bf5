"""Interruption costs of whole feeders against the rules read one by one: for each fault, who is hit and who waits for the repair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.optimizer.reconfiguration.evaluation import evaluate
from services.optimizer.reconfiguration.network import BoolArray, ConsumerCategory, PowerGrid
from services.optimizer.reconfiguration.reduction import reduce_network
from tests.support.grids import Case
from tests.support.random_grids import random_case
from tests.support.seeds import new_seed

FEEDERS = 12


def with_faults(given: Case, rng: np.random.Generator) -> Case:
    """Households, breakers on some lines, faults on most others."""
    lines = tuple(
        replace(
            line,
            is_breaker=bool(rng.random() < 0.15),
            faults_per_year=float(rng.uniform(0.0, 2.0) * (rng.random() < 0.8)),
            sectioning_time_s=float(rng.choice([0.0, 1800.0, 3600.0])),
            repair_time_s=float(rng.choice([0.0, 7200.0, 10_000.0])),
        )
        for line in given.grid.lines
    )
    nodes = tuple(replace(node, category_fractions={ConsumerCategory.HOUSEHOLD: 1.0}) for node in given.grid.nodes)
    return replace(given, grid=PowerGrid("faults", nodes, lines))


def reached(grid: PowerGrid, is_closed: BoolArray, begin: set[int]) -> tuple[set[int], dict[int, tuple[int, int]]]:
    """Nodes that closed lines (L,) connect to some, and the line and node from which each was reached."""
    seen, came_from, waiting = set(begin), {}, sorted(begin)
    while waiting:
        node = waiting.pop()
        for k, line in enumerate(grid.lines):
            if is_closed[k] and node in (line.source, line.target):
                other = line.source + line.target - node
                if other not in seen:
                    seen.add(other)
                    came_from[other] = (k, node)
                    waiting.append(other)
    return seen, came_from


def costs_by_the_rules(given: Case) -> np.ndarray:
    """(N,) expected cost of one period."""
    grid, hours = given.grid, float(given.demands.hours[0])
    roots = {k for k, node in enumerate(grid.nodes) if node.v_gen_v > 0.0}
    supplied, came_from = reached(grid, ~given.is_open, roots)

    def way_up(node: int) -> list[tuple[int, int]]:
        """Lines and their upper ends on the way to the provider."""
        way = []
        while node not in roots:
            way.append(came_from[node])
            node = way[-1][1]
        return way

    costs = np.zeros(len(grid.nodes))
    for below, (line, above) in came_from.items():
        fault = grid.lines[line]
        if fault.is_breaker or fault.faults_per_year == 0.0:
            continue
        # Without a breaker everything that the provider supplies is hit.
        hit_below = next((k for k, _ in way_up(above) if grid.lines[k].is_breaker), None)
        root = way_up(below)[-1][1]
        is_fixed = np.array([not each.is_switch for each in grid.lines])
        is_fixed[line] = False
        cut_off, _ = reached(grid, is_fixed, {below, above})
        is_closed = np.array([True] * len(grid.lines))
        for k, each in enumerate(grid.lines):
            if each.is_switch and (each.source in cut_off or each.target in cut_off):
                is_closed[k] = k == line
        again, _ = reached(grid, is_closed, roots)
        for node in supplied - roots:
            way = way_up(node)
            if way[-1][1] != root or (hit_below is not None and hit_below not in {k for k, _ in way}):
                continue
            seconds = fault.sectioning_time_s + (0.0 if node in again else fault.repair_time_s)
            rate = 1.1 + 9.8 * seconds / 3600 if seconds else 0.0
            expected = fault.faults_per_year * hours / 24 / 365
            costs[node] += expected * rate * given.demands.p_w[0, node] / 1000
    return costs


def test_the_costs_of_random_feeders_are_those_of_the_rules() -> None:
    seed = new_seed("fault costs")
    for each in range(seed, seed + FEEDERS):
        given = with_faults(
            random_case(each, 20, providers=1 + each % 2, consumers=1.0, parallels=0), np.random.default_rng(each)
        )
        found = evaluate(given.grid, reduce_network(given.grid), given.demands, given.opened(), None)
        expected = costs_by_the_rules(given)
        assert expected.any()
        assert found.expected_costs[0] == pytest.approx(expected, rel=1e-9, abs=1e-12), each
        assert found.verdict.values[4] == pytest.approx(expected.sum(), rel=1e-9), each
