"""A process that has just begun: how long until it has optimised a feeder of 33 buses, all that it loads included."""

from __future__ import annotations

import subprocess
import sys

PROMISE_S = 3.0
PROGRAM = """
import time
from benchmarks.systems import load_system
from services.optimizer.reconfiguration.optimise import optimise
from services.optimizer.reconfiguration.reduction import build_problem, reduce_configuration, reduce_network

system = load_system("baran33")
reduction = reduce_network(system.grid)
problem = build_problem(reduction, system.demands, (1e6, 0.0, 0.0, 0.0, 0.0), None)
start = reduce_configuration(reduction, system.is_open[None, :])
looks = 0

def should_stop():
    global looks
    looks += 1
    return looks > 20

running = optimise(problem, start, seed=1, should_stop=should_stop, now=time.monotonic)
first = next(running)
best = next(progress for progress in running if progress.objective < 0.7 * first.objective)
print(best.objective, time.process_time())
"""


def test_a_new_process_has_a_first_result_for_33_buses_within_three_seconds() -> None:
    """Of its time on a processor: how long others keep it waiting is not its own. The machine code is on disk, as after the set-up."""
    taken = []
    for _ in range(3):
        ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=250)
        objective, seconds = map(float, ran.stdout.split())
        assert objective < 0.7 * 202_677.0  # the loss of the configuration given, in W over an hour
        taken.append(seconds)
        if seconds < PROMISE_S:
            return
    raise AssertionError(f"{taken} s")
