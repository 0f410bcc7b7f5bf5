"""Seeds of random tests: a new one for each run, printed, so that a failure can be had again."""

from __future__ import annotations

import os
import secrets


def new_seed(name: str) -> int:
    """A random seed, or the one of ``BUSBAR_TEST_SEED``. pytest shows the printed line when the test fails."""
    given = os.environ.get("BUSBAR_TEST_SEED")
    seed = int(given) if given else secrets.randbits(32)
    print(f"seed of {name}: {seed} (BUSBAR_TEST_SEED={seed} repeats it)")
    return seed
