"""Test systems as problems of the optimiser, copies of them that nobody has seen, and runs of the optimiser on both."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.case_files import BEST_KNOWN, VARIABLE, cases_folder, load_case
from benchmarks.peers import pandapower_net, runpp_seconds
from benchmarks.systems import System, load_system, system_names
from services.optimizer.reconfiguration.network import BoolArray, Demands, FloatArray, Line, PowerGrid
from services.optimizer.reconfiguration.optimise import Progress, optimise
from services.optimizer.reconfiguration.problem import ReconfigurationProblem
from services.optimizer.reconfiguration.reduction import build_problem, reduce_configuration, reduce_network

ONLY_LOSS = (1e6, 0.0, 0.0, 0.0, 0.0)
LOADS = 0.2  # by which the loads of a copy differ
QUICK = "BENCHMARK_QUICK"  # an environment variable: to see whether a benchmark works


def is_quick() -> bool:
    """Whether it is only asked if a benchmark works."""
    return bool(os.environ.get(QUICK))


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    seeds: int = 20
    patience_s: float = 5.0  # a seed that has not found the best loss by then counts as failed
    settling_s: float = 5.0  # after which the best loss of a copy, over all seeds, is taken as found
    copies: int = 2  # of each system
    proof_s: float = 120.0
    long_proof_s: float = 600.0  # of systems with 400 buses and more
    city_s: float = 30.0


def effort() -> Effort:
    """All of it, or little where ``BENCHMARK_QUICK`` is set."""
    if not is_quick():
        return Effort()
    return Effort(seeds=3, patience_s=0.5, settling_s=0.3, copies=1, proof_s=2.0, long_proof_s=2.0, city_s=2.0)


@dataclass(frozen=True)
class Case:
    """A system ready to be optimised."""

    system: System
    problem: ReconfigurationProblem
    start: BoolArray  # (T, m)
    runpp_s: float  # of one pandapower ``runpp`` of the configuration given

    @property
    def name(self) -> str:
        """The system's."""
        return self.system.name


def prepare(system: System, weights: tuple[float, ...] = ONLY_LOSS) -> Case:
    """A system as a problem; the configuration given stands in every period."""
    reduction = reduce_network(system.grid)
    start = np.tile(system.is_open, (len(system.demands.periods), 1))
    return Case(
        system=system,
        problem=build_problem(reduction, system.demands, weights, None),
        start=reduce_configuration(reduction, start),
        runpp_s=runpp_seconds(pandapower_net(system)),
    )


def all_systems() -> tuple[list[System], list[str]]:
    """The systems of the project and those of a folder of case files; and what to say of those that are missing."""
    systems = [load_system(name) for name in system_names()]
    folder = cases_folder()
    if folder is None:
        return systems, [f"further systems: --cases FOLDER or {VARIABLE} names none"]
    known = {system.name for system in systems}
    names = sorted(path.stem for path in folder.glob("*.json") if path.name != BEST_KNOWN)
    return systems + [load_case(name, folder) for name in names if name not in known], []


def copied(system: System, seed: int) -> System:
    """The system as the optimiser has not seen it: buses and lines permuted and renamed, every load scaled at random."""
    rng = np.random.default_rng(seed)
    nodes, lines = rng.permutation(len(system.grid.nodes)), rng.permutation(len(system.grid.lines))
    place = np.argsort(nodes)

    def renamed(line: Line, position: int) -> Line:
        ends = [int(place[line.source]), int(place[line.target])]
        rng.shuffle(ends)
        return replace(line, id=f"l{position}", source=ends[0], target=ends[1])

    grid = PowerGrid(
        system.name,
        tuple(replace(system.grid.nodes[k], id=f"n{position}") for position, k in enumerate(nodes.tolist())),
        tuple(renamed(system.grid.lines[k], position) for position, k in enumerate(lines.tolist())),
    )
    scale = rng.uniform(1.0 - LOADS, 1.0 + LOADS, nodes.size)
    demands = Demands(
        system.demands.periods, system.demands.p_w[:, nodes] * scale, system.demands.q_var[:, nodes] * scale
    )
    return replace(
        system,
        name=f"{system.name}, copy {seed}",
        grid=grid,
        demands=demands,
        is_open=system.is_open[lines],
        best_loss_kw=np.nan,
        best_open=(),
    )


def run_of(
    case: Case, start: BoolArray, *, seed: int, seconds: float, until: float = -np.inf
) -> Iterator[tuple[float, Progress]]:
    """What a default run reports and when [s of processor time, all threads]; it ends with a proof, at a loss, or after some time."""
    began = time.process_time()
    for progress in optimise(
        case.problem,
        start,
        seed=seed,
        should_stop=lambda: time.process_time() - began > seconds,
        now=time.process_time,
    ):
        yield time.process_time() - began, progress
        if progress.objective <= until:
            return


def time_to(course: list[tuple[float, float]], target: float) -> float:
    """When a course of (time, objective) has come down to a target; inf if never."""
    return next((seconds for seconds, objective in course if objective <= target), np.inf)


def quantile(times: FloatArray, share: float) -> float:
    """The time that this share of them keeps."""
    return float(np.sort(times)[max(int(np.ceil(share * times.size)) - 1, 0)])
