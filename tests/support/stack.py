"""Busbar as an operator runs it, for tests: service processes on real servers, or ``busbar up`` on a folder of its own.

Every process has a port of its own and a log in the stack's folder, and everything is gone when the block ends.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tests.support import servers
from tests.support.databases import TestDatabases
from tests.support.eventually import eventually_sync
from tests.support.pgo import PgoClient
from tests.support.postgres_server import PostgresServer
from tests.support.processes import GuardedProcess, ProcessStateError, free_port
from tests.support.proxy import Mode, Proxy, ProxyLoop
from tests.support.rabbitmq_queues import delete_objects_of
from tests.support.rabbitmq_server import RabbitMqServer, answers_amqp

BUSBAR = [sys.executable, "-m", "services.cli.main"]
ROOT = Path(__file__).resolve().parents[2]
# Without the cache that the set-up makes, an optimizer compiles its kernels first, for a minute or two on a busy machine.
READY_WITHIN_S = 200.0

# Of every stack: so that what one gateway gives out, another one knows.
SECRET_KEY = "0123456789abcdef" * 4


class ServiceProcess:
    """One process of Busbar: started, killed, paused and started again at the same port.

    ``database_link`` and ``broker_link`` are its own connections, where the stack has proxies.
    """

    def __init__(self, name: str, arguments: list[str], environment: Mapping[str, str], log: Path, url: str) -> None:
        self.name = name
        self.url = url
        self.log = log
        self.database_link: Proxy | None = None
        self.broker_link: Proxy | None = None
        self._arguments = arguments
        self.environment = environment
        self._process: GuardedProcess | None = None

    @property
    def process(self) -> GuardedProcess:
        """The process of the last start."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    def start(self, *, wait: bool = True) -> None:
        """Start it, or start it again after it ended; with ``wait`` until it says that it is ready."""
        if self._process is not None:
            self._process.close()
        self._process = GuardedProcess([*BUSBAR, *self._arguments], env=self.environment, log=self.log, cwd=ROOT)
        if wait:
            self.wait_until_ready()

    def printed(self, *arguments: str, stdin: str = "") -> Any:
        """What a command prints with --json under the same settings (Any: whichever it is)."""
        done = subprocess.run(
            [*BUSBAR, *arguments, "--json"],
            cwd=ROOT,
            env=dict(self.environment),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def wait_until_ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Until its health says that work can be accepted."""

        def check() -> bool:
            if not self.process.is_running:
                raise ProcessStateError(f"{self.name} ended with {self.process.exit_code}; {self.process.log_tail()}")
            return self.is_ready()

        with self.explained():
            eventually_sync(check, within=within_s, every=0.05, message=f"{self.name} ready")

    def is_ready(self) -> bool:
        """What ``/health/ready`` says now."""
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=2) as response:
                return int(response.status) == 200
        except (OSError, urllib.error.URLError):
            return False

    def kill(self) -> None:
        """SIGKILL; what it has started is on its own then, as after any crash."""
        self.process.kill()

    def close(self) -> None:
        """Kill it and everything it has started."""
        if self._process is not None:
            self._process.close()
        for link in (self.database_link, self.broker_link):
            if link is not None:
                link.close()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Add the end of its log to a failed assertion."""
        try:
            yield
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.process.log_tail()}") from error


