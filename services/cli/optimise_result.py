"""The result of ``busbar optimise``: one object for machines, some lines for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from services.gateway.dialects.reconfiguration.schemas import ObjectiveComponent, SolutionViolation
from services.gateway.dialects.reconfiguration.solution_info import solution_info
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import TOTAL_LOSS
from services.optimizer.tasks.packing import unpack
from services.optimizer.tasks.solutions import Session, evaluate_in
from services.optimizer.tasks.values import Bounded, EvaluatedSolution, Weights

KWH_PER_MWH = 1000.0


class OptimisationResult(BaseModel):
    """What was found and how sure that is; lists of periods are in the order of the demands."""

    model_config = ConfigDict(ser_json_inf_nan="strings", frozen=True)

    feasible: bool
    objective: float
    objective_components: list[ObjectiveComponent]
    loss_kw: list[float | None]  # of each period; None where it has no power flow
    loss_kwh: float | None  # of all periods together; None where one has no power flow
    open_lines: list[list[str]]  # ids of lines, in the order of the network, for each period
    bound: float | None
    gap: float | None
    proof: Literal["enumerated", "relaxation", "none"]
    time_to_best_s: float
    time_total_s: float
    trials: int
    trials_per_s: float
    seed: int
    threads: int
    violations: list[SolutionViolation]
    version: str
    network_sha256: str
    demands_sha256: str


@dataclass(frozen=True, slots=True)
class Timing:
    """What a run took, from the moment the documents were read."""

    to_best_s: float
    total_s: float
    trials: int
    seed: int
    threads: int


def result_of(
    session: Session, weights: Weights, best: EvaluatedSolution, bound: Bounded | None, timing: Timing
) -> OptimisationResult:
    """The result of a run that has ended."""
    info = solution_info(
        best.verdict,
        best.objective_values,
        weights,
        is_feasible=best.is_feasible,
        bound=bound.bound if bound else None,
        proof=bound.proof if bound else "none",
    )
    is_open = unpack(best.configuration, len(session.demands.periods), len(session.grid.lines))
    loss_kw = _losses_kw(session, is_open)
    return OptimisationResult(
        feasible=info.is_feasible,
        objective=info.objective_value,
        objective_components=info.objective_components,
        loss_kw=loss_kw,
        loss_kwh=None if None in loss_kw else KWH_PER_MWH * best.objective_values[TOTAL_LOSS],
        open_lines=[[session.grid.lines[line].id for line in np.flatnonzero(opened)] for opened in is_open],
        bound=info.bound,
        gap=info.gap,
        proof=info.proof,
        time_to_best_s=timing.to_best_s,
        time_total_s=timing.total_s,
        trials=timing.trials,
        trials_per_s=timing.trials / timing.total_s,
        seed=timing.seed,
        threads=timing.threads,
        violations=info.violations,
        version=version("busbar"),
        network_sha256=session.provenance["network_sha256"],
        demands_sha256=session.provenance["demands_sha256"],
    )


def text_of(result: OptimisationResult, period_ids: Sequence[str]) -> str:
    """The result as people read it."""
    return "".join(f"{name:<13}{text}\n" for name, text in _lines(result, period_ids))


def _lines(result: OptimisationResult, period_ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield "feasible", "yes" if result.feasible else "no"
    for violation in result.violations:
        yield "violation", f"{violation.name}: {violation.description or ''}"
    yield "objective", f"{result.objective:.9g}"
    yield "bound", "none" if result.bound is None else f"{result.bound:.9g} ({result.proof})"
    yield "gap", "unknown" if result.gap is None else f"{100 * result.gap:.4f} %"
    for period_id, loss_kw, opened in zip(period_ids, result.loss_kw, result.open_lines, strict=True):
        loss = "no power flow" if loss_kw is None else f"loss {loss_kw:.3f} kW"
        yield "period", f"{period_id}: {loss}, open: {', '.join(opened) or 'none'}"
    if result.loss_kwh is not None:
        yield "loss", f"{result.loss_kwh:.3f} kWh"
    yield (
        "time",
        f"{result.time_to_best_s:.2f} s to the best, {result.time_total_s:.2f} s in all, {result.trials} trials",
    )


def _losses_kw(session: Session, is_open: BoolArray) -> list[float | None]:
    """Active loss of each period of (T, L) configurations."""
    flows = evaluate_in(session, is_open).flows
    losses_kw = [math.nan if flow is None else float(flow.loss_w.sum()) / 1e3 for flow in flows]
    return [loss_kw if math.isfinite(loss_kw) else None for loss_kw in losses_kw]
