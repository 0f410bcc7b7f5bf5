"""The search for the best solution of a program with breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from services.optimizer.scheduling.choices import Choice
from services.optimizer.scheduling.engine import Answer, End, Relaxation, Scale, solve_with_choices
from services.optimizer.scheduling.pieces import BoolArray
from services.optimizer.scheduling.problem import FloatArray, IntArray
from services.optimizer.scheduling.program import Program

SAME = 1e-10  # relative difference of two costs that are one
NOTHING = 1e-9  # currency
_FEW = 10  # times that breaks are held to a side before all are
_PARTIAL = 2  # mixed-integer programs with some of the breaks before one with all
_QUICK_S = 2.0
_MOST = 0.9  # of the time that is left, for a mixed-integer program; the rest is for making its solution exact
Masks = list[BoolArray]  # for every break of the program the steps (N,)


class Search:
    """Solves one program. ``cost_of`` answers what a solution costs in all, of which gaps are relative to."""

    def __init__(
        self, program: Program, remaining_s: Callable[[], float], gap: float, cost_of: Callable[[FloatArray], float]
    ) -> None:
        self._program, self._remaining_s, self._gap, self._cost_of = program, remaining_s, gap, cost_of
        self._scale = Scale.of(program)
        self._relaxation = Relaxation(program, self._scale, remaining_s)

    def best(self) -> Answer:
        """The best solution with its bound; ``end`` is TIME if time ran out before the gap was closed."""
        relaxed = self._relaxation.solve()
        if relaxed.x is None:
            return relaxed
        if not _any(self._ignored(relaxed.x)):
            return self._in_order(relaxed)
        best, chosen = self._repaired(relaxed.x)
        best = replace(best, bound=relaxed.cost)
        if self._is_close(best):
            return best
        chosen = [
            mask | (each.is_open & each.is_costly) for mask, (_, each) in zip(chosen, self._program.breaks, strict=True)
        ]
        for attempt in range(_PARTIAL + 1):
            if attempt == _PARTIAL:
                chosen = [each.is_open for _, each in self._program.breaks]
            best, touched = self._improved(best, chosen)
            if best.end is not End.OPTIMAL or self._is_close(best) or not _any(touched):
                break
            chosen = [mask | more for mask, more in zip(chosen, touched, strict=True)]
        return best

    def _in_order(self, best: Answer) -> Answer:
        """Where it costs nothing, devices take what they need in the order in which they are given, and early."""
        wish = self._program.order_of_devices
        if wish is None:
            return best
        preferred = self._relaxation.preferred(best, wish)
        return best if preferred.x is None or _any(self._ignored(preferred.x)) else preferred

    def _improved(self, best: Answer, chosen: Masks) -> tuple[Answer, Masks]:
        """The better of the best and the mixed-integer program's solution, and which breaks that one would have ignored."""
        choices = self._choices(chosen)
        found = self._decided(choices, best)
        none = [np.zeros_like(mask) for mask in chosen]
        if found.end is End.INFEASIBLE:
            return found, none
        bound = max(best.bound, found.bound)
        if found.x is None or found.is_right is None:
            return replace(best, bound=bound, end=End.TIME), none
        sides = np.split(found.is_right > 0.5, np.cumsum([len(choice.steps) for choice in choices])[:-1])
        held = [choice.bounds_of(side) for choice, side in zip(choices, sides, strict=True)]
        polished, touched = self._repaired(found.x, held)
        if polished.x is None and not _any(self._ignored(found.x)):  # its sides can be kept within a tolerance only
            polished = found
        if polished.cost < best.cost:
            best = polished
        return replace(best, bound=min(bound, best.cost), end=found.end), touched

    def _decided(self, choices: list[Choice], best: Answer) -> Answer:
        """The mixed-integer program's solution, looked for twice where that is quick.

        Of some thousand programs HiGHS calls a worse solution the best of one, another one with presolve than without.
        """
        gap = self._closed(abs(best.bound if best.x is None else self._cost_of(best.x)))
        began_s = self._remaining_s()
        found = solve_with_choices(self._program, self._scale, choices, best.x, _MOST * began_s, gap, has_presolve=True)
        if found.end is End.TIME or began_s - self._remaining_s() > _QUICK_S:
            return found
        start = best.x if found.x is None else found.x
        again = solve_with_choices(
            self._program, self._scale, choices, start, _MOST * self._remaining_s(), gap, has_presolve=False
        )
        if again.end is End.TIME or again.x is None:
            return found
        bound = min(found.bound, again.bound) if found.x is not None else again.bound
        return replace(again if again.cost < found.cost else found, bound=bound)

    def _repaired(self, x: FloatArray, held: list[tuple[IntArray, FloatArray]] | None = None) -> tuple[Answer, Masks]:
        """A solution that ignores no break: those ignored are held to the nearer side until none is. And which these were.

        With ``held`` columns, solving begins with these where they are.
        """
        held = list(held or ())
        touched = [np.zeros_like(each.is_open) for _, each in self._program.breaks]
        answer = Answer(End.OPTIMAL, x)
        if held:
            self._relaxation.hold(*_joined(held))
            answer = self._relaxation.solve()
        for attempt in range(_FEW + 1):
            if answer.x is None:
                break
            ignored = self._ignored(answer.x)
            if not _any(ignored):
                break
            if attempt == _FEW:
                ignored = [each.is_open & ~mask for mask, (_, each) in zip(touched, self._program.breaks, strict=True)]
            touched = [mask | more for mask, more in zip(touched, ignored, strict=True)]
            held += [choice.bounds_of(choice.nearer_side(answer.x)) for choice in self._choices(ignored)]
            self._relaxation.hold(*_joined(held))
            answer = self._relaxation.solve()
        columns, _ = _joined(held)
        self._relaxation.release(columns, self._program.lower[columns], self._program.upper[columns])
        return answer, touched

    def _ignored(self, x: FloatArray) -> Masks:
        masks = []
        for placed, each in self._program.breaks:
            choice = Choice(placed, each, np.flatnonzero(each.is_open))
            mask = np.zeros_like(each.is_open)
            mask[choice.steps] = choice.is_ignored(x)
            masks.append(mask)
        return masks

    def _choices(self, masks: Masks) -> list[Choice]:
        pairs = zip(self._program.breaks, masks, strict=True)
        return [Choice(placed, each, np.flatnonzero(mask)) for (placed, each), mask in pairs if mask.any()]

    def _is_close(self, best: Answer) -> bool:
        if best.x is None:
            return False
        return best.cost - best.bound <= self._closed(abs(self._cost_of(best.x)))

    def _closed(self, worth: float) -> float:
        """The difference to the bound [currency] at which a cost is good enough."""
        return max(self._gap, SAME) * worth + NOTHING


def _any(masks: Masks) -> bool:
    return any(bool(mask.any()) for mask in masks)


def _joined(held: list[tuple[IntArray, FloatArray]]) -> tuple[IntArray, FloatArray]:
    """Each column once, in order, as the solver wants them."""
    columns, first = np.unique(np.concatenate([columns for columns, _ in held]), return_index=True)
    return columns, np.concatenate([values for _, values in held])[first]
