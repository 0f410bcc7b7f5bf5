"""The rules that no reviewer should have to check by eye: format, lint, types, imports, dead code, lock files, paths."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def run(*command: str) -> tuple[int, str]:
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout[-6000:] + done.stderr[-2000:]


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("ruff", "format", "--check", "."), id="format"),
        pytest.param(("ruff", "check", "."), id="lint"),
        pytest.param(("lint-imports",), id="imports"),
        pytest.param(("vulture",), id="dead code"),
    ],
)
def test_checker_is_content(command: tuple[str, ...]) -> None:
    status, output = run(*command)
    assert status == 0, output


@pytest.mark.timeout(600)
def test_types_hold() -> None:
    status, output = run("mypy")
    assert status == 0, output


def test_lock_files_have_hashes_and_no_addresses() -> None:
    locks = tracked("*.lock")
    assert {path.name for path in locks} >= {"requirements.lock", "gateway.lock", "optimizer.lock", "telemetry.lock"}
    for path in locks:
        text = path.read_text("utf-8")
        assert "://" not in text, path
        pinned = re.findall(r"^([a-z0-9][\w.-]*)==\S+ ", text, re.M | re.I)
        assert pinned and text.count("--hash=sha256:") >= len(pinned), path


def test_the_gateway_image_holds_no_solver() -> None:
    names = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "deploy/gateway.lock").read_text("utf-8"), re.M))
    assert names & {"numpy", "numba", "scipy", "ortools", "highspy", "pandas", "pint"} == set()


def test_every_package_says_what_it_is_for() -> None:
    silent = [
        path
        for path in tracked("services/**/__init__.py", "shared/**/__init__.py")
        if path.parent.name not in {"services", "shared", "versions"} and not path.read_text("utf-8").strip()
    ]
    assert silent == []


def test_imports_are_absolute() -> None:
    relative = [
        str(path.relative_to(ROOT)) for path in tracked("*.py") if re.search(r"^from \.", path.read_text("utf-8"), re.M)
    ]
    assert relative == []
