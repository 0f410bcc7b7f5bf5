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


def run(program: Path, cache: Path, before: Callable[[], None] | None = None) -> list[str]:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
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


def test_code_is_compiled_anew_when_a_loop_in_another_file_has_changed(tmp_path: Path) -> None:
    """A function's machine code has that of the functions it calls in it."""
    program, cache = tmp_path / "program.py", tmp_path / "cache"
    program.write_text(
        "from kernels.jit import compiled\nfrom kernels.factor import factor\n"
        "@compiled\ndef scaled(value):\n    return factor() * value\n"
        "print(scaled(21), sum(scaled.stats.cache_hits.values()))\n"
    )
    package = tmp_path / "kernels"
    package.mkdir()
    shutil.copy(Path("services/optimizer/reconfiguration/kernels/jit.py"), package)
    source = "from kernels.jit import compiled\n@compiled\ndef factor():\n    return {}\n"
    for value, expected in ((2, ["42", "0"]), (2, ["42", "1"]), (3, ["63", "0"])):
        (package / "factor.py").write_text(source.format(value))
        assert run(program, cache) == expected
