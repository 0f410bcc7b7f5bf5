"""How far an optimisation is: a table that changes on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

# Elsewhere than on a terminal: news at most once a second, and a sign of life where there is none.
BETWEEN_NEWS_S = 1.0
SIGN_OF_LIFE_S = 30.0
# On a terminal: no more often than people read it, as drawing takes time from the search.
BETWEEN_DRAWINGS_S = 0.2


@dataclass(frozen=True, slots=True)
class State:
    """How a run stands. Objective and bound in the unit of the objective, the gap a fraction; None where nothing is known."""

    elapsed_s: float
    is_feasible: bool
    objective: float
    bound: float | None
    gap: float | None
    trials: int

    def fields(self) -> dict[str, str]:
        """What is shown, each under its name."""
        return {
            "time": f"{self.elapsed_s:.1f} s",
            "objective": f"{self.objective:.9g}" + ("" if self.is_feasible else " (infeasible)"),
            "bound": "none" if self.bound is None else f"{self.bound:.9g}",
            "gap": "unknown" if self.gap is None else f"{100 * self.gap:.4f} %",
            "trials": str(self.trials),
        }


class Display(Protocol):
    """Shows a run as it goes on."""

    def show(self, state: State, *, is_last: bool = False) -> None:
        """Show how it stands; the last state is shown in any case."""
        ...


@contextlib.contextmanager
def display_on(stream: TextIO) -> Iterator[Display]:
    """The display that suits a stream, until the run has ended; a run goes on when nobody can see it any more."""
    if not stream.isatty():
        yield Lasting(Lines(stream))
        return
    live = Live(console=Console(file=stream), auto_refresh=False)
    with contextlib.suppress(OSError):
        live.start()
    try:
        yield Lasting(Changing(live))
    finally:
        with contextlib.suppress(OSError):
            live.stop()


class Lasting:
    """A display that shows nothing more once its stream has gone."""

    def __init__(self, display: Display) -> None:
        self._display: Display | None = display

    def show(self, state: State, *, is_last: bool = False) -> None:
        """Show it, if there is still where."""
        if self._display is not None:
            try:
                self._display.show(state, is_last=is_last)
            except OSError:
                self._display = None


class Changing:
    """A table of one row that is drawn anew now and then."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._drawn_at_s = -math.inf

    def show(self, state: State, *, is_last: bool = False) -> None:
        """Draw it, if it is time to."""
        if state.elapsed_s - self._drawn_at_s < BETWEEN_DRAWINGS_S and not is_last:
            return
        self._drawn_at_s = state.elapsed_s
        fields = state.fields()
        table = Table(*fields)
        table.add_row(*fields.values())
        self._live.update(table, refresh=True)


class Lines:
    """A line where there is news, but not too many, and one where there has been none for long."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: State | None = None

    def show(self, state: State, *, is_last: bool = False) -> None:
        """Write a line, if it is time for one."""
        before = self._shown
        if before is not None:
            is_news = (before.objective, before.bound) != (state.objective, state.bound)
            wait_s = BETWEEN_NEWS_S if is_news else SIGN_OF_LIFE_S
            if state.elapsed_s - before.elapsed_s < wait_s and not is_last:
                return
        self._shown = state
        self._stream.write("  ".join(f"{name} {text}" for name, text in state.fields().items()) + "\n")
        self._stream.flush()
