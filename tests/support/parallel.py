"""How whole levels of the tests are spread over processes: a pytest plugin on top of pytest-xdist, loaded by ``tests.support.run``.

Most of a run is waiting: for starts, outages and leases. So a few more processes than processors work on it side by side, each with
databases, broker prefixes, ports and folders of its own. The tests of a file stay together, as they share fixtures, and so do those
of ``TOGETHER``, which share servers that are dear to start. What says something about time, or uses a whole machine, is in ``ALONE``:
it runs when all others are over, one test after the other.
"""

from __future__ import annotations

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
        "tests/e2e/test_fuzz.py",
    ),
}
_DEATHS = pytest.StashKey[list[str]]()
# Tests, by how their names begin, that want the machine for themselves.
ALONE: tuple[str, ...] = (
    "tests/e2e/test_large_network.py",
    # Their promises are in seconds, which others on the same processors would take from them.
    "tests/security/test_brute_force.py",
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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that died fails the run."""
    if session.config.stash.get(_DEATHS, []) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the processes that died."""
    for death in config.stash.get(_DEATHS, []):
        terminalreporter.write_line(f"DIED {death}", red=True)
