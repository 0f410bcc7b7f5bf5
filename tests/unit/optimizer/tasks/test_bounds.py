"""A bound is one against every configuration of the grid: also those that the search leaves out because buses stay dark,
because switches lead nowhere, or because dark lines form loops.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from services.optimizer.reconfiguration.network import BoolArray, Demands, FloatArray
from services.optimizer.tasks import runs, sessions
from services.optimizer.tasks.solutions import Session, evaluate_in, rank_of, read_session
from services.optimizer.tasks.values import Bounded, Improved, NewSession, RunJob, SessionInput, Started, Weights
from tests.support.feeders import Document, Feeder, consumer, demands, line, network, provider, start_configuration
from tests.support.seeds import new_seed
from tests.unit.optimizer.tasks.documents import session_input
from tests.unit.optimizer.tasks.test_runs import Line

WEIGHTS: Weights = (1_000_000.0, 1000.0, 1.0, 0.002, 1.0)
MOST_SWITCHES = 6
# The search and the evaluation stop their power flows at slightly different rounds.
TOLERANCE = 1e-7


def small_feeder(rng: np.random.Generator) -> Feeder:
    """A grid with a handful of switches: loads that come and go, dead ends, limits, and prices of either sign."""
    providers, others = int(rng.integers(1, 3)), int(rng.integers(2, 6))
    nodes: list[Document] = [provider(f"G{k}", v_gen=10.0 + 0.2 * k) for k in range(providers)]
    for k in range(others):
        limits = {"v_min": float(rng.choice([9.0, 9.6, 9.9]))} if rng.random() < 0.3 else {}
        is_consumer = rng.random() < 0.7
        nodes.append(consumer(f"N{k}", **limits) if is_consumer else {"id": f"N{k}", "type": "transition"})
    names = [node["id"] for node in nodes]
    ends = [(int(rng.integers(0, k)), k) for k in range(providers, len(names))]
    ends += [(int(a), int(b)) for a, b in (rng.choice(len(names), 2, replace=False) for _ in range(3))]
    lines: list[Document] = []
    for k, (a, b) in enumerate(ends):
        is_switch = (rng.random() < 0.7 or k >= others) and sum(each["switchable"] for each in lines) < MOST_SWITCHES
        more: dict[str, float] = {"imax": float(rng.uniform(10, 80))} if rng.random() < 0.3 else {}
        if is_switch:
            more["switching_cost"] = float(rng.choice([-1, 0, 1, 1, 5]) * rng.uniform(1e6, 2e7))
        if rng.random() < 0.15:
            more["vmax"] = float(rng.choice([9.9, 10.2, 11.0]))
        lines.append(line(f"L{k}", names[a], names[b], r=float(rng.uniform(0.2, 3)), switchable=is_switch, **more))
    periods = int(rng.integers(1, 4))
    given = demands({node["id"]: (0.0, 0.0) for node in nodes if node["type"] == "consumer"}, periods)
    for load in given["loads"]:
        p = rng.uniform(0.05, 0.6, periods) * (rng.random() < 0.7) * (rng.random(periods) < 0.8)
        load["p_loads"], load["q_loads"] = p.tolist(), (p * rng.uniform(-0.3, 0.6)).tolist()
    start = {each["id"]: bool(rng.random() < 0.4) for each in lines if each["switchable"]}
    return Feeder(network(nodes, lines), given, start_configuration(start))


def least_objective(session: Session) -> float:
    """The lowest objective of all feasible solutions, from the evaluation of every configuration in every period."""
    grid, periods = session.grid, session.demands
    switches = np.flatnonzero(grid.is_switch)
    configurations: BoolArray = np.zeros((2**switches.size, len(grid.lines)), dtype=bool)
    configurations[:, switches] = list(product([False, True], repeat=switches.size))
    moved = configurations[:, None, :] ^ configurations[None, :, :]
    price: FloatArray = WEIGHTS[3] * (moved * grid.switching_cost).sum(axis=2)
    least = np.zeros(len(configurations))
    if session.start is not None:
        least = price[(configurations == session.start).all(axis=1)][0]
    for t, period in enumerate(periods.periods):
        alone = Session(
            grid,
            session.reduction,
            Demands((period,), periods.p_w[t : t + 1], periods.q_var[t : t + 1]),
            start=None,
            provenance={},
        )
        ranks = [rank_of(evaluate_in(alone, each[None, :]).verdict, WEIGHTS) for each in configurations]
        if t > 0:
            least = (least[:, None] + price).min(axis=0)
        least = least + [rank.objective if rank.is_feasible else math.inf for rank in ranks]
    return float(least.min())


def drawn_sessions(rng: np.random.Generator, count: int) -> list[tuple[SessionInput, NewSession]]:
    """Sessions that can be made: the grid can be radial, the demand be met."""
    drawn: list[tuple[SessionInput, NewSession]] = []
    while len(drawn) < count:
        given = session_input(small_feeder(rng), with_start=bool(rng.random() < 0.6))
        made = sessions.create(given)
        if isinstance(made, NewSession):
            drawn.append((given, made))
    return drawn


def test_no_configuration_of_the_grid_is_better_than_a_proven_bound() -> None:
    rng = np.random.default_rng(new_seed("bounds"))
    proven = 0
    for given, made in drawn_sessions(rng, 20):
        found = Line(seconds=0.3)
        runs.optimise(
            found,
            RunJob(
                given, WEIGHTS, seed=1, start=None, best=made.best.rank(WEIGHTS), enumeration_limit=10**6, threads=1
            ),
        )
        ranks = [message.solution.rank(WEIGHTS) for message in found.sent if isinstance(message, (Started, Improved))]
        least = least_objective(read_session(given))
        slack = TOLERANCE * abs(least) if math.isfinite(least) else 0.0
        assert all(rank.objective >= least - slack for rank in ranks if rank.is_feasible), given
        for message in found.sent:
            if isinstance(message, Bounded):
                assert message.bound <= least + slack, given
                assert not message.is_optimal or message.bound >= least - slack, given
                proven += message.is_optimal
    assert proven > 0
