"""Starts the embedded database, watches over it and stops it.

A thread of its own starts the server and lives as long as this process, because the kernel's promise "end this child when its
parent dies" is tied to the thread that made the child. Killed with -9, Busbar takes the server along; a server that dies alone
is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote

import asyncpg
import structlog

from shared.db.embedded.account import Account, account_for
from shared.db.embedded.binaries import Binaries, choose, reachable
from shared.db.embedded.cluster import SUPERUSER, Cluster, inherited_path
from shared.db.embedded.failures import EmbeddedPostgresFailed
from shared.db.failures import connect_failures
from shared.errors import BusbarError

log = structlog.get_logger()

DATABASE = "busbar"
PORT = 5432  # only part of the socket's name: there is no TCP
# Recovery after a power cut reads back what was written since the last checkpoint.
READY_WITHIN_S = 120.0
CONNECT_TIMEOUT_S = 5.0
RESTART_PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0)
# The kernel's limit for the path of a unix socket, without the terminating zero.
MAX_SOCKET_PATH_BYTES = 107

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "autovacuum_naptime": "15s",
    "logging_collector": "on",  # seven files, one for each day of the week
    "log_directory": "../log",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",  # the details hold customers' data
    "log_min_error_statement": "panic",
}
SETTINGS_SINCE_18 = {"io_method": "sync"}  # three processes less, which a small machine does not miss


class EmbeddedPostgres:
    """The database in a data folder. Reached through a unix socket in a folder that only its user, and root, can enter."""

    def __init__(self, data_dir: Path, *, binaries: Path | None = None) -> None:
        self._cluster = Cluster(data_dir.absolute())
        self._wanted_binaries = binaries
        self._keeper: _Keeper | None = None
        self._short_folder: Path | None = None
        self._is_abandoned = threading.Event()

    async def start(self) -> str:
        """Start the server, make the cluster at the first time, return the address of its database.

        Raises:
            DataDirInUse: another process uses the folder.
            EmbeddedPostgresFailed: there is no PostgreSQL, or it does not start.
        """
        starting = asyncio.create_task(asyncio.to_thread(self._start))
        try:
            await asyncio.shield(starting)
            await self._create_database()
        except BaseException:
            self._is_abandoned.set()
            await asyncio.gather(starting, return_exceptions=True)
            await self.stop(within_s=2.0)
            raise
        return self._url(DATABASE)

    async def join(self) -> str:
        """The address of the database that another process runs on the folder; ``stop`` leaves that one alone.

        Raises:
            DatabaseUnavailable: it does not answer, yet or any more.
        """
        self._short_folder = _short_folder_for(self._cluster.socket)
        try:
            with connect_failures():
                connection = await asyncpg.connect(self._url(DATABASE), timeout=CONNECT_TIMEOUT_S)
        except BaseException:
            await self.stop(within_s=0.0)
            raise
        await connection.close(timeout=CONNECT_TIMEOUT_S)
        return self._url(DATABASE)

    async def stop(self, *, within_s: float) -> None:
        """Stop the server: orderly, or by force when the time is almost over. Nothing committed is lost either way."""
        await asyncio.to_thread(self._stop, within_s)

    @property
    def postmaster(self) -> int | None:
        """Process id of the server, None while there is none."""
        return self._keeper.process_id if self._keeper is not None else None

    def _start(self) -> None:
        cluster = self._cluster
        try:
            cluster.lock()
            account = account_for(cluster.home)
            cluster.make_home(account)
            with cluster.held() as descriptor:
                binaries = reachable(choose(self._wanted_binaries, cluster.major()), account)
                if cluster.major() is None:
                    cluster.initialise(binaries, account, descriptor)
        except (OSError, LookupError) as error:
            raise EmbeddedPostgresFailed(f"the data folder {cluster.data_dir} cannot be used: {error}") from error
        self._short_folder = _short_folder_for(cluster.socket)
        self._keeper = _Keeper(cluster, binaries, account)
        self._keeper.start()
        self._keeper.wait_until_ready(READY_WITHIN_S, self._is_abandoned)

    def _stop(self, within_s: float) -> None:
        if self._keeper is not None:
            self._keeper.stop(within_s)
            self._keeper = None
        if self._short_folder is not None:
            shutil.rmtree(self._short_folder, ignore_errors=True)
            self._short_folder = None
        self._cluster.unlock()

    async def _create_database(self) -> None:
        connection = await asyncpg.connect(self._url("postgres"), timeout=CONNECT_TIMEOUT_S)
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)

    def _url(self, database: str) -> str:
        folder = self._cluster.socket if self._short_folder is None else self._short_folder / "s"
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(folder))}&port={PORT}"


class _Keeper(threading.Thread):
    """Starts the server, waits for its end, and starts it again unless it was told to stop."""

    def __init__(self, cluster: Cluster, binaries: Binaries, account: Account) -> None:
        super().__init__(name="embedded-postgres", daemon=True)
        self._cluster = cluster
        self._binaries = binaries
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = threading.Lock()
        self._has_been_ready = False
        self._is_stopping = threading.Event()
        self._failure: BusbarError | None = None

    @property
    def process_id(self) -> int | None:
        """Process id of the running postmaster."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def run(self) -> None:
        """The thread: one turn for each life of the server."""
        lives = 0
        while not self._is_stopping.is_set():
            self._failure = None
            try:
                status = self._live_once()
            except (BusbarError, OSError) as error:
                self._failure = EmbeddedPostgresFailed(f"the database does not start: {error}")
                status = None
            if self._is_stopping.is_set() or not self._has_been_ready:
                return
            log.error("embedded_database_ended", status=status, reason=str(self._failure or ""))
            self._is_stopping.wait(RESTART_PAUSES_S[min(lives, len(RESTART_PAUSES_S) - 1)])
            lives += 1

    def wait_until_ready(self, within_s: float, abandoned: threading.Event) -> None:
        """Return once the server accepts connections.

        Raises:
            EmbeddedPostgresFailed: it ended, or is not ready in time.
        """
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and not abandoned.is_set():
            process_id = self.process_id
            if process_id is not None and self._cluster.is_ready(process_id):
                self._has_been_ready = True
                return
            if not self.is_alive():
                raise self._failure or EmbeddedPostgresFailed(
                    f"the database in {self._cluster.home} does not start: {self._cluster.last_words()}"
                )
            time.sleep(0.01)
        raise EmbeddedPostgresFailed(f"the database in {self._cluster.home} was not ready within {within_s:g} s")

    def stop(self, within_s: float) -> None:
        """End the server: at once for its clients, with all written out if there is time, by force at the end."""
        self._is_stopping.set()
        for number, share in ((signal.SIGINT, 0.6), (signal.SIGQUIT, 0.3), (signal.SIGKILL, 0.1)):
            with self._guard, contextlib.suppress(ProcessLookupError):
                if self._process is not None:
                    self._process.send_signal(number)
            self.join(within_s * share)
            if not self.is_alive():
                return

    def _live_once(self) -> int:
        with self._cluster.held() as descriptor, self._cluster.open_start_log() as start_log:
            self._cluster.clear_leftovers(descriptor)
            command = self._command(inherited_path(self._cluster.home, descriptor))
            with self._guard:
                if self._is_stopping.is_set():
                    return 0
                self._process = self._account.launch(
                    command, stdout=start_log, stderr=subprocess.STDOUT, pass_fds=[descriptor]
                )
        return self._process.wait()

    def _command(self, home: str) -> list[str]:
        settings = SETTINGS | (SETTINGS_SINCE_18 if self._binaries.major >= 18 else {})
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return [self._binaries.postgres, "-D", f"{home}/data", "-k", f"{home}/socket", "-p", str(PORT), *options]


def _short_folder_for(socket_folder: Path) -> Path | None:
    """A new folder with a link ``s`` to a folder whose own path cannot be used in an address; None where it can."""
    if _fits(socket_folder):
        return None
    for base in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108  # mkdtemp makes it ours alone
        if os.access(base, os.W_OK) and _fits(Path(base, "busbar-xxxxxxxx", "s")):
            folder = Path(tempfile.mkdtemp(prefix="busbar-", dir=base))
            (folder / "s").symlink_to(socket_folder)
            return folder
    raise EmbeddedPostgresFailed(f"the path {socket_folder} is too long for a socket, and there is no temporary folder")


def _fits(folder: Path) -> bool:
    # A comma would separate two addresses in a URL.
    return len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= MAX_SOCKET_PATH_BYTES and "," not in str(folder)
