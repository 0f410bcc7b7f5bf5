from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.eventually import eventually_sync
from tests.support.processes import GuardedProcess, ProcessStateError

# A parent, a child in a session of its own and the child's child: what a daemon looks like.
DAEMON = (
    "import subprocess, sys, time;"
    "subprocess.Popen([sys.executable, '-c', 'import subprocess, sys, time;"
    'subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]); time.sleep(600)\'], start_new_session=True);'
    "print('up', flush=True); time.sleep(600)"
)


def start(tmp_path: Path, code: str) -> GuardedProcess:
    return GuardedProcess([sys.executable, "-c", code], env=dict(os.environ), log=tmp_path / "log")


def test_the_exit_code_and_the_log_are_kept(tmp_path: Path) -> None:
    process = start(tmp_path, "print('hello'); raise SystemExit(3)")
    assert process.wait(10) == 3
    assert "hello" in process.log_tail()
    process.close()


def test_a_process_that_does_not_end_is_reported(tmp_path: Path) -> None:
    process = start(tmp_path, "import time; time.sleep(600)")
    with pytest.raises(ProcessStateError, match="still runs"):
        process.wait(0.1)
    assert process.terminate(10) == -signal.SIGTERM
    process.close()


def test_kill_ends_the_process_alone_and_close_everything_it_started(tmp_path: Path) -> None:
    process = start(tmp_path, DAEMON)
    orphans = eventually_sync(lambda: found if len(found := process.descendants()) == 2 else None, within=15)
    process.kill()
    assert process.exit_code == -signal.SIGKILL
    assert all(orphan.is_running() for orphan in orphans)
    process.close()
    assert not any(orphan.is_running() for orphan in orphans)


def test_kill_tree_ends_daemons_too(tmp_path: Path) -> None:
    process = start(tmp_path, DAEMON)
    eventually_sync(lambda: len(process.descendants()) == 2, within=15)
    process.kill_tree()
    assert process.wait(10) == -signal.SIGKILL
    assert process.descendants() == []
    process.close()


def test_nothing_survives_when_the_tests_themselves_are_killed(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys, time;"
        "from tests.support.processes import GuardedProcess;"
        f"made = GuardedProcess([sys.executable, '-c', {DAEMON!r}], env=dict(os.environ), log=pathlib.Path({str(tmp_path / 'inner')!r}));"
        "print(made.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        inner = psutil.Process(int(tests.stdout.readline()))
        eventually_sync(lambda: len(inner.children(recursive=True)) == 2, within=15)
        everything = [inner, *inner.children(recursive=True)]
        tests.kill()
    eventually_sync(lambda: not any(process.is_running() for process in everything), within=10)


def test_pause_stops_the_clock_of_a_process_until_it_is_resumed(tmp_path: Path) -> None:
    process = start(tmp_path, "import time; time.sleep(600)")
    process.pause()
    eventually_sync(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    process.resume()
    eventually_sync(lambda: psutil.Process(process.pid).status() != psutil.STATUS_STOPPED)
    process.close()
