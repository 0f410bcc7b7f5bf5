"""Searches in threads of their own, beside the proof: the loops of a search hold no lock of the interpreter.

Nobody tells them anything while they work, so that what each finds, and in which order, depends on its start and its seed alone. Only
how fast it goes on, and when others hear of it, depends on time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np

from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.search import Search

# A search that spends more than half as long waiting for a processor as working pauses after each burst, for so many times as long as that has
# taken: so the proof keeps the share that it has where they take turns. (A thread of lower priority would take seconds to end, and so would its
# process when it is killed.)
BURST_S, CROWDED, PAUSE = 0.03, 0.5, 7.0
A_WHILE_S = 0.005  # for a piece of work to end


class SideSearch:
    """A search that goes on in a thread of its own until it is to rest."""

    def __init__(self, search: Search, work: int) -> None:
        """``work``: of a piece, in buses swept."""
        self._search = search
        self._work = work
        self._heard_of = search.best
        self._is_called_off = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    @property
    def is_going_on(self) -> bool:
        """Whether it has its thread, if only for the rest of a piece."""
        return self._thread is not None

    @property
    def trials(self) -> int:
        """Exchanges weighed so far."""
        return self._search.trials

    def go_on(self) -> bool:
        """Work in a thread until called off; False where there is no thread to be had."""
        if self._is_called_off.is_set():
            self.rest()
            self._is_called_off.clear()
        if self._thread is None:
            thread = threading.Thread(target=self._advance, name="search", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the machine's limit of threads
                return False
            self._thread = thread
        return True

    def call_off(self) -> None:
        """Have the thread end after the piece of work in hand."""
        self._is_called_off.set()

    def rest(self, within_s: float | None = None) -> None:
        """Call it off and wait for the end, but no longer than that; once it has ended the search can go on, here or elsewhere."""
        self.call_off()
        if self._thread is not None:
            self._thread.join(within_s)
            if not self._thread.is_alive():
                self._thread = None

    def take_found(self) -> BoolArray | None:
        """Its best solution (T, m) if there is a better one than at the last call. Raises what has ended the search."""
        if self._failure is not None:
            raise self._failure
        best = self._search.best
        if best is self._heard_of:
            return None
        self._heard_of = best
        return best

    def _advance(self) -> None:
        try:
            while not self._is_called_off.is_set():
                self._give_way(*self._burst())
        except BaseException as err:  # for the thread that asks
            self._failure = err

    def _burst(self) -> tuple[float, float]:
        """Some pieces of work: how long they took [s], and how much of that was work."""
        began_at, worked_at = time.monotonic(), time.thread_time()
        took_s = 0.0
        while took_s < BURST_S and not self._is_called_off.is_set():
            self._search.advance(self._work)
            took_s = time.monotonic() - began_at
        return took_s, time.thread_time() - worked_at

    def _give_way(self, took_s: float, worked_s: float) -> None:
        """Pause where others want the processors."""
        if took_s - worked_s > CROWDED * worked_s:
            self._is_called_off.wait(PAUSE * took_s)


class Crew:
    """The searches of a run of several threads, of which the caller's is one: that proves, or has the first search itself."""

    def __init__(self, searches: Sequence[Search], work: int) -> None:
        """``searches``: as many as there are threads; ``work``: of a piece, in buses swept."""
        self._sides = [SideSearch(search, work) for search in searches]
        self.most_threads = 1  # that there were at a time

    @property
    def trials(self) -> int:
        """Exchanges weighed by all."""
        return sum(side.trials for side in self._sides)

    @property
    def has_first(self) -> bool:
        """Whether the first search is in a thread of the crew, so that the caller must leave it alone."""
        return self._sides[0].is_going_on

    def go_on(self, *, beside_a_proof: bool) -> bool:
        """Have all searches go on in threads but one: the last where the caller proves, else the first, which is the caller's; False where
        there are not as many threads to be had.
        """
        resting = self._sides[-1 if beside_a_proof else 0]
        resting.rest(A_WHILE_S)
        has_all = all(side.go_on() for side in self._sides if side is not resting)
        self.most_threads = max(self.most_threads, 1 + sum(side.is_going_on for side in self._sides))
        return has_all

    def take_found(self) -> Iterator[BoolArray]:
        """The solutions (T, m) that are new since the last call, of each search the best. Raises what has ended one of them."""
        for side in self._sides:
            found = side.take_found()
            if found is not None:
                yield found

    def rest(self, within_s: float | None = None) -> None:
        """End all threads; those that take longer than that end by themselves, each with its piece of work."""
        for side in self._sides:
            side.call_off()
        for side in self._sides:
            side.rest(within_s)


def seed_of(seed: int, number: int) -> int:
    """The seed of a search of a crew; that of the first is the run's."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0]) if number else seed
