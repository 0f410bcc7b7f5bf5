"""Schedules: time of assembling and solving, against the bare solver on the same program and a model written with pyomo."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import highspy
import pyomo.environ as pyo

from benchmarks.cases import is_quick
from benchmarks.peers import median_seconds
from benchmarks.report import Row
from benchmarks.synthetic_sites import site
from services.optimizer.scheduling.problem import ScheduleProblem
from services.optimizer.scheduling.program import Program, assemble
from services.optimizer.scheduling.reduction import reduce_problem
from services.optimizer.scheduling.solver import solve
from tests.unit.optimizer.scheduling.independent_model import OPTIONS, model_of

PEER_S = 30.0  # a model that has not been solved by then is not waited for
REPETITIONS = 5


@dataclass(frozen=True)
class Size:
    """A site to be scheduled, and how long that may take."""

    name: str
    devices: int
    steps: int
    most_ms: float


SIZES = (
    Size("battery, a day of 96 steps", 1, 96, 10.0),
    Size("10 devices, a day of 96 steps", 10, 96, 100.0),
    Size("50 devices, a day of 96 steps", 50, 96, 300.0),
    Size("10 devices, a week of 672 steps", 10, 672, 1_000.0),
)


def run() -> Sequence[Row]:
    """All sizes, or the smallest."""
    sizes = SIZES[:1] if is_quick() else SIZES
    return [row for size in sizes for row in _rows(size)]


def _rows(size: Size) -> list[Row]:
    problem = site(size.devices, size.steps, 0.25)
    solution = solve(problem)
    ours_s = median_seconds(lambda: solve(problem), REPETITIONS)
    program = assemble(problem, reduce_problem(problem))
    assembling_s = median_seconds(lambda: assemble(problem, reduce_problem(problem)), REPETITIONS)
    floor_s = median_seconds(lambda: _solve_bare(program), REPETITIONS)
    peer_s, cost = _peer(problem)
    target = f"<= {size.most_ms:g} ms"
    peer = (
        f"pyomo with HiGHS {peer_s:.2f} s" if cost is not None else f"pyomo with HiGHS, unfinished after {peer_s:.0f} s"
    )
    rows = [
        Row(
            f"{size.name}: whole",
            _ms(ours_s),
            f"HiGHS alone {_ms(floor_s)}",
            ours_s / floor_s,
            "time; lower is better",
            target,
        ),
        Row(
            f"{size.name}: assembling",
            _ms(assembling_s),
            f"HiGHS alone {_ms(floor_s)}",
            assembling_s / floor_s,
            "time; lower is better",
        ),
        Row(
            f"{size.name}: whole",
            _ms(ours_s),
            peer,
            peer_s / ours_s,
            "how often ours fits into the peer's; higher is better",
        ),
    ]
    if cost is not None:
        difference = abs(solution.objective - cost) / abs(cost)
        rows.append(
            Row(
                f"{size.name}: cost",
                f"{solution.objective:.6f}",
                f"pyomo {cost:.6f}",
                difference,
                "relative difference; lower is better",
                "<= 1e-6",
            )
        )
    return rows


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.1f} ms"


def _solve_bare(program: Program) -> None:
    """The same program without our scaling, options and reading of the result: what the time of solving cannot be below."""
    solver = highspy.Highs()
    for name, value in (("output_flag", False), ("threads", 1)):
        solver.setOptionValue(name, value)
    matrix = program.matrix
    solver.passModel(
        len(program.cost),
        len(program.row_lower),
        len(matrix.value),
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        program.cost,
        program.lower,
        program.upper,
        program.row_lower,
        program.row_upper,
        matrix.start,
        matrix.index,
        matrix.value,
        (0 * program.cost).astype("int32"),
    )
    solver.run()


def _peer(problem: ScheduleProblem) -> tuple[float, float | None]:
    """Seconds of building and solving the pyomo model, and its least cost if it was found."""
    began = time.perf_counter()
    solver = pyo.SolverFactory("appsi_highs")
    solver.highs_options = {**OPTIONS, "presolve": "on", "time_limit": PEER_S}
    result = solver.solve(model_of(problem), load_solutions=False)
    spent = time.perf_counter() - began
    is_solved = result.solver.termination_condition == pyo.TerminationCondition.optimal
    return spent, float(result.problem.upper_bound) if is_solved else None
