"""How whole levels of the tests are spread over processes: a pytest plugin on top of pytest-xdist, loaded by ``tests.support.run``.

Most of a run is waiting: for starts, outages and leases. So a few more processes than processors work on it side by side, each with
databases, broker prefixes, ports and folders of its own. The tests of a file stay together, as they share fixtures, and so do those
of ``TOGETHER``, which share servers that are dear to start. What says something about time, or uses a whole machine, is in ``ALONE``:
it runs when all others are over, one test after the other.

A failure beside others may be theirs: a few that fail are tried once more by themselves, but not those in ``NEVER_UNSTEADY``. Who
passes then does not fail the run, but is named at its end as unsteady, and wants mending.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

# Groups of files, by how their names begin; each group is one process's work.
TOGETHER: dict[str, tuple[str, ...]] = {
    "chaos: kills": ("tests/chaos/test_killed_services.py",),
    "chaos: outages": ("tests/chaos/",),
    "journeys": (
        "tests/e2e/test_journey",
        "tests/e2e/test_bad_input.py",
        "tests/e2e/test_cim_journey.py",
        "tests/e2e/test_endpoints.py",
        "tests/e2e/test_error_catalogue.py",
        "tests/e2e/test_fuzz.py",
        "tests/e2e/test_solution_pool.py",
    ),
}
# What asks nothing of the machine: it fails the run at once.
NEVER_UNSTEADY: tuple[str, ...] = ("tests/house/",)
MOST_UNSTEADY = 4  # more failures than these are no accident
_DEATHS = pytest.StashKey[list[str]]()
_UNSTEADY = pytest.StashKey[list[str]]()
# Tests, by how their names begin, that want the machine for themselves.
ALONE: tuple[str, ...] = (
    "tests/e2e/test_large_network.py",
    # Their promises are in seconds, which others on the same processors would take from them.
    "tests/security/test_brute_force.py",
    "tests/security/test_account_isolation.py::test_it_takes_no_longer_either",
    "tests/chaos/test_takeover.py",
    "tests/chaos/test_stops.py",
    "tests/chaos/test_graceful_stop.py",
    "tests/chaos/test_database_away.py",
    "tests/integration/optimizer/test_runs.py::test_a_child_that_does_not_hear_is_killed_and_the_run_stops_in_time",
)


def is_alone(nodeid: str) -> bool:
    """Whether a test runs after all others, by itself."""
    return nodeid.startswith(ALONE)


def group_of(nodeid: str) -> str:
    """The name of the group that a test belongs to: tests of one group run in one process, one after the other."""
    if is_alone(nodeid):
        return f"alone: {nodeid}"
    for name, beginnings in TOGETHER.items():
        if nodeid.startswith(beginnings):
            return name
    return nodeid.partition("::")[0]


class GroupScheduling(LoadScopeScheduling):
    """Hands out groups in the order of collection; those that run alone last, to the one process that is still there then."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        first = next((name for name, tests in self.workqueue.items() if not _are_alone(tests)), None)
        if first is not None:
            self.workqueue.move_to_end(first, last=False)
        elif len(self.nodes) > 1:
            return
        super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        # A process holds its last test back until it knows the next one or that there is none: one is never left with a single test.
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
            if self.workqueue and all(map(_are_alone, self.workqueue.values())) and len(self.nodes) > 1:
                if any(not other.shutting_down for other in self.nodes if other is not node):
                    node.shutdown()
                return  # the last one gets them when the others are gone
            super()._reschedule(node)

    def remove_node(self, node: WorkerController) -> str | None:
        """Take back what an ended process leaves undone; the test that it died of, which is not tried again.

        Raises:
            KeyError: the process never had work.
        """
        workload = self.assigned_work.pop(node)
        undone = [(tests, nodeid) for tests in workload.values() for nodeid, is_done in tests.items() if not is_done]
        if undone:
            tests, nodeid = undone[0]
            tests[nodeid] = True
            self.workqueue.update({name: left for name, left in workload.items() if not all(left.values())})
        for other in self.nodes:
            self._reschedule(other)
        return undone[0][1] if undone else None


def _are_alone(tests: dict[str, bool]) -> bool:
    return all(map(is_alone, tests))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    """Take the place of the scheduler that ``--dist`` names."""
    return GroupScheduling(config, log)


def pytest_testnodedown(node: WorkerController, error: object | None) -> None:
    """Remember a process that died, also where no test was running in it."""
    if error is not None:
        node.config.stash.setdefault(_DEATHS, []).append(f"{node.gateway.id}: {error}")


def pytest_configure(config: pytest.Config) -> None:
    """Give failures their second try in the process that hands out the tests, not in those that run them."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(SecondTry(), "second try")


class SecondTry:
    """Remembers what failed, and tries it again by itself when the others are over."""

    def __init__(self) -> None:
        self.failed: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember a failure."""
        if report.failed:
            self.failed[report.nodeid] = None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A process that died fails the run; a few tests that fail only beside others do not."""
        if session.config.stash.get(_DEATHS, []):
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
            return
        failed = list(self.failed)
        if (
            session.exitstatus == pytest.ExitCode.TESTS_FAILED
            and may_be_unsteady(failed)
            and _pass_by_themselves(session, failed)
        ):
            session.config.stash[_UNSTEADY] = failed
            session.exitstatus = pytest.ExitCode.OK


def may_be_unsteady(failed: list[str]) -> bool:
    """Whether these failures are worth another try."""
    return 0 < len(failed) <= MOST_UNSTEADY and not any(nodeid.startswith(NEVER_UNSTEADY) for nodeid in failed)


def _pass_by_themselves(session: pytest.Session, failed: list[str]) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *failed]
    again = subprocess.run(command, cwd=session.config.rootpath, capture_output=True, text=True, check=False)
    if again.returncode != 0:
        session.config.get_terminal_writer().write(f"\nThe second try, by themselves:\n{again.stdout}{again.stderr}\n")
    return again.returncode == 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the processes that died and the tests that passed only by themselves."""
    for death in config.stash.get(_DEATHS, []):
        terminalreporter.write_line(f"DIED {death}", red=True)
    for nodeid in config.stash.get(_UNSTEADY, []):
        terminalreporter.write_line(f"UNSTEADY {nodeid}: failed beside others, passed by itself", yellow=True)
