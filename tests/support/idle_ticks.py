"""How late a process is that does nothing but wait: what the machine adds to every other process's lag in the same time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

PAUSE_S = 0.02
_TICKING = f"""
import select, sys, time
longest = 0.0
while True:
    began = time.monotonic()
    if select.select([sys.stdin], [], [], {PAUSE_S})[0]:
        break
    longest = max(longest, time.monotonic() - began - {PAUSE_S})
print(longest)
"""


@dataclass
class IdleTicks:
    """What was seen in a block; valid after it."""

    longest_s: float = 0.0


@contextmanager
def idle_ticks() -> Iterator[IdleTicks]:
    """Watch the machine for the time of the block."""
    ticks = IdleTicks()
    with subprocess.Popen(
        [sys.executable, "-c", _TICKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield ticks
        finally:
            output, _ = process.communicate("over\n", timeout=30)
            ticks.longest_s = float(output)
