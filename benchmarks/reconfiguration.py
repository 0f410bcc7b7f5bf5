"""The optimiser on published systems, on copies of them that it has not seen, and on a city: how good, how fast, how sure?

Does it find the best loss known, how soon, and when is that proven? Times are given as multiples of one pandapower ``runpp`` of
the same system in the same process; trial exchanges against power-grid-model computing the same ones as a batch of topologies.
All are processor time, so that what else the machine does counts little. ``--cases FOLDER`` adds systems of a folder of case files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks.cases import (
    Case,
    Effort,
    all_systems,
    copied,
    effort,
    prepare,
    quantile,
    run_of,
    time_to,
)
from benchmarks.certification import DAY, certify, certify_day
from benchmarks.exchange_rate import rate_exchanges
from benchmarks.report import Row
from benchmarks.synthetic import city
from services.optimizer.reconfiguration.network import BoolArray, FloatArray
from services.optimizer.reconfiguration.search import Search
from services.optimizer.reconfiguration.spanning_trees import random_radial
from services.optimizer.reconfiguration.tables import lay_out
from services.optimizer.reconfiguration.warm import warm

LOSS_TOLERANCE_W = 0.1  # the best losses are known to 1e-4 kW
TOWN_BUSES, CITY_BUSES = 600, 10_000
PIECE = 200_000  # buses swept at a time
SHARES = (0.5, 0.95, 1.0)  # of the seeds

Course = list[tuple[float, float]]  # (time [s], objective) of each solution


def run() -> Sequence[Row]:
    warm()
    spend = effort()
    systems, missing = all_systems()
    rows = [Row(note, "skipped", "", None, "") for note in missing]
    for system in systems:
        case = prepare(system)
        rows += _find_best_known(case, spend)
        rows += rate_exchanges(case)
        rows.append(certify(case, spend))
        for seed in range(spend.copies):
            copy = prepare(copied(system, seed))
            rows.append(_find_again(copy, spend))
            if seed == 0:
                rows.append(certify(copy, spend))
        if system.name == DAY:
            rows.append(certify_day(system, spend))
    rows.append(certify(prepare(city(TOWN_BUSES, substations=3, ties=TOWN_BUSES * 3 // 20, seed=1)), spend))
    rows += _grow(prepare(city(CITY_BUSES, substations=8, ties=CITY_BUSES * 3 // 20, seed=1)), spend)
    return rows


def _find_best_known(case: Case, spend: Effort) -> Iterator[Row]:
    """The best loss known, from the configuration published and from random ones."""
    target_w = 1e3 * case.system.best_loss_kw + LOSS_TOLERANCE_W

    def random_start(seed: int) -> BoolArray:
        start = random_radial(case.problem.network, seed)
        assert start is not None, "published systems have radial configurations"
        return start[None, :]

    starts: dict[str, Callable[[int], BoolArray]] = {
        "the configuration published": lambda _: case.start,
        "random configurations": random_start,
    }
    for title, start_of in starts.items():
        courses = [_course(case, start_of(seed), seed, spend.patience_s, until=target_w) for seed in range(spend.seeds)]
        times = np.array([time_to(course, target_w) for course in courses])
        yield from _quantiles(f"{case.name}, from {title}: best loss known", case, times)


def _find_again(copy: Case, spend: Effort) -> Row:
    """The lowest loss that any seed finds on a copy, for which no answer is known."""
    courses = [_course(copy, copy.start, seed, spend.settling_s) for seed in range(spend.seeds)]
    lowest_w = min(course[-1][1] for course in courses)
    times = np.array([time_to(course, lowest_w + LOSS_TOLERANCE_W) for course in courses])
    (row, *_) = _quantiles(f"{copy.name}: lowest loss of all seeds", copy, times)
    return row


def _course(case: Case, start: BoolArray, seed: int, seconds: float, until: float = -np.inf) -> Course:
    reports = run_of(case, start, seed=seed, seconds=seconds, until=until)
    return [(at, progress.objective) for at, progress in reports if progress.is_open is not None]


def _quantiles(title: str, case: Case, times: FloatArray) -> Iterator[Row]:
    """The time to a loss over seeds; the median first."""
    found = int(np.isfinite(times).sum())
    late = [f"{share:.0%} within {1e3 * quantile(times, share):.2g} ms" for share in SHARES]
    yield Row(
        title,
        f"{found} of {times.size} seeds, {', '.join(late)}",
        f"runpp {1e3 * case.runpp_s:.0f} ms",
        quantile(times, 0.5) / case.runpp_s,
        "median time against one runpp; lower is better",
        f"{_target(case)}, 19 of 20 seeds",
    )
    yield Row(
        f"{title}, 95 % of seeds",
        f"{1e3 * quantile(times, 0.95):.2g} ms",
        f"runpp {1e3 * case.runpp_s:.0f} ms",
        quantile(times, 0.95) / case.runpp_s,
        "time that 95 % keep against one runpp; lower is better",
        _target(case),
    )


def _target(case: Case) -> str:
    """By size: what is asked of a system must be asked of every other one as large."""
    buses = case.problem.network.bus_count
    return "<= 0.1" if buses < 100 else "<= 3" if buses < 400 else "<= 100"


def _grow(case: Case, spend: Effort) -> Iterator[Row]:
    """A large network: first local optimum, when the loss is within 0.1 % of the final one, and the bound."""
    searching = Search(case.problem.network, lay_out(case.problem), case.start, seed=1)
    began = time.process_time()
    while not searching.has_descended:
        searching.advance(PIECE)
    first_s = time.process_time() - began
    yield Row(
        f"{case.name}: first local optimum",
        f"{first_s:.2f} s",
        f"runpp {1e3 * case.runpp_s:.0f} ms",
        first_s / case.runpp_s,
        "time against one runpp; lower is better",
        "<= 2 s",
    )
    course = _course(case, case.start, 1, spend.city_s)
    close_s = time_to(course, 1.001 * course[-1][1])
    yield Row(
        f"{case.name}: within 0.1 % of the loss after {spend.city_s:.0f} s",
        f"{close_s:.2f} s, {course[0][1] / 1e3:.0f} kW to {course[-1][1] / 1e3:.0f} kW",
        f"runpp {1e3 * case.runpp_s:.0f} ms",
        close_s / case.runpp_s,
        "time against one runpp; lower is better",
        "<= 20",
    )
    yield certify(case, spend)
