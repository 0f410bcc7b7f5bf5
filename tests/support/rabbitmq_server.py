"""A RabbitMQ server of the tests' own: any port, own data folder, can be killed like a machine and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import aiormq

from tests.support.postgres_server import run_apart
from tests.support.processes import GuardedProcess, accepts_connections, free_port


def answers_amqp(url: str, timeout_s: float = 2.0) -> bool:
    """Whether a broker lets these credentials in at this address."""

    address = urlsplit(url)
    if not accepts_connections(address.hostname or "", address.port or 5672):
        return False  # the client library would log the refusal as an error

    async def ask() -> bool:
        try:
            connection = await aio_pika.connect(url, timeout=timeout_s)
        except (OSError, TimeoutError, aiormq.AMQPError):
            return False
        await connection.close()
        return True

    return run_apart(ask)


def find_server_script() -> Path | None:
    """RabbitMQ's own start script; Debian's wrapper on the path would change user and lose the environment."""
    of_debian = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if of_debian.exists():
        return of_debian
    on_path = shutil.which("rabbitmq-server")
    return Path(on_path) if on_path else None


class RabbitMqServer:
    """One broker node with the usual guest account, reachable from this machine only."""

    def __init__(self, folder: Path, script: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self.process: GuardedProcess | None = None
        self._script = script
        self._user = _broker_user()
        self._environment = self._make_environment()

    def create(self) -> None:
        """Make its folders; nothing runs yet."""
        for name in ("data", "log"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "rabbitmq.conf").write_text(
            "disk_free_limit.absolute = 50MB\nlog.console = true\nlog.console.level = info\n"
        )
        (self.folder / "rabbitmq-env.conf").write_text("")
        (self.folder / "enabled_plugins").write_text("[].\n")
        if self._user:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, self._user, self._user)

    def start(self, within_s: float = 60.0) -> None:
        """Start and wait until it lets clients in."""
        if self.process is not None:
            self.process.close()
        log = self.folder / "rabbitmq.log"
        self.process = GuardedProcess([self._script], env=self._environment, log=log, cwd=self.folder, user=self._user)
        give_up = time.monotonic() + within_s
        while not answers_amqp(self.url):
            if not self.process.is_running or time.monotonic() > give_up:
                raise RuntimeError(f"RabbitMQ did not start; {self.process.log_tail()}")
            time.sleep(0.1)

    def has_on_disk(self, queue: str) -> bool:
        """Whether the node would find this quorum queue again after a kill.

        The directory of quorum queues is written about a second after a declaration, without a way to ask for it; a queue that
        is killed before that never gets a leader again.
        """
        return any(queue.encode() in path.read_bytes() for path in self.folder.glob("data/*/quorum/*/names.dets"))

    def kill(self) -> None:
        """SIGKILL to the node and all its helpers, as when the machine stops."""
        if self.process is not None:
            self.process.kill_tree()
            self.process.wait(10.0)

    def close(self) -> None:
        """Kill what is left of it."""
        if self.process is not None:
            self.process.close()

    def _make_environment(self) -> dict[str, str]:
        # A port of its own for each of the three listeners, and every path inside the folder: nothing is shared with a broker
        # that the machine may run. One scheduler and no busy waiting, as many servers and tests share few processors.
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"busbar-test-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }


def _broker_user() -> str:
    if os.geteuid() != 0:
        return ""
    return next((entry.pw_name for entry in pwd.getpwall() if entry.pw_name == "rabbitmq"), "")
