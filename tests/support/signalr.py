"""The SignalR clients of npm as programs that tests talk to. They are installed beside their lock file, once for a checkout."""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.eventually import eventually

FOLDER = Path(__file__).parents[1] / "e2e" / "signalr"
INSTALL_WITHIN_S = 240


def missing_node() -> str | None:
    """Why the clients cannot run here; None where they can."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return None


def install_clients() -> None:
    """Install what the lock file names, unless it is there; test processes wait for each other."""
    lock, stamp = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".installed"
    with (FOLDER / "package.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_bytes() == lock.read_bytes():
            return
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_WITHIN_S,
        )
        assert done.returncode == 0, done.stderr
        stamp.write_bytes(lock.read_bytes())


class NodeClient:
    """A running client; what it told is kept."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told: list[dict[str, Any]] = []

    async def read(self) -> None:
        """Keep what it tells, until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.told.append(json.loads(line))

    async def do(self, *command: object) -> None:
        """Have it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it told of one kind."""
        return [told for told in self.told if told["event"] == name]

    async def heard(self, name: str, count: int = 1, *, within: float = 30.0) -> dict[str, Any]:
        """The newest of one kind, once there are so many."""
        await eventually(lambda: len(self.events(name)) >= count, within=within, message=f"{name} of {self.told}")
        return self.events(name)[-1]

    @property
    def infos(self) -> list[dict[str, Any]]:
        """The statuses it has received."""
        assert all(told["type"] == "string" for told in self.events("status"))
        return [json.loads(told["text"]) for told in self.events("status")]


@asynccontextmanager
async def node_client(
    package: str, url: str, transport: str, session_id: str, access_token: str = ""
) -> AsyncIterator[NodeClient]:
    """A client that connects and joins a session's group."""
    arguments = (package, url, transport, session_id, *([access_token] if access_token else []))
    process = await asyncio.create_subprocess_exec(
        *("node", "client.js"),
        *arguments,
        cwd=FOLDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    client = NodeClient(process)
    reading = asyncio.create_task(client.read())
    try:
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.wait([reading], timeout=10)
        await process.wait()


if __name__ == "__main__":
    install_clients()
