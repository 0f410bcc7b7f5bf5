"""Runs as a program of its own between Busbar and a program of PostgreSQL: gives up root's rights for good, asks the kernel
to end the program when Busbar dies, and becomes it.

Not imported by anything: it is started with an isolated interpreter, because doing the same between fork and exec of a process
with threads may deadlock. Arguments: user id and group id (or - -), process id of Busbar, program, its arguments.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
LAUNCH_FAILED = 126


def launch(user: str, group: str, parent: int, command: list[str]) -> None:
    """Become ``command``; returns only where Busbar is gone already."""
    os.umask(0o077)
    if user != "-":
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))
    if sys.platform == "linux":
        # After the change of user, which would undo it. SIGINT is PostgreSQL's "disconnect everybody, write all out, end".
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent:
            return
    os.execv(command[0], command)  # noqa: S606  # no shell on purpose


if __name__ == "__main__":
    try:
        launch(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
    except OSError as error:
        sys.stderr.write(f"cannot run {sys.argv[4]}: {error}\n")
    sys.exit(LAUNCH_FAILED)
