"""The set-up step that compiles every loop."""

from __future__ import annotations

import subprocess
import sys


def test_warming_up_as_a_program_says_so_in_one_line() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "services.optimizer.reconfiguration.warm"],
        capture_output=True,
        text=True,
        check=True,
        timeout=250,
    )
    assert ran.stdout.startswith("optimiser: every loop is compiled")
    assert ran.stdout.count("\n") == 1
    assert ran.stderr == ""
