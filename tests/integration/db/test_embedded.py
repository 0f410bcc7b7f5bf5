from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from shared.db.embedded import ClusterVersionMismatch, DataDirInUse, EmbeddedPostgres, EmbeddedPostgresFailed
from shared.db.embedded.binaries import COPIES, package_folder
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[3]
IS_ROOT = os.geteuid() == 0


@pytest.fixture
async def started() -> AsyncIterator[Callable[[EmbeddedPostgres], EmbeddedPostgres]]:
    """Registers databases that are stopped after the test."""
    known: list[EmbeddedPostgres] = []

    def register(embedded: EmbeddedPostgres) -> EmbeddedPostgres:
        known.append(embedded)
        return embedded

    yield register
    for embedded in known:
        await embedded.stop(within_s=5.0)


@pytest.fixture
def home_folder() -> Iterator[Path]:
    """A folder below the user's home, which for root nobody else can walk through."""
    folder = Path(tempfile.mkdtemp(prefix=".busbar-test-", dir=Path.home()))
    yield folder
    shutil.rmtree(folder)


class Holder:
    """A process with an embedded database."""

    def __init__(self, folder: Path, *, python: str = sys.executable, user: int | None = None) -> None:
        path = os.pathsep.join([str(ROOT), *(entry for entry in sys.path if "site-packages" in entry)])
        identity: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [python, "-m", "tests.integration.db.embedded_holder", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            **identity,
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()

    @property
    def postmaster(self) -> int:
        return int(self.said.split()[0])

    @property
    def url(self) -> str:
        return self.said.split()[1]

    def end(self) -> None:
        """End of input: an orderly stop."""
        self.process.communicate(timeout=20)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)

    def close(self) -> None:
        """Whatever has become of it, let go of it."""
        if self.process.stdout is not None and not self.process.stdout.closed:
            self.kill()


@pytest.fixture
def hold() -> Iterator[Callable[..., Holder]]:
    """Starts processes with an embedded database, which end with the test at the latest."""
    holders: list[Holder] = []

    def start(folder: Path, **options: Any) -> Holder:  # Any: passed on
        holders.append(Holder(folder, **options))
        return holders[-1]

    yield start
    for holder in holders:
        holder.close()


