"""Which limit it is that no schedule keeps: all limits are made wishes with a price, and the cheapest schedule tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from services.optimizer.scheduling.costs import deviations
from services.optimizer.scheduling.errors import Infeasible
from services.optimizer.scheduling.problem import (
    Commitment,
    Coupling,
    FloatArray,
    Flow,
    Kind,
    Level,
    Limit,
    ScheduleProblem,
    Stock,
)

_LIMIT_PRICE = 1000.0  # a level gives way before a connection does: it is what a customer can change
_TOLERANCE = 1e-7  # MW or MWh
Schedule = tuple[FloatArray, FloatArray]  # powers (D, N), levels (G, N + 1)


def culprit(problem: ScheduleProblem, schedule_of: Callable[[ScheduleProblem], Schedule | None]) -> Infeasible:
    """The first step in which a limit of an infeasible problem is missed by the schedule that misses limits by least.

    ``schedule_of`` solves a problem; None if that is infeasible too.
    """
    for coupling in problem.couplings:
        torn = _torn(coupling, problem)
        if torn.any():
            return Infeasible(coupling.name, int(np.argmax(torn)))
    wishes = (*_wishes_of_stocks(problem.stocks), *_wishes_of_limits(problem.limits))
    schedule = schedule_of(_softened(problem, wishes))
    first: Infeasible | None = None
    for wish in wishes:
        if schedule is None:
            break
        above, below = deviations(wish, *schedule)
        missed = ((above > _TOLERANCE) & (wish.prices()[0] > 0.0)) | ((below < -_TOLERANCE) & (wish.prices()[1] < 0.0))
        if missed.any() and (first is None or np.argmax(missed) < first.step):
            first = Infeasible(wish.name, int(np.argmax(missed)))
    if first is not None:
        return first
    names = [each.name for each in problem.couplings] + [d.name for d in problem.devices if d.bands]
    return Infeasible(" or ".join(names or ["all limits"]), 0)


def _torn(coupling: Coupling, problem: ScheduleProblem) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """(N,) where no flow suits all devices of a coupling."""
    lower, upper = np.full(problem.step_count, -np.inf), np.full(problem.step_count, np.inf)
    for d, coefficient in zip(coupling.devices, coupling.coefficients, strict=True):
        ends = problem.devices[d].lower_mw / coefficient, problem.devices[d].upper_mw / coefficient
        lower, upper = np.maximum(lower, np.minimum(*ends)), np.minimum(upper, np.maximum(*ends))
    return lower > upper + _TOLERANCE


def _softened(problem: ScheduleProblem, wishes: tuple[Commitment, ...]) -> ScheduleProblem:
    stocks = tuple(replace(each, lower_mwh=None, upper_mwh=None, equal_mwh=None) for each in problem.stocks)
    return replace(problem, stocks=stocks, limits=(), commitments=wishes)


def _wishes_of_stocks(stocks: tuple[Stock, ...]) -> Iterator[Commitment]:
    for g, stock in enumerate(stocks):
        equal = stock.equal_mwh
        if equal is not None:
            yield from _wishes(stock.name, Level(g), equal, equal, 1.0)
        for lower, upper in ((stock.lower_mwh, None), (None, stock.upper_mwh)):
            edge = lower if lower is not None else upper
            if edge is not None:
                bound = edge if equal is None else np.where(np.isnan(equal), edge, np.nan)
                yield from _wishes(
                    stock.name, Level(g), bound if upper is None else None, bound if lower is None else None, 1.0
                )


def _wishes_of_limits(limits: tuple[Limit, ...]) -> Iterator[Commitment]:
    for limit in limits:
        yield from _wishes(limit.name, Flow(limit.devices), limit.lower_mw, limit.upper_mw, _LIMIT_PRICE)


def _wishes(
    name: str, over: Flow | Level, lower: FloatArray | None, upper: FloatArray | None, price: float
) -> Iterator[Commitment]:
    """A price on being below the lower and above the upper edge (N,), where there are such."""
    if lower is not None:
        edge = np.where(np.isfinite(lower), lower, np.nan)
        yield Commitment(name, Kind.EACH, over, edge, down_price=np.full_like(lower, -price))
    if upper is not None:
        edge = np.where(np.isfinite(upper), upper, np.nan)
        yield Commitment(name, Kind.EACH, over, edge, up_price=np.full_like(upper, price))
