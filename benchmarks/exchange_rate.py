"""Trial exchanges per second: all branch exchanges of a configuration, each as a full AC power flow, by ours and by peers."""

from __future__ import annotations

import itertools

import numpy as np

from benchmarks.cases import Case
from benchmarks.peers import median_seconds, power_grid_model, topology_batch
from benchmarks.report import Row
from services.optimizer.reconfiguration.kernels.exchange import weigh_exchange
from services.optimizer.reconfiguration.kernels.forest import orient, plant
from services.optimizer.reconfiguration.kernels.jit import compiled
from services.optimizer.reconfiguration.kernels.layout import Forest, LongArray, Room, Tables
from services.optimizer.reconfiguration.kernels.sweep import FAILED_FLOW
from services.optimizer.reconfiguration.tables import empty_forest, empty_room, lay_out

MOST_EXCHANGES = 1_000  # drawn where there are more
TARGET = {"brazil136": ">= 50"}


def rate_exchanges(case: Case) -> list[Row]:
    """Rates against a batch of topologies in power-grid-model, and against ``runpp``."""
    tables = lay_out(case.problem)
    forest, room = empty_forest(tables), empty_room(tables)
    forest.is_open[0] = case.start[0]
    plant(tables, forest, room, 0, 1)
    pairs = itertools.product(np.flatnonzero(case.start[0]).tolist(), np.flatnonzero(~case.start[0]).tolist())
    exchanges = [
        (tie, opened, *ends)
        for tie, opened in pairs
        if (ends := orient(tables.lines, forest, 0, tie, opened))[2] >= 0
        # Where no flow is possible the peer would search for one in vain.
        and weigh_exchange(tables, forest, room, 0, tie, *ends, np.inf)[0] < FAILED_FLOW
    ]
    if len(exchanges) > MOST_EXCHANGES:
        drawn = np.random.default_rng(1).choice(len(exchanges), MOST_EXCHANGES, replace=False)
        exchanges = [exchanges[k] for k in drawn.tolist()]

    table = np.array([(tie, *ends) for tie, _, *ends in exchanges])
    _weigh_all(tables, forest, room, table)
    ours_s = median_seconds(lambda: _weigh_all(tables, forest, room, table), 9) / len(exchanges)

    configurations = np.tile(case.system.is_open, (len(exchanges), 1))
    for configuration, (tie, opened, *_) in zip(configurations, exchanges, strict=True):
        configuration[[tie, opened]] = False, True
    model, batch = power_grid_model(case.system), topology_batch(case.system, configurations)
    batch_s = median_seconds(
        lambda: model.calculate_power_flow(update_data=batch, error_tolerance=1e-8, continue_on_batch_error=True), 3
    ) / len(exchanges)
    title = f"{case.name}: trial exchanges, each an AC power flow"
    return [
        Row(
            title,
            f"{1 / ours_s:,.0f}/s",
            f"{peer} {1 / peer_s:,.0f}/s",
            peer_s / ours_s,
            "rate against the peer's; higher is better",
            target,
        )
        for peer, peer_s, target in (
            ("power-grid-model, batch of topologies", batch_s, TARGET.get(case.name, "")),
            ("runpp", case.runpp_s, ""),
        )
    ]


@compiled
def _weigh_all(tables: Tables, forest: Forest, room: Room, exchanges: LongArray) -> None:
    for k in range(exchanges.shape[0]):
        tie, inner, outer, cut = exchanges[k]
        weigh_exchange(tables, forest, room, 0, tie, inner, outer, cut, np.inf)
