"""The optimizer's own process only waits; what computes, and all that it needs, is in its children."""

from __future__ import annotations

import subprocess
import sys


def test_the_service_imports_no_solver() -> None:
    code = (
        "import sys, services.optimizer.main\nprint(sorted({'numpy', 'numba', 'scipy', 'llvmlite'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
