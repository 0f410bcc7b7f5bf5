from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import parallel
from tests.support.run import TESTS, spread


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSBAR_TEST_WORKERS", "3")
    monkeypatch.chdir(TESTS.parent)


@pytest.mark.parametrize("arguments", [[], ["-q"], ["tests"], ["tests/unit"], ["tests/chaos/", "--durations=20", "-v"]])
def test_whole_levels_are_spread_over_processes(arguments: list[str]) -> None:
    options = spread(arguments)
    assert options[options.index("-n") + 1] == "3"
    assert "tests.support.parallel" in options


@pytest.mark.parametrize(
    "arguments",
    [
        ["tests/unit/support"],
        ["tests/unit/support/test_run.py"],
        ["tests/unit", "tests/unit/support/test_run.py::test_it"],
        ["-k", "lease"],
        ["-x"],
        ["--pdb", "tests/unit"],
        ["-n", "2"],
    ],
)
def test_a_narrow_selection_and_options_of_ones_own_are_left_to_pytest(arguments: list[str]) -> None:
    assert spread(arguments) == []


def test_one_worker_is_pytest_without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSBAR_TEST_WORKERS", "1")
    assert spread([]) == []


@pytest.mark.parametrize(
    "beginning", [*parallel.ALONE, *(name for names in parallel.TOGETHER.values() for name in names)]
)
def test_groups_name_tests_that_exist(beginning: str) -> None:
    file, _, test = beginning.partition("::")
    found = [path for path in TESTS.rglob("test_*.py") if str(path.relative_to(TESTS.parent)).startswith(file)]
    assert found
    assert not test or f"def {test}" in found[0].read_text("utf-8")


def test_tests_of_a_file_stay_together_unless_they_want_the_machine_for_themselves() -> None:
    assert parallel.group_of("tests/unit/a/test_b.py::test_c[x::y]") == "tests/unit/a/test_b.py"
    assert parallel.group_of("tests/unit/a/test_b.py::Kind::test_c") == "tests/unit/a/test_b.py"
    alone = f"{parallel.ALONE[0]}::test_a", f"{parallel.ALONE[0]}::test_b"
    assert len(set(map(parallel.group_of, alone))) == 2


class Node:
    """A process of the tests, as the scheduler knows it."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self.shutting_down = False
        self.gateway = SimpleNamespace(id="gw")

    def send_runtest_some(self, indices: list[int]) -> None:
        assert not self.shutting_down
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def would_run(self) -> list[int]:
        """What it does without hearing more: it holds its last test back until it knows that there is no next one."""
        return self.given if self.shutting_down else self.given[:-1]


def test_who_takes_the_place_of_a_dead_process_does_all_that_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xdist.scheduler.loadscope.parse_tx_spec_config", lambda _: [1, 2])
    config: Any = SimpleNamespace(option=SimpleNamespace(loadscopereorder=False))
    scheduling = parallel.GroupScheduling(config, SimpleNamespace(loadscopesched=lambda *_: None))
    alone = f"{parallel.ALONE[0]}::test_it"
    tests = ["a.py::test_it", "b.py::test_before", "b.py::test_death", "b.py::test_after", alone]
    first, second, third = Node(), Node(), Node()
    for node in (first, second):
        scheduling.add_node(node)
        scheduling.add_node_collection(node, tests)
    scheduling.schedule()
    assert (first.given, second.given) == ([0], [1, 2, 3])
    # The first has nothing more to do and ends; the second dies at its second test.
    assert first.would_run == [0]
    scheduling.mark_test_complete(first, 0)
    scheduling.mark_test_complete(second, 1)
    scheduling.remove_node(first)
    assert scheduling.remove_node(second) == tests[2]
    scheduling.add_node(third)
    scheduling.add_node_collection(third, tests)
    scheduling.schedule()
    assert third.would_run[:1] == [3]
    scheduling.mark_test_complete(third, 3)
    assert third.would_run == [3, 4]
