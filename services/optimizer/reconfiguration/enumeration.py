"""Proof by enumeration: the best of all radial configurations, or of all sequences of them, a bounded piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.chains import find_chains
from services.optimizer.reconfiguration.kernels.enumeration import Chains, Enumeration, enumerate_trees, judge
from services.optimizer.reconfiguration.kernels.layout import LongArray, Room, Tables
from services.optimizer.reconfiguration.kernels.sequence import Sequence, extend_sequences
from services.optimizer.reconfiguration.network import BoolArray, FloatArray
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.tables import empty_room, tie_count

# More than what a sum may differ from itself when its terms are added in another order; keeps bounds on the safe side.
MARGIN = 1e-9
# Configurations kept for all periods together to find the best sequence of them.
MOST_KEPT = 1_000_000
PIECE = 500_000  # buses swept, or comparisons of lines, between two yields: a few milliseconds

# Yields None after each piece of work, or a solution (T, m) that may be better than any so far; returns whether the best
# solution is known to be among those yielded and the one that was given.
Pieces = Generator[BoolArray | None, None, bool]


@dataclass(frozen=True)
class _Amounts:
    """Worth of a solution by period, without switching."""

    violation: FloatArray  # (T,)
    objective: FloatArray  # (T,)


def find_best(network: ReducedNetwork, tables: Tables, incumbent: Callable[[], BoolArray]) -> Pieces:
    """Find the best of all solutions in which every period is radial.

    Args:
        incumbent: gives the best solution known (T, m), radial in every period; it may become better on the way.
    """
    enumerator = _Enumerator(network, tables)
    yield None
    given = incumbent().copy()
    pass_one = enumerator.start(enumerator.judge(given), given, slack=-1.0, places=0)
    yield from enumerator.run(pass_one)
    if not np.array_equal(pass_one.best_open, given):
        yield pass_one.best_open
    if not tables.is_coupled:
        return True
    return (yield from _find_best_sequence(tables, enumerator, pass_one, incumbent))


def _find_best_sequence(
    tables: Tables, enumerator: _Enumerator, pass_one: Enumeration, incumbent: Callable[[], BoolArray]
) -> Pieces:
    """Where switching has a price, the best sequence is made of configurations that are good enough in their periods.

    A solution better than the best known cannot lose more in one period, against the optimum of that period alone, than
    the best known loses in all of them together.
    """
    least = _Amounts(pass_one.best[0].copy(), pass_one.best[1].copy())
    ceiling = _objective(tables, enumerator.judge(pass_one.best_open), pass_one.best_open)
    known = incumbent().copy()
    amounts = enumerator.judge(known)
    if (amounts.violation <= least.violation * (1.0 + MARGIN)).all():
        ceiling = min(ceiling, _objective(tables, amounts, known))
    gain = float(np.minimum(tables.lines["switch_price"], 0.0).sum())  # the most that one switching can earn, below 0
    switchings = tables.prices.size - 1 + tables.has_start
    slack = ceiling - float(least.objective.sum()) - gain * switchings
    prices = float(np.abs(tables.lines["switch_price"]).sum())
    margin = MARGIN * (float(np.abs(least.objective).sum()) + abs(ceiling) + prices)

    pass_two = enumerator.start(least, pass_one.best_open, slack + margin, MOST_KEPT // tables.prices.size)
    yield from enumerator.run(pass_two)
    if (pass_two.kept_count > pass_two.kept_objective.shape[1]).any():
        return False
    sequence = _sequence(tables, pass_two, least, gain, ceiling + margin)
    while not extend_sequences(sequence, ceiling + margin, PIECE):
        yield None
    yield _cheapest(sequence)
    return True


class _Enumerator:
    """Visits the radial configurations of a network."""

    def __init__(self, network: ReducedNetwork, tables: Tables) -> None:
        self._tables = tables
        self._chains: Chains
        self._always_open: LongArray
        self._chains, self._always_open = find_chains(network)
        self._room: Room = empty_room(tables)

    def judge(self, is_open: BoolArray) -> _Amounts:
        """What a solution is worth by period, to the last digit what an enumeration makes of it."""
        worth = [judge(self._tables, self._room, period, is_open[period]) for period in range(len(is_open))]
        return _Amounts(
            np.array([violation for violation, _ in worth]), np.array([objective for _, objective in worth])
        )

    def start(self, best: _Amounts, best_open: BoolArray, slack: float, places: int) -> Enumeration:
        """An enumeration that looks for better configurations of each period or, where ``slack`` is not negative, keeps up
        to ``places`` of those within ``slack`` of them.
        """
        periods, lines = best_open.shape
        chains = self._chains
        junctions = 1 + int(max(chains.junction_a.max(initial=0), chains.junction_b.max(initial=0)))
        is_open = np.zeros(lines, dtype=np.bool_)
        is_open[self._always_open] = True
        return Enumeration(
            clock=np.zeros(3, dtype=np.int64),
            is_closed=np.zeros(chains.junction_a.size, dtype=np.bool_),
            label=np.zeros((chains.junction_a.size + 1, junctions), dtype=np.int64),
            digit=np.zeros(chains.junction_a.size, dtype=np.int64),
            is_open=is_open,
            best=np.stack([best.violation, best.objective]),
            best_open=best_open.copy(),
            slack=np.full(periods, slack),
            kept_open=np.zeros((periods, places, tie_count(self._tables)), dtype=np.int64),
            kept_objective=np.zeros((periods, places)),
            kept_count=np.zeros(periods, dtype=np.int64),
        )

    def run(self, enumeration: Enumeration) -> Generator[None, None, None]:
        """Visit all configurations, piece by piece."""
        work = self._room.work
        while not enumerate_trees(self._tables, self._room, self._chains, enumeration, int(work[0]) + PIECE):
            yield None


def _objective(tables: Tables, amounts: _Amounts, is_open: BoolArray) -> float:
    """Objective of a solution, switching included."""
    price = tables.lines["switch_price"]
    switching = float(((is_open[1:] ^ is_open[:-1]) * price).sum())
    if tables.has_start:
        switching += float(((is_open[0] ^ tables.lines["starts_open"]) * price).sum())
    return float(amounts.objective.sum()) + switching


def _sequence(tables: Tables, kept: Enumeration, least: _Amounts, gain: float, ceiling: float) -> Sequence:
    """The search of the best sequence, at the first period."""
    periods = tables.prices.size
    price = np.ascontiguousarray(tables.lines["switch_price"])
    rest = least.objective[::-1].cumsum()[::-1] - least.objective + gain * np.arange(periods - 1, -1, -1)
    width = int(kept.kept_count.max())
    objective = kept.kept_objective[:, :width].copy()
    reach = np.full((periods, width), np.inf)
    first = slice(int(kept.kept_count[0]))
    reach[0, first] = objective[0, first]
    if tables.has_start:
        starts_open = tables.lines["starts_open"]
        # Lines open in both are not switched: of the sum of both they are taken away twice.
        opened = kept.kept_open[0, first]
        reach[0, first] += float(price[starts_open].sum()) + (price * (1.0 - 2.0 * starts_open))[opened].sum(axis=1)
    reach[0][reach[0] + rest[0] > ceiling] = np.inf
    return Sequence(
        size=kept.kept_count,
        candidate_open=np.ascontiguousarray(kept.kept_open[:, :width]),
        objective=objective,
        switch_price=price,
        rest=rest,
        reach=reach,
        before=np.zeros((periods, width), dtype=np.int64),
        is_marked=np.zeros(price.size, dtype=np.bool_),
        clock=np.array([1, 0], dtype=np.int64),
    )


def _cheapest(sequence: Sequence) -> BoolArray:
    """The solution (T, m) at the end of the cheapest way."""
    periods = sequence.size.size
    is_open = np.zeros((periods, sequence.switch_price.size), dtype=np.bool_)
    candidate = int(sequence.reach[-1].argmin())
    for period in range(periods - 1, -1, -1):
        is_open[period, sequence.candidate_open[period, candidate]] = True
        candidate = int(sequence.before[period, candidate])
    return is_open
