"""The cluster's folder: what is where, who may use it, and how it is made.

``DIR/postgres`` belongs to the user that PostgreSQL runs under; nothing outside it changes its owner or mode. As root, that user
often cannot walk to it (``/root`` and temporary folders are closed to others), so the programs get the folder as an open file
descriptor and name it by that, ``/proc/self/fd/N``, which needs no rights on the folders above. The same descriptor carries a
lock that every server process inherits: as long as one of them lives, also after its postmaster was killed, the lock is held.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from shared.db.embedded.account import Account
from shared.db.embedded.binaries import Binaries
from shared.db.embedded.failures import DataDirInUse, EmbeddedPostgresFailed

SUPERUSER = "busbar"
INIT_TIMEOUT_S = 120.0
# A server that lost its Busbar is ending by itself; if it takes longer than this it is told again, and more firmly.
ORPHAN_TIMEOUTS_S = ((3.0, signal.SIGINT), (6.0, signal.SIGQUIT), (9.0, signal.SIGKILL))
ORPHAN_GONE_WITHIN_S = 12.0
TAIL_BYTES = 2000


class Cluster:
    """One cluster in one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.home = data_dir / "postgres"
        self.data = self.home / "data"
        self.socket = self.home / "socket"
        self.start_log = (
            data_dir / "postgres-start.log"
        )  # ours to write, so not where the server's user could put a link
        self._lock: int | None = None
        self._launched_at = 0.0

    def lock(self) -> None:
        """Claim the data folder for this process.

        Raises:
            DataDirInUse: another process has it.
        """
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        if not _try_lock(lock):
            holder = os.read(lock, 20).decode("ascii", "replace").strip()
            os.close(lock)
            raise DataDirInUse(f"the data folder {self.data_dir} is in use by process {holder or '?'}")
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock

    def unlock(self) -> None:
        """Give the data folder up."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def major(self) -> int | None:
        """Major version of PostgreSQL that made the cluster, None before there is one."""
        try:
            return int((self.data / "PG_VERSION").read_text("ascii"))
        except FileNotFoundError:
            return None

    def make_home(self, account: Account) -> None:
        """Make the folder that belongs to the account, where it is not there yet."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        if not account.owns(self.home):
            account.give(self.home)
        for folder in (self.socket, self.home / "log"):
            if not folder.exists():
                folder.mkdir(mode=0o700)
                account.give(folder)

    @contextlib.contextmanager
    def held(self) -> Iterator[int]:
        """An open, locked descriptor of the cluster's folder, for programs to inherit; waits for those of before to be gone.

        Raises:
            DataDirInUse: they do not end.
        """
        descriptor = os.open(self.home, os.O_RDONLY | os.O_DIRECTORY)
        try:
            started = time.monotonic()
            due = list(ORPHAN_TIMEOUTS_S)
            while not _try_lock(descriptor):
                waited_s = time.monotonic() - started
                if waited_s > ORPHAN_GONE_WITHIN_S:
                    raise DataDirInUse(f"a database server that was started before still runs in {self.home}")
                if due and waited_s > due[0][0]:
                    self._signal_orphan(due.pop(0)[1])
                time.sleep(0.02)
            yield descriptor
        finally:
            os.close(descriptor)

    def clear_leftovers(self, descriptor: int) -> None:
        """Delete what a killed server left; its process id may belong to somebody else by now. Only while the lock is held."""
        # Below the home another user may write: nothing may lead root elsewhere through a link.
        for name, is_leftover in (("data", "postmaster.pid".__eq__), ("socket", lambda _: True)):
            folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
            try:
                for leftover in filter(is_leftover, os.listdir(folder)):  # noqa: PTH208  # of a descriptor
                    os.unlink(leftover, dir_fd=folder)
            finally:
                os.close(folder)

    def initialise(self, binaries: Binaries, account: Account, descriptor: int) -> None:
        """Make the cluster; a half-made one of a killed process is thrown away first."""
        half_made = self.home / "data.new"
        shutil.rmtree(half_made, ignore_errors=True)
        command = [binaries.initdb, "--pgdata", f"{inherited_path(self.home, descriptor)}/data.new"]
        command += ["--username", SUPERUSER, "--auth-local=trust", "--auth-host=reject"]
        command += ["--encoding=UTF8", "--no-locale", "--data-checksums", "--no-instructions"]
        with self.open_start_log() as log:
            process = account.launch(command, stdout=log, stderr=subprocess.STDOUT, pass_fds=[descriptor])
            try:
                status = process.wait(INIT_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
        if status != 0:
            raise EmbeddedPostgresFailed(f"the database cannot be made in {self.home}: {self.last_words()}")
        half_made.rename(self.data)
        os.fsync(descriptor)

    def open_start_log(self) -> BinaryIO:
        """Where initdb, and the server until it has a log of its own, say what they have to say; the last time's is gone."""
        self._launched_at = time.time()
        return self.start_log.open("wb")

    def is_ready(self, postmaster: int) -> bool:
        """Whether a postmaster accepts connections, by what it writes into its own file."""
        lines = self._pid_file()
        return len(lines) >= 8 and lines[0] == str(postmaster) and lines[7].strip() == "ready"

    def last_words(self) -> str:
        """The end of what initdb or the server said since it was launched."""
        logs = [log for log in (self.home / "log").glob("*.log") if log.lstat().st_mtime >= self._launched_at]
        texts = [_end_of(path) for path in (self.start_log, *logs)]
        return "\n".join(text.strip() for text in texts if text.strip())

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return []

    def _signal_orphan(self, number: signal.Signals) -> None:
        """Tell the server of before to end, if the process of that id is really it."""
        lines = self._pid_file()
        if not lines or not lines[0].isdigit():
            return
        with contextlib.suppress(OSError):
            where = Path("/proc", lines[0], "cwd") if sys.platform == "linux" else None
            if where is None or where.samefile(self.data):
                os.kill(int(lines[0]), number)


def inherited_path(folder: Path, descriptor: int) -> str:
    """A name of a folder for a program that inherits its descriptor, whatever the rights on the folders above."""
    path = f"/proc/self/fd/{descriptor}"
    return path if os.path.isdir(path) else str(folder)  # noqa: PTH112  # a magic link: pathlib would resolve it


def _end_of(path: Path) -> str:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            file.seek(max(0, path.lstat().st_size - TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
