from __future__ import annotations

import subprocess
import sys

HEAVY = ("numpy", "scipy", "numba", "pandas", "pint", "ortools", "highspy", "django")


def test_the_gateway_imports_no_solver_and_nothing_heavy() -> None:
    program = f"""
import sys
import services.gateway.main
from services.gateway.web.pages import read_pages
assert len(read_pages().swagger_ui) == 4
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
