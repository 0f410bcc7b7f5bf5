"""The feeder of Baran and Wu over two periods that want different configurations, where every switch has its price.

The optimum is known before the run: all 50,751 trees are judged in both periods, and all pairs that could be best compared.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from importlib import resources

import numpy as np
import pytest

from services.optimizer.documents.demand import read_demands
from services.optimizer.documents.power_grid import read_power_grid
from services.optimizer.documents.switch_settings import read_start_configuration
from services.optimizer.reconfiguration.evaluation import evaluate
from services.optimizer.reconfiguration.network import BoolArray, Demands, FloatArray, PowerGrid
from services.optimizer.reconfiguration.optimise import optimise
from services.optimizer.reconfiguration.problem import SWITCHING
from services.optimizer.reconfiguration.reduction import (
    build_problem,
    expand_configuration,
    reduce_configuration,
    reduce_network,
)
from shared.objective import DEFAULT_WEIGHTS
from tests.support.every_tree import every_tree, losses_w

# Weighted by 0.002, moving a switch costs as much as losing 3 to 13 kWh.
PRICES = (1.6e6, 3.2e6, 4.8e6, 6.4e6)
MORNING = {"start_time": "2024-01-01T06:00:00Z", "end_time": "2024-01-01T07:00:00Z"}
EVENING = {"start_time": "2024-01-01T07:00:00Z", "end_time": "2024-01-01T09:00:00Z"}


@dataclass(frozen=True)
class Session:
    """What a client uploads, read."""

    grid: PowerGrid
    demands: Demands
    start: BoolArray


@dataclass(frozen=True)
class Optimum:
    """The best of all sequences of two trees, and the best that simpler ways of choosing find."""

    objective: float
    configurations: BoolArray  # (2, L)
    one_for_both: float
    each_for_itself: float
    one_after_the_other: float


def document(part: str = "") -> bytes:
    return (resources.files("services.cli.demo") / f"baran_wu_33{part}.json").read_bytes()


@pytest.fixture(scope="module")
def session() -> Session:
    network = json.loads(document())
    for k, line in enumerate(network["lines"]):
        line["switching_cost"] = PRICES[k % len(PRICES)]
    demands = json.loads(document("_demands"))
    demands["periods"] = [{"id": "morning", **MORNING}, {"id": "evening", **EVENING}]
    for series in demands["loads"]:
        node = int(series["node_id"])
        factors = (1.5 if 19 <= node <= 25 else 0.6), (1.4 if 9 <= node <= 13 or node >= 26 else 0.7)
        for name in ("p_loads", "q_loads"):
            series[name] = [series[name][0] * factor for factor in factors]
    grid = read_power_grid(json.dumps(network).encode())
    start = read_start_configuration(document("_start"), grid)
    assert start is not None
    return Session(grid, read_demands(json.dumps(demands).encode(), grid, allow_unspecified=False), start)


@pytest.fixture(scope="module")
def optimum(session: Session) -> Optimum:
    trees = every_tree(session.grid)
    assert len(trees) == 50_751  # as published
    losses = losses_w(session.grid, trees, session.demands.p_w + 1j * session.demands.q_var)
    first, second = 1.0 * losses[0], 2.0 * losses[1]  # hours
    price = 0.002 * np.array([line.switching_cost for line in session.grid.lines])
    begun = first + (trees ^ session.start) @ price
    one_for_both = float((begun + second).min())
    # A pair that is better than this has no member that loses more against the best of its period.
    early = np.flatnonzero(begun <= one_for_both - second.min())
    late = np.flatnonzero(second <= one_for_both - begun.min())
    total = begun[early, None] + second[late] + moves(trees[early], trees[late], price)
    a, b = np.unravel_index(total.argmin(), total.shape)
    cheapest, alone, greedy = begun.argmin(), first.argmin(), second.argmin()
    return Optimum(
        objective=float(total[a, b]),
        configurations=trees[[early[a], late[b]]],
        one_for_both=one_for_both,
        each_for_itself=float(begun[alone] + second[greedy] + (trees[alone] ^ trees[greedy]) @ price),
        one_after_the_other=float(begun[cheapest] + (second + (trees ^ trees[cheapest]) @ price).min()),
    )


def moves(before: BoolArray, after: BoolArray, price: FloatArray) -> FloatArray:
    """(A, B) what it costs to go from each configuration to each other one."""
    both: FloatArray = (before * price) @ after.T.astype(float)
    cost: FloatArray = (before @ price)[:, None] + (after @ price) - 2 * both
    return cost


def test_the_optimum_is_one_that_only_looking_at_both_periods_finds(optimum: Optimum) -> None:
    assert (optimum.configurations[0] != optimum.configurations[1]).any()
    assert optimum.objective < 0.99 * min(optimum.one_for_both, optimum.each_for_itself, optimum.one_after_the_other)


def test_evaluation_of_the_optimum_gives_its_objective(session: Session, optimum: Optimum) -> None:
    verdict = evaluate(
        session.grid, reduce_network(session.grid), session.demands, optimum.configurations, session.start
    ).verdict
    assert verdict.is_feasible
    assert np.dot(DEFAULT_WEIGHTS, verdict.values) == pytest.approx(optimum.objective, rel=1e-9)
    assert verdict.values[SWITCHING] > 0


def test_a_run_reaches_the_optimum_and_proves_it(session: Session, optimum: Optimum) -> None:
    reduction = reduce_network(session.grid)
    problem = build_problem(reduction, session.demands, DEFAULT_WEIGHTS, session.start)
    start = reduce_configuration(reduction, np.tile(session.start, (2, 1)))
    found = start
    for progress in optimise(problem, start, seed=1, should_stop=lambda: False, now=time.monotonic):
        found = found if progress.is_open is None else progress.is_open
    assert progress.is_finished
    assert progress.objective == pytest.approx(optimum.objective, rel=1e-9)
    assert progress.bound == pytest.approx(optimum.objective, rel=1e-9)
    assert (expand_configuration(reduction, found, session.start) == optimum.configurations).all()
