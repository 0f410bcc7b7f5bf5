"""Tells a customer which hard constraints contradict each other, and when."""

from __future__ import annotations

from services.optimizer.scheduling.building.errors import ConstraintsContradict
from services.optimizer.scheduling.building.window import Window
from services.optimizer.scheduling.findings import Finding, findings
from services.optimizer.scheduling.problem import ScheduleProblem

# A job's message stays readable; more of the same tells nothing new.
_MAX_LINES = 50


def refuse_contradictions(problem: ScheduleProblem, window: Window) -> None:
    """Ends the planning where constraints contradict each other at first sight.

    Raises:
        ConstraintsContradict: with a line for each finding.
    """
    found = findings(problem)
    if not found:
        return
    stocks = {stock.name for stock in problem.stocks}
    lines = [_line(one, one.name in stocks, window) for one in found[:_MAX_LINES]]
    if len(found) > _MAX_LINES:
        lines.append(f"… and {len(found) - _MAX_LINES} more.")
    raise ConstraintsContradict(tuple(lines))


def _line(finding: Finding, is_of_stock: bool, window: Window) -> str:
    """A power is about a step, which is named by its start; a state of charge is one at the step's end."""
    moment = window.moment(finding.step + 1 if is_of_stock else finding.step)
    return f"t={moment} | {finding.text} ({finding.name})"
