"""Writes ``docs/reliability.md`` from a test run: what is promised, which tests hold it, and how they ended.

``make reliability`` runs every test with it. A promise is held only if each of its tests ran and passed; figures are what tests
recorded with ``record_property("figure", …)``.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

REPORT_PATH_VARIABLE = "BUSBAR_TEST_RELIABILITY_REPORT"


@dataclass(frozen=True)
class Promise:
    """What is promised, and the tests that hold it, as parts of their ids."""

    text: str
    tests: tuple[str, ...]


PROMISES = (
    Promise(
        "`kill -9` of any one service under load loses no accepted request and doubles no effect.",
        ("tests/chaos/test_killed_services.py", "tests/chaos/test_killed_telemetry.py"),
    ),
    Promise(
        "While the broker is down or silent, starts, posts and triggers are accepted at once, questions get 503, and all is done "
        "when it is back.",
        ("tests/chaos/test_broker_away.py",),
    ),
    Promise(
        "While the database is down or silent: 503 with `Retry-After` within 3 s, nothing half-done, recovery by itself.",
        ("tests/chaos/test_database_away.py", "tests/integration/gateway/test_outages.py"),
    ),
    Promise(
        "A duplicate delivery of any message changes nothing.",
        (
            "test_promises.py::test_duplicate_deliveries_change_nothing",
            "test_promises.py::test_duplicate_and_concurrent_deliveries_take_effect_once",
            "tests/integration/telemetry/test_service.py::test_duplicate_deliveries_change_nothing",
            "test_runner.py::test_duplicates_change_nothing",
        ),
    ),
    Promise(
        "Death between any two steps of any handler is made good by the next delivery.",
        (
            "test_promises.py::test_death_between_any_two_steps",
            "tests/integration/bus/test_death_between_steps.py",
            "tests/integration/telemetry/test_small_jobs.py::test_death_between_any_two_steps",
            "tests/integration/telemetry/test_large_jobs.py::test_death_between_any_two_steps",
        ),
    ),
    Promise(
        "Messages and requests in any order: what has ended stays ended, and the best solution only improves.",
        ("tests/integration/optimizer/test_interleavings.py",),
    ),
    Promise(
        "A poison message is in the dead-letter queue within 10 s, holds up nobody, and one command replays it.",
        ("test_message_path.py::test_poison_is_dead", "tests/chaos/test_poison.py"),
    ),
    Promise(
        "A dead or frozen worker's run is taken over and goes on from its best solution; a zombie writes nothing.",
        ("tests/chaos/test_takeover.py",),
    ),
    Promise(
        "A stop is effective within 3 s, also when it races with a finish, a take-over or an outage.",
        (
            "tests/chaos/test_stops.py",
            "tests/integration/optimizer/test_service.py::test_a_long_run_stops_within_a_second",
        ),
    ),
    Promise(
        "What was posted is stored once, also when its message is lost, and is in every schedule asked for after it.",
        (
            "tests/integration/telemetry/test_service.py::test_a_lost_message_costs_a_moment_and_no_data",
            "tests/integration/telemetry/test_small_jobs.py::test_many_at_once_store_each_post_once",
            "tests/integration/optimizer/flexibility/test_schedules.py::test_a_job_waits_for_data_that_were_posted_before",
        ),
    ),
    Promise(
        "The embedded default loses nothing on `kill -9` and goes on from its folder.",
        ("tests/e2e/test_up.py",),
    ),
    Promise(
        "A service that is told to stop finishes or hands back what it has; clients that ask again once notice nothing.",
        ("tests/chaos/test_graceful_stop.py",),
    ),
    Promise(
        "Every route answers every kind of credential, forged ones too, as a table says; a route without a row fails.",
        ("tests/security/test_route_credentials.py",),
    ),
    Promise(
        "One account never sees another's data: by ids, lists, time or SQL, and by the database's own wall behind that.",
        (
            "tests/security/test_account_isolation.py",
            "tests/security/test_http_isolation.py",
            "tests/security/test_flexibility_isolation.py",
            "tests/security/test_store_isolation.py",
            "tests/security/test_row_level_security.py",
        ),
    ),
    Promise(
        "Passwords, keys, tokens and secrets are found in no log, metric, error, process list or file.",
        ("tests/security/test_canary_secrets.py",),
    ),
    Promise(
        "Guessing is slowed for everybody but the true user, tells nothing by its time, and never holds the loop.",
        ("tests/security/test_brute_force.py",),
    ),
    Promise(
        "Malformed input of any kind: the contract's 4xx, never a 5xx, nothing left behind.",
        (
            "tests/e2e/test_bad_input.py",
            "tests/integration/gateway/test_fuzz.py",
            "tests/integration/gateway/flexibility/test_fuzz.py",
            "tests/integration/gateway/flexibility/test_garbage.py",
        ),
    ),
    Promise(
        "An account that asks and posts as much as it can keeps no other waiting.",
        (
            "tests/e2e/test_journey_beside_a_flood.py",
            "tests/integration/telemetry/test_large_jobs.py::test_one_account_with_many_files",
        ),
    ),
    Promise(
        "Migrations go up and down on a database in use, and give way to whoever uses a table.",
        ("tests/integration/db/test_migrations.py",),
    ),
    Promise(
        "Days and months have the steps that the place's clock gives them; a worker's wrong clock loses no job and no lease.",
        (
            "tests/integration/optimizer/flexibility/test_schedules.py::test_a_day_is_24_hours",
            "tests/unit/optimizer/scheduling/building/test_window.py::test_a_day_has_as_many_steps",
            "tests/integration/optimizer/flexibility/test_overdue.py::test_a_worker_whose_clock_is_wrong",
            "tests/integration/db/test_leases.py",
        ),
    ),
)


@dataclass(eq=False)  # pytest keeps its plugins in sets
class ReliabilityReport:
    """A pytest plugin that remembers how each test ended and writes the table at the end."""

    path: Path
    outcomes: dict[str, str] = field(default_factory=dict)
    figures: dict[str, list[str]] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember one phase of one test; a failure in any phase counts."""
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome
        if report.when == "call":
            figures = [str(value) for name, value in report.user_properties if name == "figure"]
            if figures:
                self.figures[report.nodeid] = figures

    def pytest_sessionfinish(self) -> None:
        """Write the document."""
        self.path.write_text("\n".join(self._lines()) + "\n", "utf-8")

    def _lines(self) -> Sequence[str]:
        day = datetime.now(UTC).date().isoformat()
        rows = [self._row(number, promise) for number, promise in enumerate(PROMISES, 1)]
        return [
            "# Reliability",
            "",
            "What Busbar promises about lost work, overload and truth, and how the tests of each promise ended. Written by",
            "`make reliability`, which runs all of them on a real PostgreSQL and a real RabbitMQ; not by hand.",
            "",
            f"Last run: {day}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}.",
            "",
            "| # | promise | held | tests | figures |",
            "|---|---|---|---|---|",
            *rows,
        ]

    def _row(self, number: int, promise: Promise) -> str:
        found = [self._matching(part) for part in promise.tests]
        ended = [self.outcomes[nodeid] for nodeids in found for nodeid in nodeids]
        is_held = all(found) and all(outcome == "passed" for outcome in ended)
        figures = "; ".join(text for nodeids in found for nodeid in nodeids for text in self.figures.get(nodeid, ()))
        files = ", ".join(f"`{part.removeprefix('tests/')}`" for part in promise.tests)
        verdict = "yes" if is_held else "**NO**"
        return (
            f"| {number} | {promise.text} | {verdict} | {ended.count('passed')} of {len(ended)}: {files} | {figures} |"
        )

    def _matching(self, part: str) -> list[str]:
        return [nodeid for nodeid in self.outcomes if part in nodeid]


def pytest_configure(config: pytest.Config) -> None:
    """Take part where a report is asked for; where tests are spread over processes, in the one that hears of all of them."""
    path = os.environ.get(REPORT_PATH_VARIABLE)
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(ReliabilityReport(Path(path)), "reliability report")
