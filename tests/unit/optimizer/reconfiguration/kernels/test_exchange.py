"""Branch exchanges: what the search makes of one is what the power flow of the whole network says."""

from __future__ import annotations

import numpy as np
import pytest

from services.optimizer.reconfiguration.appraisal import appraise
from services.optimizer.reconfiguration.kernels.exchange import make_exchange, weigh_exchange
from services.optimizer.reconfiguration.kernels.forest import orient, plant
from services.optimizer.reconfiguration.kernels.layout import Forest, Tables
from services.optimizer.reconfiguration.kernels.sweep import FAILED_FLOW
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import ReconfigurationProblem
from services.optimizer.reconfiguration.spanning_trees import is_strictly_radial
from services.optimizer.reconfiguration.tables import empty_forest, empty_room, lay_out
from tests.support.random_problems import Kind, random_problem
from tests.support.seeds import new_seed

KINDS = {
    "one provider": Kind(buses=12, ties=5),
    "three providers": Kind(providers=3, buses=12, ties=6),
    "generation": Kind(providers=2, buses=12, ties=5, generation=0.5),
    "limits and merged lines": Kind(providers=2, buses=12, ties=5, limits=True, merged_lines=True),
    "everything": Kind(providers=3, buses=12, ties=6, limits=True, merged_lines=True, generation=0.3),
}
EXCHANGES = 60


def worth(problem: ReconfigurationProblem, is_open: BoolArray) -> tuple[float, float]:
    appraisal = appraise(problem, is_open[None, :])
    return appraisal.violation_amount, appraisal.objective


def possible_exchanges(tables: Tables, forest: Forest) -> list[tuple[int, int, int, int, int]]:
    """Tie, opened line, inner, outer, cut of every exchange in the only period."""
    found = []
    for tie in np.flatnonzero(forest.is_open[0]).tolist():
        for opened in np.flatnonzero(~forest.is_open[0] & tables.lines["is_switch"]).tolist():
            inner, outer, cut = orient(tables.lines, forest, 0, tie, opened)
            if cut >= 0:
                found.append((tie, opened, inner, outer, cut))
    return found


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_weighing_and_making_exchanges_agrees_with_the_flow_of_the_whole_network(kind: Kind) -> None:
    seed = new_seed("exchanges")
    rng = np.random.default_rng(seed)
    problem, start = random_problem(seed, kind)
    tables = lay_out(problem)
    forest, room = empty_forest(tables), empty_room(tables)
    forest.is_open[0] = start[0]
    plant(tables, forest, room, 0, 1)
    for tick in range(2, EXCHANGES):
        before = worth(problem, forest.is_open[0].copy())
        exchanges = possible_exchanges(tables, forest)
        tie, opened, inner, outer, cut = exchanges[rng.integers(len(exchanges))]
        change = weigh_exchange(tables, forest, room, 0, tie, inner, outer, cut, np.inf)
        make_exchange(tables, forest, room, 0, tie, inner, outer, cut, tick)
        assert forest.is_open[0, opened]
        assert not forest.is_open[0, tie]
        assert is_strictly_radial(problem.network, forest.is_open[0])
        after = worth(problem, forest.is_open[0].copy())
        if max(before[0], after[0]) >= FAILED_FLOW:  # such a flow has no numbers; that it fails is seen all the same
            assert (change[0] >= 0.5 * FAILED_FLOW) == (before[0] < FAILED_FLOW <= after[0])
            assert (change[0] <= -0.5 * FAILED_FLOW) == (after[0] < FAILED_FLOW <= before[0])
            continue
        # The flows are computed to 1e-10 of the injected power; its losses are a few percent of that.
        assert change[0] == pytest.approx(after[0] - before[0], abs=1e-8 * (before[0] + after[0]) + 1e-7)
        assert change[1] == pytest.approx(after[1] - before[1], abs=1e-8 * (before[1] + after[1]))


def test_an_exchange_is_possible_exactly_where_it_leaves_the_network_radial() -> None:
    seed = new_seed("possible exchanges")
    problem, start = random_problem(seed, Kind(providers=2, buses=9, ties=4))
    tables = lay_out(problem)
    forest, room = empty_forest(tables), empty_room(tables)
    forest.is_open[0] = start[0]
    plant(tables, forest, room, 0, 1)
    possible = {(tie, opened) for tie, opened, *_ in possible_exchanges(tables, forest)}
    for tie in np.flatnonzero(start[0]).tolist():
        for opened in np.flatnonzero(~start[0] & problem.network.is_switch).tolist():
            after = start[0].copy()
            after[[tie, opened]] = False, True
            assert ((tie, opened) in possible) == is_strictly_radial(problem.network, after)


def test_an_exchange_that_costs_more_than_allowed_may_be_given_up_but_none_that_costs_less() -> None:
    seed = new_seed("ceilings")
    problem, start = random_problem(seed, Kind(buses=12, ties=5))
    tables = lay_out(problem)
    forest, room = empty_forest(tables), empty_room(tables)
    forest.is_open[0] = start[0]
    plant(tables, forest, room, 0, 1)
    exchanges = possible_exchanges(tables, forest)

    def weigh(tie: int, inner: int, outer: int, cut: int, ceiling: float) -> float:
        return weigh_exchange(tables, forest, room, 0, tie, inner, outer, cut, ceiling)[1]

    exact = [weigh(tie, inner, outer, cut, np.inf) for tie, _, inner, outer, cut in exchanges]
    ceiling = float(np.median(exact))
    for (tie, _, inner, outer, cut), change in zip(exchanges, exact, strict=True):
        given = weigh(tie, inner, outer, cut, ceiling)
        assert given == change or (given == np.inf and change >= ceiling * (1 - 1e-12))
