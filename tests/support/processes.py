"""Processes that the tests start, signal and watch; each has a guardian, so that nothing is left when the tests are over."""

from __future__ import annotations

import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

GUARDIAN = Path(__file__).with_name("guardian.py")
_handed_out: set[int] = set()


class ProcessStateError(RuntimeError):
    """A process ended, or did not end, against the test's expectation; the message ends with its log."""


# Below those that systems give to outgoing connections, of which one could take a port before its server does. The tests' processes
# side by side have a part each.
FIRST_PORT = 12_000
PORTS_OF_A_WORKER = 2_500
WORKERS_WITH_PORTS = 8


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on; never the same one twice in one run."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS_WITH_PORTS
    first = FIRST_PORT + worker * PORTS_OF_A_WORKER
    while True:
        port = first + secrets.randbelow(PORTS_OF_A_WORKER)
        if port not in _handed_out and _is_free(port):
            _handed_out.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a connection that has just ended does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def accepts_connections(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), timeout_s).close()
    except OSError:
        return False
    return True


class GuardedProcess:
    """A command in a session of its own. ``pid`` is the command's own process, not the guardian's."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        log: Path,
        cwd: Path | None = None,
        user: str = "",
    ) -> None:
        self.log = log
        self.command = [str(part) for part in command]
        self._exit_code: int | None = None
        self._reports = b""
        self._report_fd, report_write = os.pipe()
        with log.open("ab") as output:
            self._guardian = subprocess.Popen(
                [sys.executable, str(GUARDIAN), str(report_write), user, *self.command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=dict(env),
                cwd=cwd,
                pass_fds=[report_write],
                start_new_session=True,
            )
        os.close(report_write)
        self.pid = int(self._next_report("pid", 20.0))

    @property
    def exit_code(self) -> int | None:
        """None while it runs; the negative signal number where a signal ended it."""
        self._read_reports(0.0)
        return self._exit_code

    @property
    def is_running(self) -> bool:
        """Whether the command's own process is there."""
        return self.exit_code is None

    def wait(self, within_s: float) -> int:
        """The exit code, once it ended by itself or by a signal.

        Raises:
            ProcessStateError: it still runs after ``within_s``.
        """
        give_up = time.monotonic() + within_s
        while self.exit_code is None:
            left = give_up - time.monotonic()
            if left <= 0:
                raise ProcessStateError(f"{self.command[:4]} still runs after {within_s} s; {self.log_tail()}")
            self._read_reports(min(left, 0.5))
        assert self._exit_code is not None
        return self._exit_code

    def signal(self, signum: int) -> None:
        """Send a signal to the command's own process; nothing if it has ended."""
        if self.is_running:
            os.kill(self.pid, signum)

    def terminate(self, within_s: float) -> int:
        """SIGTERM and wait for the end."""
        self.signal(signal.SIGTERM)
        return self.wait(within_s)

    def kill(self) -> None:
        """SIGKILL to the command's own process alone, as the kernel's out-of-memory killer would."""
        self.signal(signal.SIGKILL)
        self.wait(10.0)

    def kill_tree(self) -> None:
        """SIGKILL to everything that the command ever started."""
        if self._guardian.poll() is None and self._guardian.stdin is not None:
            self._guardian.stdin.write(b"k")
            self._guardian.stdin.flush()
            self._next_report("killed", 15.0)

    def pause(self) -> None:
        """SIGSTOP: the process stands still, its connections stay open."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def descendants(self) -> list[psutil.Process]:
        """Processes that the command has started and that are still there, orphans included."""
        return [p for p in psutil.Process(self._guardian.pid).children(recursive=True) if p.pid != self.pid]

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of its log that are about trouble, for a failing test's message."""
        text = self.log.read_text(errors="replace").splitlines()
        troubled = [line[:2000] for line in text if '"level":"info"' not in line]
        return f"{self.log}:\n" + "\n".join(troubled[-lines:])

    def close(self) -> None:
        """Kill everything that is left and wait until it is gone."""
        if self._guardian.stdin is not None and not self._guardian.stdin.closed:
            self._guardian.stdin.close()
            self._guardian.wait(20.0)
            self._read_reports(0.0)
            os.close(self._report_fd)
            if self._exit_code is None:
                self._exit_code = -signal.SIGKILL

    def _next_report(self, kind: str, within_s: float) -> str:
        give_up = time.monotonic() + within_s
        while time.monotonic() < give_up:
            for line in self._read_reports(0.2):
                if line.startswith(kind):
                    return line.removeprefix(kind).strip()
        raise ProcessStateError(f"no '{kind}' from the guardian of {self.command[:4]}; {self.log_tail()}")

    def _read_reports(self, wait_s: float) -> list[str]:
        if self._guardian.stdin is None or self._guardian.stdin.closed:
            return []
        lines: list[str] = []
        while select.select([self._report_fd], [], [], wait_s)[0]:
            data = os.read(self._report_fd, 4096)
            if not data:
                break
            *whole, self._reports = (self._reports + data).split(b"\n")
            lines += [line.decode() for line in whole]
            wait_s = 0.0
        for line in lines:
            if line.startswith("exit "):
                self._exit_code = int(line.removeprefix("exit "))
        return lines
