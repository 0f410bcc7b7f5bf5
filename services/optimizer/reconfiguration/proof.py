"""Whether the best of all strictly radial solutions is known to be the best of all feasible ones.

A solution may leave buses without demand dark, and then it is feasible without being strictly radial. Here are sufficient
conditions under which each feasible solution X can be made strictly radial without harm, by closing switches to its dark
buses. That changes neither a flow nor a current, and no voltage of a bus that has supply already. What it can change:

* Limits. A bus that gets supply, and a line to it, must keep theirs. Nothing flows there, so that the bus has the voltage
  of the bus that supplies it, and this the one of a provider or of a bus with demand behind it.
* Switching. Let prices be non-negative, every set of closed lines between dark buses be without cycles, and the start be
  strictly radial or absent. Build Y(t) by adding to the closed lines of X(t) lines that Y(t - 1) has closed until it
  supplies every bus (the exchange property of spanning trees; without a start begin with lines that X closes next). A
  line that Y opens later than X is paid for once by either, a line that Y closes is closed by X at the same time, and so
  Y never pays more.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import SWITCHING, ReconfigurationProblem
from services.optimizer.reconfiguration.spanning_trees import SwitchGraph, contract, is_strictly_radial


def proof_applies(problem: ReconfigurationProblem) -> bool:
    """Whether an optimum over strictly radial solutions is one over all feasible solutions."""
    graph = contract(problem.network)
    can_be_dark = _can_be_dark(problem, graph)
    if not can_be_dark.any():
        return True
    return _keeps_limits(problem, can_be_dark) and _pays_no_more(problem, graph, can_be_dark)


def may_be_relaxed(problem: ReconfigurationProblem) -> bool:
    """Whether a lower bound on strictly radial solutions is one on all feasible solutions.

    Interruptions cost less where fewer buses have supply, which is no part of the argument above.
    """
    if problem.interruptions is None:
        return proof_applies(problem)
    return not _can_be_dark(problem, contract(problem.network)).any()


def _can_be_dark(problem: ReconfigurationProblem, graph: SwitchGraph) -> BoolArray:
    """(T, n) buses that no line without a switch ties to demand or to a provider."""
    can_be_dark: BoolArray = np.empty(problem.p_w.shape, dtype=np.bool_)
    for period in range(problem.hours.size):
        wants_supply = (problem.p_w[period] != 0.0) | (problem.q_var[period] != 0.0) | problem.network.is_provider
        is_held = np.zeros(graph.vertex_count, dtype=np.bool_)
        is_held[graph.vertex_of_bus[wants_supply]] = True
        can_be_dark[period] = ~is_held[graph.vertex_of_bus]
    return can_be_dark


def _keeps_limits(problem: ReconfigurationProblem, can_be_dark: BoolArray) -> bool:
    """Whether buses that may be dark, and the lines to them, keep their voltage limits whenever all others do."""
    network = problem.network
    is_consumer_load = (problem.p_w >= 0.0).all() and (problem.q_var >= 0.0).all() and (network.x_ohm >= 0.0).all()
    # Without generation voltages fall along every line: none is above the highest provider, and none of those that
    # matter below the lowest limit of a bus with demand.
    highest = float(network.v_gen_v[network.is_provider].max()) if is_consumer_load else np.inf
    at_risk: BoolArray = np.logical_or.reduce(can_be_dark, axis=0)
    if (network.v_max_v[at_risk] < highest).any():
        return False
    line_of_part = np.repeat(np.arange(network.source.size), np.diff(network.part_start))
    touches_line = at_risk[network.source] | at_risk[network.target]
    if (network.part_vmax_v[touches_line[line_of_part]] < highest).any():
        return False
    for period, dark in enumerate(can_be_dark):
        if not (network.v_min_v[dark] > 0.0).any():
            continue
        has_demand = ((problem.p_w[period] != 0.0) | (problem.q_var[period] != 0.0)) & ~network.is_provider
        lowest = min(network.v_gen_v[network.is_provider].min(), network.v_min_v[has_demand].min(initial=np.inf))
        if not is_consumer_load or (network.v_min_v[dark] > lowest).any():
            return False
    return True


def _pays_no_more(problem: ReconfigurationProblem, graph: SwitchGraph, can_be_dark: BoolArray) -> bool:
    """Whether supplying dark buses need not cost more switching."""
    network = problem.network
    price = network.switching_cost * problem.weights[SWITCHING]
    if not price.any() or (problem.start_open is None and len(can_be_dark) == 1):
        return True
    if (price < 0.0).any():
        return False
    if problem.start_open is not None and not is_strictly_radial(network, problem.start_open):
        return False
    return all(not _has_cycle(graph, network.is_switch, dark) for dark in can_be_dark)


def _has_cycle(graph: SwitchGraph, is_switch: BoolArray, dark: BoolArray) -> bool:
    """Whether the switchable lines between dark buses (n,) contain a cycle."""
    is_dark = np.zeros(graph.vertex_count, dtype=np.bool_)
    is_dark[graph.vertex_of_bus[dark]] = True
    inside = is_switch & is_dark[graph.source] & is_dark[graph.target]
    ends = coo_array(
        (np.ones(int(inside.sum())), (graph.source[inside], graph.target[inside])),
        shape=(graph.vertex_count, graph.vertex_count),
    )
    components, _ = connected_components(ends, directed=False)
    return int(inside.sum()) > graph.vertex_count - int(components)
