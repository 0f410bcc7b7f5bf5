"""Compile every loop of the optimiser and keep the machine code on disk, so that nothing is compiled during a run.

``python -m services.optimizer.reconfiguration.warm`` is part of the set-up; a process that calls :func:`warm` loads what that kept.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from services.optimizer.reconfiguration.analysis import analysis_report
from services.optimizer.reconfiguration.connectivity import connectivity_status
from services.optimizer.reconfiguration.evaluation import evaluate
from services.optimizer.reconfiguration.general_search import GeneralSearch
from services.optimizer.reconfiguration.network import (
    BoolArray,
    BusKind,
    Demands,
    Line,
    Node,
    Period,
    PowerGrid,
    Transformer,
    TransformerMode,
    TransformerOperation,
    with_transformer_buses,
)
from services.optimizer.reconfiguration.optimise import optimise
from services.optimizer.reconfiguration.problem import ReconfigurationProblem
from services.optimizer.reconfiguration.reduction import build_problem, expand_configuration, reduce_network
from services.optimizer.reconfiguration.repair import make_radial
from services.optimizer.reconfiguration.search import Search
from services.optimizer.reconfiguration.tables import lay_out
from shared.objective import DEFAULT_WEIGHTS


def warm() -> None:
    """Run everything once on a grid of five nodes, and what transformers and faults add on another."""
    problem, start = _look_at(_grid())
    # It ends by itself: the few radial configurations are all visited.
    for _ in optimise(problem, start, seed=0, should_stop=lambda: False, now=time.monotonic):
        pass
    search = Search(problem.network, lay_out(problem), start, seed=0)
    while search.restarts < 2:
        search.advance(100_000)
    GeneralSearch(*_look_at(_with_transformer_and_faults(_grid())), seed=0).advance(10_000)


def _look_at(grid: PowerGrid) -> tuple[ReconfigurationProblem, BoolArray]:
    """What is done to every network; its problem, and a solution."""
    demands = _demands(len(grid.nodes))
    reduction = reduce_network(grid)
    connectivity_status(grid, reduction)
    analysis_report(grid, reduction, verbose=True)
    all_closed = np.zeros(len(grid.lines), dtype=np.bool_)
    problem = build_problem(reduction, demands, np.array(DEFAULT_WEIGHTS), all_closed)
    start = np.tile(make_radial(reduction.network, np.zeros(problem.network.source.size, dtype=np.bool_)), (2, 1))
    evaluate(grid, reduction, demands, expand_configuration(reduction, start, None), all_closed)
    return problem, start


def _grid() -> PowerGrid:
    """A provider, three consumers in a ring and a transition node on the way, with every kind of limit and price."""
    nodes = (
        Node("provider", BusKind.PROVIDER, v_gen_v=10_000.0, p_gen_max_w=1e7),
        *(Node(f"consumer {k}", BusKind.CONSUMER, v_min_v=9_000.0, v_max_v=11_000.0) for k in range(3)),
        Node("transition", BusKind.TRANSITION),
    )
    lines = tuple(
        Line(
            f"line {k}",
            source,
            target,
            r_ohm=1.0,
            x_ohm=1.0,
            imax_a=100.0,
            vmax_v=11_000.0,
            is_switch=k < 5,
            switching_cost=1.0,
        )
        for k, (source, target) in enumerate([(0, 1), (1, 2), (2, 3), (3, 0), (1, 3), (2, 4)])
    )
    return PowerGrid("warm", nodes, lines)


def _with_transformer_and_faults(grid: PowerGrid) -> PowerGrid:
    """Behind the transition node a transformer, and lines that can fault."""
    lines = tuple(
        replace(line, faults_per_year=1.0, sectioning_time_s=600.0, repair_time_s=600.0, is_breaker=line.source == 0)
        for line in grid.lines
    )
    behind = len(grid.nodes)
    mode = TransformerMode(behind - 1, behind, TransformerOperation.FIXED_RATIO, ratio=10.0)
    transformer = Transformer("transformer", (behind - 1, behind), (10_000.0, 1000.0), (mode,))
    nodes = (*grid.nodes, Node("low voltage", BusKind.CONSUMER))
    return with_transformer_buses(grid.name, nodes, lines, (transformer,))


def _demands(nodes: int) -> Demands:
    midnight = datetime(2024, 1, 1)  # noqa: DTZ001  # a naive time is as good as any here
    hours = [midnight + timedelta(hours=k) for k in range(3)]
    periods = tuple(Period(str(k), hours[k], hours[k + 1]) for k in range(2))
    p_w = np.zeros((2, nodes))
    p_w[:, 1:4] = [[1e5, 2e5, 1e5], [2e5, 1e5, 1e5]]
    return Demands(periods, p_w, 0.5 * p_w)


if __name__ == "__main__":
    started = time.monotonic()
    warm()
    sys.stdout.write(f"optimiser: every loop is compiled ({time.monotonic() - started:.0f} s)\n")
