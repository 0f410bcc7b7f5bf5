"""``python -m tests.support.run [--own-servers] [PYTEST ARGUMENTS]``: the tests on a real PostgreSQL and a real RabbitMQ.

The exit status is pytest's. With ``--own-servers`` both are started for the run even where others listen. All tests, or whole
levels of them, are spread over processes (``tests/support/parallel.py``); anything narrower, and any option beyond how much is
shown, is one process's work, as with plain pytest.

Environment, all optional: ``BUSBAR_TEST_WORKERS`` is the number of processes (usually two for each processor; 1 for one after the
other, in pytest's own order); ``BUSBAR_TEST_DATABASE_URL`` and ``BUSBAR_TEST_BROKER_URL`` name servers with every right;
``BUSBAR_TEST_SEED`` repeats a random test; ``BUSBAR_TEST_CHAOS_FULL=1`` makes outages as long as the promises say.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tests.support.servers import ServersMissingError, available

TESTS = Path(__file__).resolve().parents[1]
# What `make` knows as one level; of smaller folders the start of the processes would be most of the time.
WHOLE = {TESTS, *(TESTS / level for level in ("unit", "contract", "integration", "e2e", "chaos"))}
OPTIONS_OF_OUTPUT = ("-q", "-v", "-r", "--durations", "--tb", "--color", "--junit-xml", "--junitxml")
MOST_WORKERS = 8


def main(arguments: list[str]) -> int:
    """Run pytest with these arguments; servers that had to be started are stopped afterwards."""
    # A polite end from outside unwinds the blocks below, so that servers and temporary folders go too.
    signal.signal(signal.SIGTERM, _leave)
    is_own = "--own-servers" in arguments
    arguments = [argument for argument in arguments if argument != "--own-servers"]
    try:
        with available(own=is_own) as endpoints:
            environment = os.environ | {
                "BUSBAR_TEST_DATABASE_URL": endpoints.database_url,
                "BUSBAR_TEST_BROKER_URL": endpoints.broker_url,
            }
            command = [sys.executable, "-m", "pytest", *spread(arguments), *arguments]
            with subprocess.Popen(command, env=environment) as pytest:
                try:
                    return pytest.wait()
                except (KeyboardInterrupt, SystemExit):
                    pytest.send_signal(signal.SIGINT)
                    pytest.wait(timeout=60)
                    raise
    except ServersMissingError as missing:
        print(missing, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def spread(arguments: Sequence[str]) -> list[str]:
    """The options that spread these tests over processes; none for a narrow selection."""
    workers = int(os.environ.get("BUSBAR_TEST_WORKERS") or min(2 * (os.cpu_count() or 1), MOST_WORKERS))
    paths = [argument for argument in arguments if not argument.startswith(OPTIONS_OF_OUTPUT)]
    if workers < 2 or not all(Path(path).resolve() in WHOLE for path in paths):
        return []
    options = ["-p", "tests.support.parallel", "-n", str(workers), "--dist", "loadscope", "--no-loadscope-reorder"]
    return [*options, "--max-worker-restart", str(workers), "--durations", "25"]


def _leave(signum: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
