"""Runs one command and makes sure that nothing of it outlives the tests, however these end. Run as a script, in its own process.

It adopts every descendant of the command (also daemons), reports on a pipe, and takes orders on its standard input: ``k`` kills
all descendants; the end of the input (the tests are over, or were killed) kills them too and ends the guardian.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
KILL_WITHIN_S = 10.0


def main() -> None:
    """``guardian.py REPORT_FD USER COMMAND...``; an empty user means the present one."""
    report_fd, user, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    os.set_inheritable(report_fd, False)
    child = _spawn(command, user)
    os.write(report_fd, f"pid {child}\n".encode())
    while True:
        ready, _, _ = select.select([0, wake_read], [], [], 5.0)
        if wake_read in ready:
            os.read(wake_read, 4096)
        _reap(child, report_fd)
        if 0 in ready:
            order = os.read(0, 4096)
            _kill_descendants(child, report_fd)
            if not order:
                return
            os.write(report_fd, b"killed\n")


def _spawn(command: list[str], user: str) -> int:
    def before_exec() -> None:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(signum, signal.SIG_DFL)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    identity: dict[str, object] = {}
    if user:
        identity = {"user": user, "group": user, "extra_groups": []}
    process = subprocess.Popen(  # type: ignore[call-overload]  # the identity's keys are known above
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=before_exec,  # noqa: PLW1509  # the guardian has one thread
        **identity,
    )
    pid: int = process.pid
    process.returncode = 0  # the loop above reaps it, not this object
    return pid


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _reap(child: int, report_fd: int) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid == child:
            os.write(report_fd, f"exit {os.waitstatus_to_exitcode(status)}\n".encode())


def _kill_descendants(child: int, report_fd: int) -> None:
    give_up = time.monotonic() + KILL_WITHIN_S
    while time.monotonic() < give_up:
        descendants = psutil.Process().children(recursive=True)
        for process in descendants:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        _reap(child, report_fd)
        if not descendants:
            return
        time.sleep(0.01)


if __name__ == "__main__":
    main()
