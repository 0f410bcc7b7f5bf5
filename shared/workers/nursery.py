"""The launcher's process: imports what children need, then forks one child for each request. Runs no asyncio and no threads.

Requests come over a Unix socket as fixed records, with the child's end of its channel attached to a request to fork; replies
go back as JSON lines. The process ends when the socket closes, and takes its children along.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import json
import os
import resource
import selectors
import signal
import socket
import struct
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

from shared.workers.calls import serve_calls
from shared.workers.channel import Channel

# kind, token or pid, niceness, limit of the address space in bytes (0: none)
REQUEST = struct.Struct("<BqqQ")
FORK, KILL = 1, 2

_PR_SET_PDEATHSIG = 1
_OUT_OF_MEMORY_SCORE = "500"


@dataclass(frozen=True)
class Plan:
    """How the process is to begin; travels as JSON on its command line."""

    control_fd: int
    preload: tuple[str, ...]
    parent_pid: int
    parent_is_main_thread: bool


def serve(plan: Plan) -> None:
    """Prepare, then answer requests until the service closes the control socket."""
    for number in (signal.SIGINT, signal.SIGTERM):  # whoever stops the service stops us through the socket
        signal.signal(number, signal.SIG_IGN)
    if plan.parent_is_main_thread:  # Linux sends the signal when the starting thread ends, not the process
        _die_with(plan.parent_pid)
    _leave_standard_streams()
    faulthandler.enable()
    with socket.socket(fileno=plan.control_fd) as control:
        _preload(control, plan.preload)
        _Nursery(control).run()


class _Nursery:
    """The children and the line to the service."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: set[int] = set()
        self._selector = selectors.DefaultSelector()
        self._wake_reading, self._wake_writing = socket.socketpair()

    def run(self) -> None:
        self._wake_reading.settimeout(0.0)
        self._wake_writing.settimeout(0.0)
        signal.set_wakeup_fd(self._wake_writing.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to have the wake-up
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._wake_reading, selectors.EVENT_READ)
        _reply(self._control, kind="ready")
        try:
            while True:
                ready = {key.fileobj for key, _ in self._selector.select()}
                if self._wake_reading in ready:
                    self._reap()
                if self._control in ready and not self._answer_one():
                    return
        except (BrokenPipeError, ConnectionResetError):
            return
        finally:
            signal.set_wakeup_fd(-1)
            for pid in self._children:
                os.kill(pid, signal.SIGKILL)
            for pid in self._children:
                os.waitpid(pid, 0)

    def _answer_one(self) -> bool:
        record, descriptors, _, _ = socket.recv_fds(self._control, REQUEST.size, 1)
        if not record:
            return False
        kind, number, niceness, memory_bytes = REQUEST.unpack(record)
        if kind == FORK:
            with socket.socket(fileno=descriptors[0]) as connection:
                self._fork(connection, number, niceness, memory_bytes)
        elif number in self._children:
            os.kill(number, signal.SIGKILL)
        return True

    def _fork(self, connection: socket.socket, token: int, niceness: int, memory_bytes: int) -> None:
        launcher_pid = os.getpid()
        try:
            pid = os.fork()
        except OSError as err:
            _reply(self._control, kind="refused", token=token, reason=str(err))
            return
        if pid:
            self._children.add(pid)
            _reply(self._control, kind="forked", token=token, pid=pid)
            return
        status = 1
        try:
            self._leave()
            _settle(launcher_pid, niceness, memory_bytes)
            serve_calls(Channel(connection))
            status = 0
        except BaseException:  # the last frame of the process: nothing above it may run in a child
            traceback.print_exc()
        finally:
            os._exit(status)

    def _leave(self) -> None:
        """Give back, in the child, what belongs to the launcher."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        self._wake_reading.close()
        self._wake_writing.close()
        self._control.close()

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_reading.recv(4096)
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._children.discard(pid)
            _reply(self._control, kind="ended", pid=pid, status=os.waitstatus_to_exitcode(status))


def _preload(control: socket.socket, modules: tuple[str, ...]) -> None:
    try:
        for name in modules:
            importlib.import_module(name)
    except BaseException as err:
        _reply(control, kind="failed", reason=f"{type(err).__name__}: {err}"[:2000])
        raise
    # What is here now is never freed; keeping the collector away from it keeps its pages shared with the children.
    gc.collect()
    gc.freeze()


def _settle(launcher_pid: int, niceness: int, memory_bytes: int) -> None:
    """Make a forked process a child that cannot outlive, starve or fill up the service."""
    _die_with(launcher_pid)
    os.nice(niceness)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    with contextlib.suppress(OSError):  # no such thing outside Linux
        Path("/proc/self/oom_score_adj").write_text(_OUT_OF_MEMORY_SCORE)


def _die_with(parent_pid: int) -> None:
    """Ask Linux to kill this process when its parent is gone; elsewhere the closed socket ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def _leave_standard_streams() -> None:
    """Standard input is closed to children, and what they print does not mix with the service's standard output."""
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)


def _reply(control: socket.socket, **fields: object) -> None:
    control.sendall(json.dumps(fields).encode() + b"\n")
