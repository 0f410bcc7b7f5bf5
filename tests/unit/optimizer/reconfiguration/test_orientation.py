"""Networks whose transformers, with two windings or three, can be fed from few sides: trying every setting of the switches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.optimizer.reconfiguration.connectivity import connectivity_status
from services.optimizer.reconfiguration.network import (
    Line,
    PowerGrid,
    Transformer,
    TransformerMode,
    TransformerOperation,
    with_transformer_buses,
)
from services.optimizer.reconfiguration.reduction import reduce_configuration, reduce_network
from services.optimizer.reconfiguration.repair import NotRadial, make_radial
from services.optimizer.reconfiguration.topology import grow_trees
from tests.support.random_sessions import small_session
from tests.support.seeds import new_seed
from tests.support.slow_grid import every_good_configuration

MOST_SWITCHES = 10
TIES = 4
NETWORKS = 30


def one_way_network(rng: np.random.Generator, seed: int) -> PowerGrid:
    """A random grid with fewer switches, ties between any nodes, and each transformer fed through one terminal or a few."""
    grid = small_session(seed).grid
    lines = [
        replace(line, is_switch=line.is_switch and bool(rng.random() < 0.5), is_breaker=False)
        for line in grid.document_lines
    ]
    for k in range(TIES):
        source, target = rng.choice(len(grid.document_nodes), 2, replace=False).tolist()
        lines.append(Line(f"tie{k}", source, target, 1.0, is_switch=True))

    def fed_at_one(transformer: Transformer) -> Transformer:
        hub = int(rng.choice(transformer.terminals))
        modes = tuple(
            TransformerMode(hub, end, TransformerOperation.FIXED_RATIO, 1.0, is_bidirectional=bool(rng.random() < 0.3))
            for end in transformer.terminals
            if end != hub
        )
        return replace(transformer, modes=modes)

    transformers = tuple(fed_at_one(transformer) for transformer in grid.transformers)
    return with_transformer_buses("one-way", grid.document_nodes, tuple(lines), transformers)


def test_connectivity_and_repair_find_a_good_configuration_where_there_is_one() -> None:
    seed = new_seed("one-way")
    rng = np.random.default_rng(seed)
    seen: list[str] = []
    for number in range(NETWORKS):
        grid = one_way_network(rng, seed + number)
        reduction = reduce_network(grid)
        network = reduction.network
        if network.is_switch.sum() > MOST_SWITCHES:
            continue
        good = [reduce_configuration(reduction, is_open) for is_open in every_good_configuration(grid)]
        status = connectivity_status(grid, reduction)
        assert status.unconnectable_buses is None
        assert status.ok == bool(good)
        seen.append("ok" if status.ok else "cycle" if status.unbreakable_cycle else "transformers")
        before = network.is_switch & (rng.random(network.source.size) < 0.4)
        try:
            radial = make_radial(network, before)
        except NotRadial:
            assert not good
            continue
        trees = grow_trees(network, radial)
        assert trees.allow_flow
        assert trees.is_supplied.all()
        assert any((radial == one).all() for one in good)
    assert {"ok", "transformers"} <= set(seen)
