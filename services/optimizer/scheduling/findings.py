"""What is wrong with a problem at first sight: limits that contradict each other, jumps that no power can make.

More can be impossible than is found here; but what is found here can be told in the words that it was asked for in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from services.optimizer.scheduling.problem import Device, FloatArray, ScheduleProblem, Stock
from services.optimizer.scheduling.program import coefficient, kept_and_taken

_SLACK = 1e-9  # MW or MWh, and relative


@dataclass(frozen=True)
class Finding:
    """``left <= right`` does not hold, of ``name`` (a device or a stock) in step ``step``. Values are in MW or MWh."""

    step: int
    name: str
    left: str
    left_value: float
    right: str
    right_value: float

    @property
    def text(self) -> str:
        """``left [value] <= right [value]``."""
        return f"{self.left} [{self.left_value:.9g}] <= {self.right} [{self.right_value:.9g}]"


def findings(problem: ScheduleProblem) -> list[Finding]:
    """All findings, the earliest first."""
    found: list[Finding] = []
    for device in problem.devices:
        lower, upper = device.lower_mw, device.upper_mw
        found += _exceeding(device.name, "production-capacity", lower, "consumption-capacity", upper)
    for stock in problem.stocks:
        found += _of_bounds(stock, problem.step_count)
        found += _of_jumps(stock, problem)
    return sorted(found, key=lambda each: each.step)


def _of_bounds(stock: Stock, step_count: int) -> Iterator[Finding]:
    nothing = np.full(step_count, np.nan)
    lower = nothing if stock.lower_mwh is None else stock.lower_mwh
    upper = nothing if stock.upper_mwh is None else stock.upper_mwh
    equal = nothing if stock.equal_mwh is None else stock.equal_mwh
    least, most = np.full(step_count, stock.least_mwh), np.full(step_count, stock.most_mwh)
    if stock.equal_mwh is not None:  # the bounds of a step give way to its target, and are no contradiction to it
        is_free = np.isnan(equal)
        lower, upper = np.where(is_free, lower, np.nan), np.where(is_free, upper, np.nan)
    yield from _exceeding(stock.name, "soc-min", least, "soc-minima", lower)
    yield from _exceeding(stock.name, "soc-minima", lower, "soc-maxima", upper)
    yield from _exceeding(stock.name, "soc-maxima", upper, "soc-max", most)
    yield from _exceeding(stock.name, "soc-min", least, "soc-targets", equal)
    yield from _exceeding(stock.name, "soc-targets", equal, "soc-max", most)


def _of_jumps(stock: Stock, problem: ScheduleProblem) -> Iterator[Finding]:
    """From one end of a step to the next: neither further up nor further down than all members together can bring it."""
    steps = problem.step_count
    equal = np.full(steps, np.nan) if stock.equal_mwh is None else stock.equal_mwh
    low = np.where(np.isnan(equal), -np.inf if stock.lower_mwh is None else stock.lower_mwh, equal)
    high = np.where(np.isnan(equal), np.inf if stock.upper_mwh is None else stock.upper_mwh, equal)
    kept, taken = kept_and_taken(np.ones(steps) if stock.kept is None else stock.kept)
    gain = np.zeros(steps) if stock.gain_mw is None else stock.gain_mw
    members = [problem.devices[d] for d in stock.members]
    most = taken * problem.step_h * (gain + sum(_inflow(each, each.upper_mw) for each in members))
    least = taken * problem.step_h * (gain + sum(_inflow(each, each.lower_mw) for each in members))
    reachable_high = np.append(np.inf, _kept_of(kept[1:], high[:-1]) + most[1:])
    reachable_low = np.append(-np.inf, _kept_of(kept[1:], low[:-1]) + least[1:])
    for left, right, is_meant in (
        ("soc-minima", "soc-maxima", np.isnan(equal)),
        ("soc-targets", "soc-targets", ~np.isnan(equal)),
    ):
        wanted, allowed = np.where(is_meant, low, np.nan), np.where(is_meant, high, np.nan)
        yield from _exceeding(stock.name, left, wanted, "most that can be reached in this step", reachable_high)
        yield from _exceeding(stock.name, "least that can be reached in this step", reachable_low, right, allowed)


def _kept_of(kept: FloatArray, level_mwh: FloatArray) -> FloatArray:
    """What is left of a level; of one without a bound nothing is left either where nothing is kept."""
    return kept * np.where(kept > 0.0, level_mwh, 0.0)


def _inflow(device: Device, power_mw: FloatArray) -> FloatArray:
    return power_mw * coefficient(device, power_mw)


def _exceeding(name: str, left: str, left_value: FloatArray, right: str, right_value: FloatArray) -> Iterator[Finding]:
    """Where the left exceeds the right, NaN never does."""
    with np.errstate(invalid="ignore"):
        slack = _SLACK * np.maximum(1.0, np.abs(np.where(np.isfinite(right_value), right_value, 0.0)))
        exceeds = left_value > right_value + slack
    for step in np.flatnonzero(exceeds):
        yield Finding(int(step), name, left, float(left_value[step]), right, float(right_value[step]))
