"""Published systems: the best losses that are known are found, and proven where the number of configurations allows.

Five systems come with the project (``benchmarks/data``); the others are read where they lie beside the checkout.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from benchmarks.case_files import load_case
from benchmarks.systems import System, load_system, system_names
from services.optimizer.documents.demand import read_demands
from services.optimizer.documents.power_grid import read_power_grid
from services.optimizer.documents.switch_settings import read_start_configuration
from services.optimizer.reconfiguration.network import BoolArray, Demands, PowerGrid
from services.optimizer.reconfiguration.optimise import Progress, optimise
from services.optimizer.reconfiguration.reduction import (
    build_problem,
    expand_configuration,
    reduce_configuration,
    reduce_network,
)
from services.optimizer.reconfiguration.repair import make_radial
from shared.objective import DEFAULT_WEIGHTS
from tests.support.brute_force import Switched, is_radial, judge
from tests.support.shared_data import shared_data

ONLY_LOSS = (1e6, 0.0, 0.0, 0.0, 0.0)
LOSS_TOLERANCE_W = 0.1  # losses are published to 1e-4 kW
ENOUGH_PIECES = 1500  # for the hardest of them some 30 are needed
FEW_PIECES = 100


def run(
    grid: PowerGrid,
    demands: Demands,
    start: BoolArray,
    *,
    weights: tuple[float, ...] = ONLY_LOSS,
    before: BoolArray | None = None,
    until: float = -np.inf,
    seed: int = 1,
    limit: int = 0,
    pieces: int = ENOUGH_PIECES,
) -> tuple[Progress, BoolArray]:
    """The last report of a run that ends with a proof, at ``until``, or after many pieces; and the best solution (T, L)."""
    reduction = reduce_network(grid)
    problem = build_problem(reduction, demands, weights, before)
    polls = 0
    best = np.inf

    def should_stop() -> bool:
        nonlocal polls
        polls += 1
        return polls > pieces or best <= until

    found = start
    for progress in optimise(
        problem,
        reduce_configuration(reduction, start),
        seed=seed,
        should_stop=should_stop,
        now=time.monotonic,
        enumeration_limit=limit,
    ):
        if progress.is_open is not None:
            found = expand_configuration(reduction, progress.is_open, None)
        if progress.violation_amount == 0.0:
            best = progress.objective
    return progress, found


@pytest.mark.parametrize("name", system_names())
def test_the_published_loss_and_the_best_known_loss_are_met(name: str) -> None:
    system = load_system(name)
    for seed in range(3):
        target = 1e3 * system.best_loss_kw + LOSS_TOLERANCE_W
        progress, found = run(system.grid, system.demands, system.is_open[None, :], until=target, seed=seed)
        assert progress.objective == pytest.approx(1e3 * system.best_loss_kw, abs=LOSS_TOLERANCE_W)
        assert progress.bound is None or progress.bound <= target
        assert judged_loss_w(system, found[0]) == pytest.approx(progress.objective, rel=1e-8)
    if name in ("civanlar16", "baran33"):
        assert {line.id for line, is_open in zip(system.grid.lines, found[0], strict=True) if is_open} == set(
            system.best_open
        )


@pytest.mark.parametrize("name", ["civanlar16", "baran33"])
def test_small_published_systems_are_proven(name: str) -> None:
    system = load_system(name)
    progress, _ = run(system.grid, system.demands, system.is_open[None, :], limit=100_000)
    assert progress.is_finished
    assert progress.proof == "enumerated"
    assert progress.bound == pytest.approx(1e3 * system.best_loss_kw, abs=LOSS_TOLERANCE_W)


@pytest.mark.parametrize("name", ["taiwan84", "brazil136"])
def test_nothing_is_tuned_to_a_system(name: str) -> None:
    """Ids permuted, loads scaled at random by ±20 % per bus: from any start the same loss is found."""
    system = load_system(name)
    rng = np.random.default_rng(4)
    order = rng.permutation(len(system.grid.lines))
    grid = PowerGrid(name, system.grid.nodes, tuple(system.grid.lines[k] for k in order))
    scale = rng.uniform(0.8, 1.2, len(grid.nodes))
    demands = Demands(system.demands.periods, system.demands.p_w * scale, system.demands.q_var * scale)
    start = system.is_open[None, order]
    losses = [run(grid, demands, start, seed=seed, pieces=FEW_PIECES)[0].objective for seed in range(2)]
    assert losses[0] == pytest.approx(losses[1], abs=LOSS_TOLERANCE_W)


@pytest.mark.parametrize("name", ["simbench_mv_comm", "kraftringen533_hi", "kraftringen533_lo"])
def test_best_known_losses_of_further_systems_are_found(name: str) -> None:
    system = load_case(name, shared_data(f"reconfiguration/{name}.json").parent)
    target = 1e3 * system.best_loss_kw + LOSS_TOLERANCE_W
    for seed in range(3):
        progress, found = run(system.grid, system.demands, system.is_open[None, :], until=target, seed=seed)
        assert progress.objective <= target
        assert judged_loss_w(system, found[0]) == pytest.approx(progress.objective, rel=1e-8)


def judged_loss_w(system: System, is_open: BoolArray) -> float:
    """The loss of a configuration (L,), which must be radial, by a judge that shares nothing with the optimiser."""
    lines, nodes = system.grid.lines, system.grid.nodes
    no_limit = np.full(max(len(lines), len(nodes)), np.inf)
    network = Switched(
        ends=np.array([[line.source, line.target] for line in lines]),
        r=np.array([line.r_ohm for line in lines]),
        x=np.array([line.x_ohm for line in lines]),
        is_switch=np.ones(len(lines), dtype=bool),
        imax=no_limit[: len(lines)],
        vmax=no_limit[: len(lines)],
        price=np.zeros(len(lines)),
        v_source=np.array([node.v_gen_v for node in nodes]),
        p_most=no_limit[: len(nodes)],
        v_low=np.zeros(len(nodes)),
        v_high=no_limit[: len(nodes)],
        p=system.demands.p_w,
        q=system.demands.q_var,
        hours=np.ones(1),
        weights=np.array([1e6, 0.0, 0.0, 0.0]),
        before=None,
    )
    assert is_radial(network, is_open[None, :]).all()
    return float(judge(network, is_open[None, :], 0).loss_w[0])


def published(network: str, demands: str, start: str | None = None) -> tuple[PowerGrid, Demands, BoolArray | None]:
    grid = read_power_grid(shared_data(f"pgo/{network}.json").read_bytes())
    read = read_demands(shared_data(f"pgo/{demands}.json").read_bytes(), grid, allow_unspecified=False)
    if start is None:
        return grid, read, None
    return grid, read, read_start_configuration(shared_data(f"pgo/{start}.json").read_bytes(), grid)


def radial_start(grid: PowerGrid, demands: Demands) -> BoolArray:
    """All switches closed, then made radial, in every period."""
    reduction = reduce_network(grid)
    radial = make_radial(reduction.network, np.zeros(reduction.network.source.size, dtype=bool))
    return np.tile(expand_configuration(reduction, radial, None), (len(demands.periods), 1))


@pytest.mark.parametrize(
    ("network", "demands", "start", "objective", "opened"),
    [
        (
            "baran-wu/baran-wu-modified_network",
            "baran-wu/baran-wu-modified_forecast",
            None,
            1_772_321.607,
            {"switch3", "switch5", "switch6", "switch8", "switch13", "switch14"},
        ),
        (
            "baran-wu/baran-wu-modified_network",
            "baran-wu/baran-wu-modified_forecast-multiperiod",
            None,
            4_064_568.3603,
            None,
        ),
        (
            "baran-wu/baran-wu-modified_network",
            "baran-wu/baran-wu-modified_forecast-multiperiod",
            "baran-wu/baran-wu-modified_startconfig",
            4_064_568.3603,
            None,
        ),
        ("ieee34/ieee34", "ieee34/ieee34_forecast", None, 386_760_370.62, {"line15"}),
    ],
)
def test_optima_of_published_documents_are_found_and_proven(
    network: str, demands: str, start: str | None, objective: float, opened: set[str] | None
) -> None:
    grid, series, before = published(network, demands, start)
    begin = radial_start(grid, series)
    progress, found = run(grid, series, begin, weights=DEFAULT_WEIGHTS, before=before, limit=2_000_000)
    assert progress.objective == pytest.approx(objective, rel=1e-9)
    assert progress.is_finished
    assert progress.bound == pytest.approx(objective, rel=1e-9)
    if opened is not None:
        assert {line.id for line, is_open in zip(grid.lines, found[0], strict=True) if is_open} == opened
