"""The service's hold on the launcher's process: starts it, asks it for children, hears of their ends, ends it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from shared.errors import WorkerDied
from shared.settings import PREFIX
from shared.workers.calls import Call
from shared.workers.child import Child, ChildProcess
from shared.workers.nursery import FORK, KILL, REQUEST, Plan

# Preloading compiles kernels when their cache is cold, which takes a minute on a slow machine.
_FORK_WITHIN_S = 180.0
_END_WITHIN_S = 5.0
# A launcher that could not prepare is not started again sooner.
_RETRY_AFTER_S = 2.0

_BOOT = (
    "import json, sys; boot = json.loads(sys.argv[1]); sys.path[:] = boot['path']; "
    "from shared.workers.nursery import Plan, serve; serve(Plan(**boot['plan']))"
)
# Each child is one thread; libraries that start a thread per core on import would have them in every child.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


class Launcher:
    """A process from which children are forked. Starts again by itself, at the next fork, if it should die."""

    def __init__(self, *, preload: Sequence[str] = ()) -> None:
        self._preload = tuple(preload)
        self._run: _LauncherRun | None = None
        self._failed_at = -_RETRY_AFTER_S
        self._failure = ""
        self._one_fork_at_a_time = asyncio.Lock()
        self._is_closed = False

    async def start(self) -> None:
        """Start the process and return at once; forks wait until it has imported what children need."""
        self._running()

    async def ready(self) -> None:
        """Wait until children can be forked.

        Raises:
            WorkerDied: the launcher could not prepare.
        """
        await asyncio.shield(self._running().is_ready)

    @property
    def is_ready(self) -> bool:
        """Whether a child could be forked at once."""
        run = self._run
        return run is not None and run.is_ready.done() and not run.has_ended and not run.is_ready.exception()

    @property
    def pid(self) -> int | None:
        """The launcher's process."""
        return self._run.process.pid if self._run else None

    async def fork(self, *, niceness: int = 0, memory_bytes: int = 0) -> ChildProcess:
        """A new child that waits for calls.

        Raises:
            WorkerDied: the launcher could not prepare or fork, or ended meanwhile.
        """
        async with self._one_fork_at_a_time:
            try:
                async with asyncio.timeout(_FORK_WITHIN_S):
                    await self.ready()
                    return await self._running().fork(niceness, memory_bytes)
            except TimeoutError:
                raise WorkerDied("The launcher of child processes did not answer.") from None

    async def spawn(
        self, function: Callable[..., object], *args: object, nice: int = 10, memory_bytes: int = 0
    ) -> Child:
        """Start ``function(channel, *args)``, a picklable top-level function, in a child of its own."""
        process = await self.fork(niceness=nice, memory_bytes=memory_bytes)
        try:
            await process.write(Call(function, args, with_channel=True))
        except BaseException:
            process.kill()
            raise
        return Child(process)

    async def close(self) -> None:
        """End all children and the launcher."""
        self._is_closed = True
        if self._run is not None:
            await self._run.close()

    def _running(self) -> _LauncherRun:
        if self._is_closed:
            raise WorkerDied("The launcher of child processes is closed.")
        now = asyncio.get_running_loop().time()
        if self._run is not None and self._run.has_ended:
            if self._run.failure:
                self._failed_at, self._failure = now, self._run.failure
            self._run = None
        if self._run is None:
            if now - self._failed_at < _RETRY_AFTER_S:
                raise WorkerDied(f"Child processes cannot be started: {self._failure}")
            self._run = _LauncherRun(self._preload)
        return self._run


