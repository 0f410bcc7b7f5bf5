"""Whether breakers and switches stand between the providers and every line that can fault, as the interruption cost supposes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from services.optimizer.reconfiguration.kernels.trees import incidence
from services.optimizer.reconfiguration.network import BusKind, Line, PowerGrid
from services.optimizer.reconfiguration.wording import quoted


class Unprotected(ValueError):
    """A fault would reach a provider; ``message`` names the line and the provider."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def check_protection(grid: PowerGrid) -> None:
    """Check, with all switches closed, what lies between each provider and the lines that can fault.

    Raises:
        Unprotected: a line that can fault is reached without passing a breaker, or without a switch that can't fault itself.
    """
    can_fault = [line.faults_per_year > 0 and not line.is_breaker for line in grid.lines]
    if not any(can_fault):
        return
    barriers: tuple[tuple[str, Callable[[Line], bool]], ...] = (
        ("a breaker", lambda line: line.is_breaker),
        ("a switch without faults", lambda line: line.is_switch and (line.faults_per_year == 0 or line.is_breaker)),
    )
    first, incident = incidence(len(grid.nodes), np.array(grid.line_source), np.array(grid.line_target))
    for provider in (k for k, node in enumerate(grid.nodes) if node.kind is BusKind.PROVIDER):
        for barrier, is_barrier in barriers:
            seen, pending = {provider}, [provider]
            while pending:
                bus = pending.pop()
                for position in incident[first[bus] : first[bus + 1]].tolist():
                    line = grid.lines[position]
                    if is_barrier(line):
                        continue
                    if can_fault[position]:
                        raise Unprotected(
                            f"The line {quoted(line.id)} can fault, and there is no {barrier.removeprefix('a ')} between it"
                            f" and the provider {quoted(grid.nodes[provider].id)}"
                        )
                    other = line.source + line.target - bus
                    if other not in seen:
                        seen.add(other)
                        pending.append(other)