class Stack:
    """Services on one database and under one broker prefix. ``links`` gives each service proxies of its own."""

    def __init__(
        self,
        folder: Path,
        database_url: str,
        broker_url: str,
        *,
        links: ProxyLoop | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.database_url = database_url
        self.broker_url = broker_url
        self.prefix = f"stack-{secrets.token_hex(4)}"
        self.services: list[ServiceProcess] = []
        self._folder = folder
        self._links = links
        self._settings = dict(settings or {})

    def gateway(self, **settings: str) -> ServiceProcess:
        """A started gateway; ``settings`` are environment variables without the prefix."""
        return self.service("gateway", settings)

    def optimizer(self, **settings: str) -> ServiceProcess:
        """A started optimizer."""
        return self.service("optimizer", settings)

    def service(self, kind: str, settings: Mapping[str, str] | None = None, *, wait: bool = True) -> ServiceProcess:
        """A started process of a kind of service, by its command's name."""
        added = self._add(kind, settings or {})
        added.start(wait=wait)
        return added

    def run(self, *kinds: str) -> None:
        """Start one process for each name, all at once, and wait until they are ready."""
        for added in [self.service(kind, wait=False) for kind in kinds]:
            added.wait_until_ready()

    def of_kind(self, kind: str) -> list[ServiceProcess]:
        """The processes of one kind of service, in the order of their first start."""
        return [service for service in self.services if service.name.startswith(kind)]

    def set_database_links(self, mode: Mode) -> None:
        """Do this to every service's connections to the database."""
        for service in self.services:
            if service.database_link is not None:
                service.database_link.set(mode)

    def set_broker_links(self, mode: Mode) -> None:
        """Do this to every service's connections to the broker."""
        for service in self.services:
            if service.broker_link is not None:
                service.broker_link.set(mode)

    def close(self) -> None:
        """End everything; a broker that is there forgets the stack's queues."""
        for service in reversed(self.services):
            service.close()
        if answers_amqp(self.broker_url):
            delete_objects_of(self.broker_url, self.prefix)

    def _add(self, kind: str, settings: Mapping[str, str]) -> ServiceProcess:
        name = f"{kind}-{len(self.of_kind(kind)) + 1}"
        ops_port, port = free_port(), free_port()
        database_link, broker_link = self._link(self.database_url), self._link(self.broker_url)
        given = {"LOG_FORMAT": "json", "HOST": "127.0.0.1", "SECRET_KEY": SECRET_KEY} | self._settings | dict(settings)
        given |= {
            "OPS_PORT": str(ops_port),
            "BROKER_PREFIX": self.prefix,
            "DATABASE_URL": _through(database_link, self.database_url),
            "BROKER_URL": _through(broker_link, self.broker_url),
        }
        environment = clean_environment() | {f"BUSBAR_{key}": value for key, value in given.items()}
        is_gateway = kind == "gateway"
        added = ServiceProcess(
            name,
            [kind, "--port", str(port)] if is_gateway else [kind],
            environment,
            self._folder / f"{name}.log",
            f"http://127.0.0.1:{port if is_gateway else ops_port}",
        )
        added.database_link, added.broker_link = database_link, broker_link
        self.services.append(added)
        return added

    def _link(self, url: str) -> Proxy | None:
        target = urlsplit(url)
        if self._links is None or target.port is None:
            return None
        return self._links.open(target.port, target.hostname or "127.0.0.1")


class OwnServers:
    """A PostgreSQL and a RabbitMQ for tests that kill them."""

    def __init__(self, folder: Path) -> None:
        self.postgres = PostgresServer(folder / "postgres", servers.postgres_binaries())
        self.broker = RabbitMqServer(folder / "rabbitmq", servers.rabbitmq_script())
        self.databases = TestDatabases(self.postgres.url)

    def start(self) -> None:
        """Start both from nothing."""
        for server in (self.postgres, self.broker):
            server.create()
            server.start()

    def ensure_running(self) -> None:
        """Start again what a test has killed."""
        for server in (self.postgres, self.broker):
            if server.process is None or not server.process.is_running:
                server.start()

    def close(self) -> None:
        """Kill both."""
        for server in (self.broker, self.postgres):
            server.close()


def busbar_up(data_dir: Path, log: Path, *options: str, **settings: str) -> ServiceProcess:
    """``busbar up`` on a folder, not started yet, with no server but its own."""
    port = free_port()
    environment = clean_environment() | {f"BUSBAR_{key}": value for key, value in settings.items()}
    arguments = ["up", "--port", str(port), "--data-dir", str(data_dir), "--log-format", "json", *options]
    return ServiceProcess("up", arguments, environment, log, f"http://127.0.0.1:{port}")


def clean_environment() -> dict[str, str]:
    """This process's environment without any setting of Busbar."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BUSBAR_")}


@asynccontextmanager
async def client_of(
    service: ServiceProcess, *, timeout_s: float = 60.0, user: str | None = None
) -> AsyncIterator[PgoClient]:
    """A client of a gateway; a failed assertion inside the block shows the gateway's log."""
    async with PgoClient(service.url, timeout_s=timeout_s, user=user) as client:
        with service.explained():
            yield client


def _through(link: Proxy | None, url: str) -> str:
    if link is None:
        return url
    parts = urlsplit(url)
    credentials, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{credentials}{at}127.0.0.1:{link.port}"))