async def execute(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def links_of(process: psutil.Process) -> list[Any]:  # Any: psutil's connections
    """Its network connections; none of a worker that the server has just let go."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return list(process.net_connections("inet"))
    return []


def new_processes(before: Collection[psutil.Process], folder: Path) -> list[psutil.Process]:
    """Processes that this one has started since, with theirs, and whoever on the machine works in a folder."""
    found = [child for child in psutil.Process().children() if child not in before]
    found += [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(process.info["cmdline"] or ())
    ]
    return [process for process in found if not is_gone(process.pid)]


def rights_of(*paths: Path) -> dict[Path, tuple[int, int, int]]:
    return {path: (stat.S_IMODE((s := path.stat()).st_mode), s.st_uid, s.st_gid) for path in paths}


# ------------------------------------------------------------------ start, stop, start again


async def test_data_survives_a_restart_and_starting_is_quick(
    tmp_path: Path, started: Callable[[EmbeddedPostgres], EmbeddedPostgres]
) -> None:
    seconds = []
    for count in (1, 2, 3):
        embedded = started(EmbeddedPostgres(tmp_path / "data"))
        begun = time.monotonic()
        url = await embedded.start()
        seconds.append(time.monotonic() - begun)
        await execute(url, "CREATE TABLE IF NOT EXISTS kept (n int)")
        assert await execute(url, "INSERT INTO kept VALUES (1) RETURNING (SELECT count(*) + 1 FROM kept)") == count
        await embedded.stop(within_s=5.0)
        assert embedded.postmaster is None
    # About 1.1 s and 0.2 s on an idle machine; the rest is for those that share theirs.
    assert seconds[0] < 15
    assert max(seconds[1:]) < 5


@pytest.mark.parametrize("place", ["temporary folder", "home"])
async def test_the_server_is_unprivileged_and_nothing_outside_its_folder_changes(
    place: str, tmp_path: Path, home_folder: Path, started: Callable[[EmbeddedPostgres], EmbeddedPostgres]
) -> None:
    above = tmp_path if place == "temporary folder" else home_folder
    above.chmod(0o700)
    watched = [above, *above.parents]
    before = rights_of(*watched)
    accounts = pwd.getpwall()
    embedded = started(EmbeddedPostgres(above / "share" / "busbar"))
    url = await embedded.start()
    assert await execute(url, "SELECT 1") == 1
    assert rights_of(*watched) == before
    assert pwd.getpwall() == accounts
    assert embedded.postmaster is not None
    server = psutil.Process(embedded.postmaster)
    assert server.uids().real == server.uids().effective == server.uids().saved
    assert server.uids().real == os.geteuid() or IS_ROOT
    assert server.uids().real != 0
    data_dir = above / "share" / "busbar"
    assert rights_of(data_dir)[data_dir] == (0o700, os.geteuid(), os.getegid())
    for inside in (data_dir / "postgres", data_dir / "postgres/data", data_dir / "postgres/socket"):
        assert rights_of(inside)[inside][:2] == (0o700, server.uids().real)
    # Ctrl-C at the terminal goes to the session's processes, and the database must outlive the services.
    assert os.getsid(embedded.postmaster) != os.getsid(0)


async def test_it_listens_on_a_closed_socket_and_on_no_network(
    tmp_path: Path, started: Callable[[EmbeddedPostgres], EmbeddedPostgres]
) -> None:
    embedded = started(EmbeddedPostgres(tmp_path))
    url = await embedded.start()
    assert embedded.postmaster is not None
    processes = [psutil.Process(embedded.postmaster), *psutil.Process(embedded.postmaster).children(recursive=True)]
    assert len(processes) > 2
    assert [link for process in processes for link in links_of(process)] == []
    assert await execute(url, "SHOW listen_addresses") == ""
    assert (await execute(url, "SHOW fsync"), await execute(url, "SHOW synchronous_commit")) == ("on", "on")
    assert await execute(url, "SHOW data_checksums") == "on"


@pytest.mark.parametrize("name", ["x" * 150, "commas, blanks & 100 % Ümläute?"], ids=["long", "odd"])
async def test_any_folder_name_will_do(
    name: str, tmp_path: Path, started: Callable[[EmbeddedPostgres], EmbeddedPostgres]
) -> None:
    embedded = started(EmbeddedPostgres(tmp_path / name))
    assert await execute(await embedded.start(), "SELECT 1") == 1
    await embedded.stop(within_s=5.0)
    links = Path(tempfile.gettempdir()).glob("busbar-*/s")
    assert [link for link in links if link.resolve().is_relative_to(tmp_path)] == []


async def test_stopping_does_not_wait_for_a_busy_client(
    tmp_path: Path, started: Callable[[EmbeddedPostgres], EmbeddedPostgres]
) -> None:
    embedded = started(EmbeddedPostgres(tmp_path))
    url = await embedded.start()
    client = asyncio.create_task(execute(url, "SELECT pg_sleep(60)"))
    await asyncio.sleep(0.2)
    begun = time.monotonic()
    await embedded.stop(within_s=5.0)
    assert time.monotonic() - begun < 5.0
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await client


async def test_a_start_that_is_cancelled_leaves_nothing_behind(
    tmp_path: Path, started: Callable[[EmbeddedPostgres], EmbeddedPostgres]
) -> None:
    home = tmp_path / "postgres"
    moments: list[Callable[[], bool]] = [
        lambda: True,
        (home / "data.new").exists,  # while the cluster is being made
        (home / "data" / "postmaster.pid").exists,  # while the server is starting
    ]
    before = psutil.Process().children()
    for has_come in moments:
        embedded = EmbeddedPostgres(tmp_path)
        task = asyncio.create_task(embedded.start())
        await eventually(has_come, within=20, every=0.002)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():  # the last moment is short: the start was quicker than its cancellation
            await embedded.stop(within_s=5.0)
        assert new_processes(before, tmp_path) == []
    assert await execute(await started(EmbeddedPostgres(tmp_path)).start(), "SELECT 1") == 1


# ------------------------------------------------------------------ two at once


async def test_a_second_start_on_the_same_folder_is_refused_at_once(
    tmp_path: Path, hold: Callable[..., Holder], started: Callable[[EmbeddedPostgres], EmbeddedPostgres]
) -> None:
    holder = hold(tmp_path)
    begun = time.monotonic()
    with pytest.raises(DataDirInUse, match=f"in use by process {holder.process.pid}"):
        await EmbeddedPostgres(tmp_path).start()
    assert time.monotonic() - begun < 1.0
    assert await execute(holder.url, "SELECT 1") == 1
    holder.end()
    first = started(EmbeddedPostgres(tmp_path))
    url = await first.start()
    with pytest.raises(DataDirInUse):
        await EmbeddedPostgres(tmp_path).start()
    assert hold(tmp_path).said.startswith("data_dir_in_use: ")
    assert await execute(url, "SELECT 1") == 1


# ------------------------------------------------------------------ death


async def test_killing_the_process_takes_the_server_along_and_loses_nothing_committed(
    tmp_path: Path, hold: Callable[..., Holder]
) -> None:
    holder = hold(tmp_path)
    await execute(holder.url, "CREATE TABLE kept AS SELECT 7 AS n")
    holder.kill()
    again = hold(tmp_path)  # at once, while the old server may still be ending
    assert await execute(again.url, "SELECT n FROM kept") == 7
    assert is_gone(holder.postmaster)
    again.end()
    await eventually(lambda: is_gone(again.postmaster), within=5)


async def test_a_new_start_waits_for_the_children_of_a_killed_server(
    tmp_path: Path, hold: Callable[..., Holder]
) -> None:
    holder = hold(tmp_path)
    await execute(holder.url, "CREATE TABLE kept AS SELECT 8 AS n")
    children = psutil.Process(holder.postmaster).children(recursive=True)
    client = await asyncpg.connect(holder.url)
    backend = await client.fetchval("SELECT pg_backend_pid()")
    # A backend that stands still cannot notice that its postmaster is gone; it must not write into the next one's files.
    os.kill(backend, signal.SIGSTOP)
    holder.process.kill()
    os.kill(holder.postmaster, signal.SIGKILL)
    holder.kill()
    starting = asyncio.create_task(asyncio.to_thread(hold, tmp_path))
    await asyncio.sleep(1.5)
    assert not starting.done()
    os.kill(backend, signal.SIGCONT)
    again = await starting
    assert is_gone(backend) and all(is_gone(child.pid) for child in children)
    assert await execute(again.url, "SELECT n FROM kept") == 8
    again.end()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await client.fetchval("SELECT 1")


async def test_a_server_that_dies_alone_is_started_again(
    tmp_path: Path, started: Callable[[EmbeddedPostgres], EmbeddedPostgres]
) -> None:
    embedded = started(EmbeddedPostgres(tmp_path))
    url = await embedded.start()
    await execute(url, "CREATE TABLE kept AS SELECT 9 AS n")
    first = embedded.postmaster
    assert first is not None
    os.kill(first, signal.SIGKILL)

    async def is_back() -> bool:
        try:
            return await execute(url, "SELECT n FROM kept") == 9 and embedded.postmaster not in {None, first}
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False

    await eventually(is_back, within=5)


async def test_a_pid_file_that_names_somebody_else_by_now_is_no_obstacle(
    tmp_path: Path, started: Callable[[EmbeddedPostgres], EmbeddedPostgres]
) -> None:
    embedded = started(EmbeddedPostgres(tmp_path))
    await embedded.start()
    await embedded.stop(within_s=5.0)
    data = tmp_path / "postgres" / "data"
    # A living process of the server's own user: PostgreSQL alone would take it for another server and refuse.
    owner = data.stat().st_uid
    bystander = subprocess.Popen(["sleep", "60"], user=owner if IS_ROOT else None)
    try:
        (data / "postmaster.pid").write_text(f"{bystander.pid}\n{data}\n0\n5432\n\n\n0 0\nready   \n")
        lock = tmp_path / "postgres" / "socket" / ".s.PGSQL.5432.lock"
        lock.write_text(f"{bystander.pid}\n{data}\n0\n5432\n\n")
        assert await execute(await started(EmbeddedPostgres(tmp_path)).start(), "SELECT 1") == 1
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


async def test_a_cluster_that_was_half_made_is_made_anew(
    tmp_path: Path, started: Callable[[EmbeddedPostgres], EmbeddedPostgres]
) -> None:
    half_made = tmp_path / "postgres" / "data.new" / "base"
    half_made.mkdir(parents=True)
    (half_made / "1").write_text("half")
    assert await execute(await started(EmbeddedPostgres(tmp_path)).start(), "SELECT 1") == 1
    assert not (tmp_path / "postgres" / "data.new").exists()


async def test_a_server_that_does_not_start_says_why_and_frees_the_folder(tmp_path: Path) -> None:
    embedded = EmbeddedPostgres(tmp_path)
    await embedded.start()
    await embedded.stop(within_s=5.0)
    control = tmp_path / "postgres" / "data" / "global" / "pg_control"
    content = control.read_bytes()
    control.write_bytes(b"\0" * len(content))
    with pytest.raises(EmbeddedPostgresFailed, match="incompatible with server"):
        await EmbeddedPostgres(tmp_path).start()
    control.write_bytes(content)
    embedded = EmbeddedPostgres(tmp_path)
    await embedded.start()
    await embedded.stop(within_s=5.0)


# ------------------------------------------------------------------ programs and users


async def test_a_cluster_of_another_version_is_refused_with_both_versions_named(tmp_path: Path) -> None:
    packaged = package_folder()
    embedded = EmbeddedPostgres(tmp_path, binaries=packaged)
    await embedded.start()
    await embedded.stop(within_s=5.0)
    version = (tmp_path / "postgres" / "data" / "PG_VERSION").read_text().strip()
    # Without a wish, the programs of the right version are found, whatever else there is.
    embedded = EmbeddedPostgres(tmp_path)
    assert str(await execute(await embedded.start(), "SHOW server_version")).startswith(version)
    await embedded.stop(within_s=5.0)
    (tmp_path / "postgres" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ClusterVersionMismatch, match=rf"made by PostgreSQL 17, but there is only {version}\."):
        await EmbeddedPostgres(tmp_path, binaries=packaged).start()


async def test_a_folder_without_programs_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedPostgresFailed, match=f"no PostgreSQL 15 or newer in {tmp_path}"):
        await EmbeddedPostgres(tmp_path / "data", binaries=tmp_path).start()


async def test_programs_in_a_closed_folder_are_copied_once_to_where_the_servers_user_reaches_them(
    tmp_path: Path, home_folder: Path, started: Callable[[EmbeddedPostgres], EmbeddedPostgres]
) -> None:
    packaged = package_folder()
    assert packaged is not None
    package = packaged.parents[1]
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, home_folder / part.name)
    before = set(COPIES.iterdir()) if COPIES.exists() else set()
    had_copies = COPIES.exists()
    try:
        for _ in range(2):
            embedded = started(EmbeddedPostgres(tmp_path, binaries=home_folder / package.name / "pginstall" / "bin"))
            assert await execute(await embedded.start(), "SELECT 1") == 1
            await embedded.stop(within_s=5.0)
        made = (set(COPIES.iterdir()) if COPIES.exists() else set()) - before
        assert len(made) == (1 if IS_ROOT else 0)
        assert all(rights_of(folder)[folder] == (0o755, 0, 0) for folder in made)
    finally:
        for folder in (set(COPIES.iterdir()) if COPIES.exists() else set()) - before:
            shutil.rmtree(folder)
        if COPIES.exists() and not had_copies:
            COPIES.rmdir()


async def test_an_ordinary_user_needs_no_rights_of_anybody(tmp_path: Path, hold: Callable[..., Holder]) -> None:
    if not IS_ROOT:
        holder = hold(tmp_path)
        assert psutil.Process(holder.postmaster).uids().real == os.geteuid()
        holder.end()
        return
    nobody = pwd.getpwnam("nobody").pw_uid
    python = python_for(nobody)
    with tempfile.TemporaryDirectory(prefix="busbar-test-") as folder:
        os.chown(folder, nobody, nobody)
        holder = hold(Path(folder), python=python, user=nobody)
        assert psutil.Process(holder.postmaster).uids().real == nobody
        assert await execute(holder.url, "SELECT current_user::text") == "busbar"
        holder.kill()
        again = hold(Path(folder), python=python, user=nobody)
        again.end()
        assert {path.stat().st_uid for path in Path(folder).rglob("*")} == {nobody}
        # Root takes over what an ordinary user made, and runs it as that user.
        embedded = EmbeddedPostgres(Path(folder))
        await embedded.start()
        assert embedded.postmaster is not None
        assert psutil.Process(embedded.postmaster).uids().real == nobody
        await embedded.stop(within_s=5.0)


def python_for(user: int) -> str:
    """An interpreter that the user can run with the packages of this environment; root's own may be out of its reach."""
    path = os.pathsep.join(entry for entry in sys.path if "site-packages" in entry)
    for python in (sys.executable, *map(str, Path("/usr/bin").glob("python3.1?"))):
        try:
            subprocess.run(
                [python, "-c", "import asyncpg, structlog"],
                user=user, group=user, extra_groups=[], cwd="/", env={"PYTHONPATH": path}, check=True, capture_output=True,
            )  # fmt: skip
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip("no interpreter that an unprivileged user could run")
