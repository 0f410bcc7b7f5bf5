"""Compilation: kept on disk where possible, and working all the same where not."""

from __future__ import annotations

import math
from collections.abc import Callable
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
