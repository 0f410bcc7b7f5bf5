"""Compilation: kept on disk where possible, and working all the same where not."""

from __future__ import annotations

import ctypes
import math
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.optimizer.reconfiguration.kernels.jit import compiled

SOURCE = """
def harmonic(count):
    total = 0.0
    for k in range(count):
        total += 1.0 / (k - 1)
    return total
"""


def function_without_file() -> Callable[[int], float]:
    """The cache goes by the file that a function is in."""
    namespace: dict[str, Any] = {}  # Any: of what exec makes
    exec(compile(SOURCE, "<no file>", "exec"), namespace)
    function: Callable[[int], float] = namespace["harmonic"]
    return function


def test_a_function_whose_code_can_be_kept_nowhere_is_compiled_all_the_same() -> None:
    kernel = compiled(function_without_file())
    assert kernel(1) == -1.0


def test_dividing_by_zero_gives_infinity_and_no_exception() -> None:
    kernel = compiled(function_without_file())
    assert kernel(2) == math.inf


PROGRAM = """
from services.optimizer.reconfiguration.kernels.jit import compiled

@compiled
def doubled(value):
    return 2 * value

print(doubled(21), sum(doubled.stats.cache_hits.values()))
"""
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def without_rights() -> None:
    """Have a superuser keep to permissions too."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def without_space() -> None:
    """As if the disk were full: nothing can be written to a file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def run(program: Path, cache: Path, before: Callable[[], None] | None = None, *, in_tree: bool = False) -> list[str]:
    """What a program prints whose machine code is kept in a folder, or beside it and in the user's folder there."""
    environment = os.environ | {"NUMBA_CACHE_DIR": "" if in_tree else str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"PYTHONPATH": str(Path.cwd()), "HOME": str(cache), "XDG_CACHE_HOME": str(cache / "none")}
    done = subprocess.run(
        [sys.executable, str(program)],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=before,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def test_code_that_was_kept_is_read_from_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    program, cache = tmp_path / "program.py", tmp_path / "cache"
    program.write_text(PROGRAM)
    assert run(program, cache) == ["42", "0"]
    folders = [tmp_path, cache, *cache.iterdir()]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert run(program, cache, without_rights) == ["42", "1"]
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_where_no_folder_can_be_written_everything_is_compiled_all_the_same(tmp_path: Path) -> None:
    program, cache = tmp_path / "program.py", tmp_path / "cache"
    program.write_text(PROGRAM)
    cache.mkdir()
    for folder in (tmp_path, cache):
        folder.chmod(0o555)
    try:
        for _ in range(2):
            assert run(program, cache, without_rights) == ["42", "0"]
    finally:
        for folder in (tmp_path, cache):
            folder.chmod(0o755)


def test_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    program, cache = tmp_path / "program.py", tmp_path / "cache"
    program.write_text(PROGRAM)
    assert run(program, cache, without_space) == ["42", "0"]


def program_of_two_files(folder: Path) -> tuple[Path, Callable[[int], None]]:
    """A loop that calls one in another file, whose factor can be changed."""
    program, package = folder / "program.py", folder / "kernels"
    program.write_text(
        "from kernels.jit import compiled\nfrom kernels.factor import factor\n"
        "@compiled\ndef scaled(value):\n    return factor() * value\n"
        "print(scaled(21), sum(scaled.stats.cache_hits.values()))\n"
    )
    package.mkdir()
    shutil.copy(Path("services/optimizer/reconfiguration/kernels/jit.py"), package)

    def multiply_by(value: int) -> None:
        (package / "factor.py").write_text(
            f"from kernels.jit import compiled\n@compiled\ndef factor():\n    return {value}\n"
        )

    return program, multiply_by


def test_code_is_compiled_anew_when_a_loop_in_another_file_has_changed(tmp_path: Path) -> None:
    """A function's machine code has that of the functions it calls in it."""
    program, multiply_by = program_of_two_files(tmp_path)
    for value, expected in ((2, ["42", "0"]), (2, ["42", "1"]), (3, ["63", "0"])):
        multiply_by(value)
        assert run(program, tmp_path / "cache") == expected


def without_space_for_code() -> None:
    """As if the disk had room for small files only: an index is below 2 kB, the code of a function above."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def test_old_code_is_not_used_when_the_new_one_found_no_room(tmp_path: Path) -> None:
    program, multiply_by = program_of_two_files(tmp_path)
    cache = tmp_path / "cache"
    multiply_by(2)
    assert run(program, cache) == ["42", "0"]
    multiply_by(3)
    for _ in range(2):
        assert run(program, cache, without_space_for_code) == ["63", "0"]


def test_what_other_states_of_the_loops_have_left_is_cleared_away(tmp_path: Path) -> None:
    program, multiply_by = program_of_two_files(tmp_path)
    cache = tmp_path / "cache"
    multiply_by(2)
    run(program, cache)
    files = {path.relative_to(cache) for path in cache.rglob("*.nb?")}
    multiply_by(3)
    run(program, cache)
    later = {path.relative_to(cache) for path in cache.rglob("*.nb?")}
    assert len(later) == len(files) == 4  # an index and one version of each of two functions
    assert later & files == set()


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_files_that_a_power_cut_has_cut_off_are_written_anew(tmp_path: Path, kind: str, share: float) -> None:
    program, cache = tmp_path / "program.py", tmp_path / "cache"
    program.write_text(PROGRAM)
    run(program, cache)
    (path,) = cache.rglob(f"*.{kind}")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert run(program, cache) == ["42", "0"]
    assert run(program, cache) == ["42", "1"]


def test_code_beside_the_source_goes_before_what_the_user_has(tmp_path: Path) -> None:
    """The set-up has compiled everything; who then runs it without rights to that folder finds it, home folder or not."""
    program, home = tmp_path / "program.py", tmp_path / "home"
    program.write_text(PROGRAM)
    beside = tmp_path / "__pycache__"
    home.mkdir()
    assert run(program, home, in_tree=True) == ["42", "0"]
    beside.chmod(0o555)
    try:
        assert run(program, home, without_rights, in_tree=True) == ["42", "1"]
        for left in beside.glob("*.nbi"):
            left.rename(left.with_name("program.doubled-4.py311.0123456789abcdef.nbi"))
        assert run(program, home, without_rights, in_tree=True) == ["42", "0"]
        assert run(program, home, without_rights, in_tree=True) == ["42", "1"]  # what is of other loops hinders nobody
    finally:
        beside.chmod(0o755)
