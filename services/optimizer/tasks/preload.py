"""Imported once in the launcher of child processes: brings in all that tasks use and has the kernels compiled.

The launcher can only import modules, so the compiling happens on import, here and nowhere else. Children forked afterwards
share the machine code and begin their work at once; without it each would spend seconds.
"""

from __future__ import annotations

from services.optimizer.reconfiguration.warm import warm
from services.optimizer.tasks import forecasts, networks, runs, schedules, sessions

__all__ = ["forecasts", "networks", "runs", "schedules", "sessions"]

warm()
