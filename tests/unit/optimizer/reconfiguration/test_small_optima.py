"""Optima of small sessions with transformers, faults and priced switches over several periods, known by looking at everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice

import numpy as np
import pytest

from services.optimizer.reconfiguration.network import BoolArray, FloatArray
from services.optimizer.reconfiguration.optimise import optimise
from services.optimizer.reconfiguration.problem import SWITCHING
from services.optimizer.reconfiguration.reduction import (
    build_problem,
    expand_configuration,
    reduce_configuration,
    reduce_network,
)
from shared.objective import weighted_sum
from tests.support.random_sessions import SmallSession, small_session
from tests.support.seeds import new_seed
from tests.support.slow_evaluator import judge
from tests.support.slow_grid import every_good_configuration

MOST_SWITCHES = 9
WEIGHTS = (1e6, 1.0, 0.1, 3.0, 2.0)  # so that every objective has a say
MOST_CHOICES = 40
LOOKS = 60
SESSIONS = 4


def small(seed: int) -> SmallSession | None:
    """A session without limits and with few switches, each of which costs something; None where it has too few choices."""
    session = small_session(seed)
    rng = np.random.default_rng(seed)
    nodes = tuple(replace(node, v_min_v=0.0, v_max_v=np.inf, p_gen_max_w=np.inf) for node in session.grid.nodes)
    lines = tuple(
        replace(
            line,
            vmax_v=np.inf,
            is_switch=line.is_switch and (line.is_breaker or bool(rng.random() < 0.6)),
            switching_cost=abs(line.switching_cost),
        )
        for line in session.grid.lines
    )
    grid = replace(session.grid, nodes=nodes, lines=lines)
    start = None if session.start is None else session.start & grid.is_switch
    network = reduce_network(grid).network
    return (
        SmallSession(grid, session.demands, start, session.solution)
        if network.is_switch.sum() <= MOST_SWITCHES
        else None
    )


def best_objective(session: SmallSession, choices: list[BoolArray]) -> float:
    """The lowest of all sequences of these configurations."""
    grid, demands = session.grid, session.demands
    periods = len(demands.periods)
    price = WEIGHTS[SWITCHING] * np.array([line.switching_cost for line in grid.lines])
    alone: FloatArray = np.zeros((periods, len(choices)))
    for k, choice in enumerate(choices):
        worth = judge(grid, demands, np.tile(choice, (periods, 1)), choice)
        assert not worth.violated
        alone[:, k] = [weighted_sum(WEIGHTS, values.tolist()) for values in worth.by_period]
    moves = np.array([[(one ^ other) @ price for other in choices] for one in choices])
    first = np.zeros(len(choices)) if session.start is None else [(session.start ^ one) @ price for one in choices]
    best = alone[0] + first
    for period in range(1, periods):
        best = alone[period] + (best[:, None] + moves).min(axis=0)  # over whatever came before
    return float(best.min())


def run(session: SmallSession, begin: BoolArray) -> tuple[float, BoolArray]:
    """Objective and configurations (T, L) that a run finds from one configuration (L,) in every period."""
    reduction = reduce_network(session.grid)
    problem = build_problem(reduction, session.demands, WEIGHTS, session.start)
    found = start = reduce_configuration(reduction, np.tile(begin, (len(session.demands.periods), 1)))
    looks = iter(range(LOOKS))
    for progress in optimise(problem, start, seed=1, should_stop=lambda: next(looks, None) is None, now=lambda: 0.0):
        found = found if progress.is_open is None else progress.is_open
    return progress.objective, expand_configuration(reduction, found, session.start)


def few_choices(seed: int) -> Iterator[tuple[SmallSession, list[BoolArray]]]:
    """Sessions with the few radial configurations that each has."""
    for number in count():
        session = small(seed + number)
        choices = [] if session is None else list(every_good_configuration(session.grid))
        if session is not None and 2 <= len(choices) <= MOST_CHOICES:
            if session.start is not None:  # switches that lead nowhere stay as they are
                leads_nowhere = reduce_network(session.grid).reduced_line_of_line < 0
                choices = [np.where(leads_nowhere, session.start, choice) for choice in choices]
            yield session, choices


def test_runs_find_the_best_of_all_sequences() -> None:
    for session, choices in islice(few_choices(new_seed("optima")), SESSIONS):
        best = best_objective(session, choices)
        objective, configurations = run(session, choices[-1])
        assert objective == pytest.approx(best, rel=1e-9)
        slow = judge(session.grid, session.demands, configurations, session.start)
        assert weighted_sum(WEIGHTS, slow.values.tolist()) == pytest.approx(best, rel=1e-9)
