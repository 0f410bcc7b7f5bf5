"""Tests spread over processes: who runs when, and what becomes of a process that dies."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.parallel import ALONE, MOST_UNSTEADY, may_be_unsteady

ROOT = Path(__file__).parents[3]
NOTING = """
import os, pathlib, time, pytest
NOTES = pathlib.Path(__file__).parents[{up}] / "notes"

@pytest.mark.parametrize("number", range(3))
def test_it(number):
    begun = time.monotonic()
    time.sleep({sleep})
    with NOTES.open("a") as notes:
        notes.write(f"{name} {{begun}} {{time.monotonic()}}\\n")
"""
SUDDEN_DEATH = """
import os

def test_before(): pass

def test_death(): os._exit(7)

def test_after(): pass
"""


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "xdist",
            "-p",
            "tests.support.parallel",
            "-n",
            "2",
            "--dist",
            "loadscope",
            *options,
        ],
        cwd=folder,
        # No other plugins: to load them takes longer than these tests.
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_what_wants_the_machine_for_itself_comes_last_and_a_death_fails_the_run_alone(tmp_path: Path) -> None:
    alone = tmp_path / ALONE[0].partition("::")[0]
    alone.parent.mkdir(parents=True)
    alone.write_text(NOTING.format(up=len(alone.relative_to(tmp_path).parts) - 1, sleep=0.05, name="alone"))
    for name in "abc":
        (tmp_path / f"test_{name}.py").write_text(NOTING.format(up=0, sleep=0.3, name=name))
    (tmp_path / "test_sudden.py").write_text(SUDDEN_DEATH)
    done = run(tmp_path, "--no-loadscope-reorder")
    assert done.returncode == 1, done.stdout
    assert re.search(r"1 failed, 14 passed", done.stdout), done.stdout
    assert "crashed while running 'test_sudden.py::test_death'" in done.stdout
    notes = [line.split() for line in (tmp_path / "notes").read_text().splitlines()]
    others_end = max(float(end) for name, _, end in notes if name != "alone")
    spans = sorted((float(begun), float(end)) for name, begun, end in notes if name == "alone")
    assert len(spans) == 3
    assert others_end <= spans[0][0]
    assert all(end <= begun for (_, end), (begun, _) in itertools.pairwise(spans))


def test_a_process_that_dies_after_its_last_test_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_it(): pass\n")
    (tmp_path / "test_b.py").write_text("def test_it(): pass\n")
    (tmp_path / "conftest.py").write_text(
        "import os\n\n\ndef pytest_sessionfinish(session):\n    if hasattr(session.config, 'workerinput'):\n        os._exit(7)\n"
    )
    done = run(tmp_path, "--max-worker-restart=0")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "2 passed" in done.stdout
    assert "DIED gw" in done.stdout


FAILS_ONCE = """
import pathlib
MARK = pathlib.Path(__file__).parents[2] / "mark"

def test_once():
    if not MARK.exists():
        MARK.touch()
        raise AssertionError("beside others")
"""


def test_what_fails_only_beside_others_passes_the_run_and_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "tests/integration"
    folder.mkdir(parents=True)
    (folder / "test_a.py").write_text(FAILS_ONCE)
    (folder / "test_b.py").write_text("def test_it(): pass\n")
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "UNSTEADY tests/integration/test_a.py::test_once" in done.stdout


def test_what_fails_by_itself_too_fails_the_run_and_both_tries_are_shown(tmp_path: Path) -> None:
    folder = tmp_path / "tests/integration"
    folder.mkdir(parents=True)
    (folder / "test_a.py").write_text("def test_it(): assert 1 == 2\n")
    (folder / "test_b.py").write_text("def test_it(): pass\n")
    done = run(tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("assert 1 == 2") > 1
    assert "UNSTEADY" not in done.stdout


def test_house_rules_and_many_failures_have_no_second_try() -> None:
    unsteady = [f"tests/e2e/test_a.py::test_{number}" for number in range(MOST_UNSTEADY)]
    assert may_be_unsteady(unsteady)
    assert not may_be_unsteady([*unsteady, "tests/e2e/test_a.py::test_more"])
    assert not may_be_unsteady([])
    assert not may_be_unsteady([*unsteady[:1], "tests/house/test_house_rules.py::test_types_hold"])
    assert not may_be_unsteady(["tests/house/test_house_rules.py::test_types_hold"])