class _LauncherRun:
    """One life of the launcher's process."""

    def __init__(self, preload: tuple[str, ...]) -> None:
        self.is_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.has_ended = False
        self.failure = ""
        self._children: dict[int, ChildProcess] = {}
        self._forks: dict[int, asyncio.Future[int]] = {}
        self._tokens = itertools.count(1)
        self._control, theirs = socket.socketpair()
        self._control.settimeout(0.0)
        with theirs:
            self.process = _start_process(theirs.fileno(), preload)
        self._listening = asyncio.create_task(self._listen(), name="child launcher")

    async def fork(self, niceness: int, memory_bytes: int) -> ChildProcess:
        ours, theirs = socket.socketpair()
        token = next(self._tokens)
        forked = self._forks[token] = asyncio.get_running_loop().create_future()
        try:
            with theirs:
                socket.send_fds(self._control, [REQUEST.pack(FORK, token, niceness, memory_bytes)], [theirs.fileno()])
            pid = await forked
            child = self._children[pid]
            # A child forked for a caller that has gone ends by itself, since nobody holds the other end of its channel.
            await child.open(ours)
        except OSError as err:
            ours.close()
            raise WorkerDied("The launcher of child processes is gone.") from err
        except BaseException:
            ours.close()
            raise
        finally:
            self._forks.pop(token, None)
        return child

    def kill(self, pid: int) -> None:
        """Have the launcher kill a child; as its parent it knows that the number is still that child's."""
        if pid in self._children:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # then the child is dead as well
                self._control.send(REQUEST.pack(KILL, pid, 0, 0))

    async def close(self) -> None:
        for child in self._children.values():
            child.close()
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            await asyncio.wait_for(asyncio.shield(self._listening), _END_WITHIN_S)
        except TimeoutError:
            self.process.kill()
            await self._listening

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        received = b""
        try:
            while data := await loop.sock_recv(self._control, 65536):
                *lines, received = (received + data).split(b"\n")
                for line in lines:
                    self._hear(**json.loads(line))
        except ConnectionResetError:
            pass
        finally:
            self._end()
            await asyncio.to_thread(self._reap)

    def _hear(self, kind: str, token: int = 0, pid: int = 0, status: int = 0, reason: str = "") -> None:
        if kind == "ready":
            self.is_ready.set_result(None)
        elif kind == "failed":
            self.failure = reason
        elif kind == "forked":
            self._children[pid] = ChildProcess(pid, self.kill)
            self._settle(token, pid)
        elif kind == "refused":
            self._settle(token, WorkerDied(f"A child process cannot be forked: {reason}"))
        elif kind == "ended":
            self._children.pop(pid).note_end(status)

    def _settle(self, token: int, outcome: int | WorkerDied) -> None:
        waiting = self._forks.get(token)
        if waiting is None or waiting.done():
            return
        if isinstance(outcome, int):
            waiting.set_result(outcome)
        else:
            waiting.set_exception(outcome)

    def _end(self) -> None:
        self.has_ended = True
        gone = WorkerDied(f"The launcher of child processes ended. {self.failure}".strip())
        if not self.is_ready.done():
            self.is_ready.set_exception(gone)
            self.is_ready.exception()  # nobody need be waiting
        for token in self._forks:
            self._settle(token, gone)
        for child in self._children.values():
            child.note_end(-signal.SIGKILL)
        self._children.clear()
        self._control.close()

    def _reap(self) -> None:
        try:
            self.process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _start_process(control_fd: int, preload: tuple[str, ...]) -> subprocess.Popen[bytes]:
    is_main = threading.current_thread() is threading.main_thread()
    plan = Plan(control_fd=control_fd, preload=preload, parent_pid=os.getpid(), parent_is_main_thread=is_main)
    boot = json.dumps({"path": [entry or os.getcwd() for entry in sys.path], "plan": asdict(plan)})  # noqa: PTH109
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
        [sys.executable, "-c", _BOOT, boot],
        pass_fds=[control_fd],
        env=_without_settings(os.environ) | _ONE_THREAD,
        start_new_session=True,  # Ctrl-C on the terminal is for the service, which stops its children in order
    )


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Children are told what they need; passwords and keys that stand in the environment are not for them."""
    return {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
