"""How a process starts and ends, with services that only note what is asked of them; there is no database and no broker."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.process import Service, ServiceKind, UncleanStop, serve
from shared.settings import Settings

NOWHERE = "postgresql://busbar@127.0.0.1:1/none"


class NotedService:
    """Notes its start and stop; ``start_s`` and ``stop_s`` are how long these take."""

    def __init__(
        self,
        notes: list[str],
        *,
        start_s: float = 0.0,
        stop_s: float = 0.0,
        fails: bool = False,
        fails_to_stop: bool = False,
    ) -> None:
        self._notes = notes
        self._start_s = start_s
        self._stop_s = stop_s
        self._fails = fails
        self._fails_to_stop = fails_to_stop

    async def start(self) -> None:
        self._notes.append("starting")
        await asyncio.sleep(self._start_s)
        if self._fails:
            raise OSError("no room")
        self._notes.append("started")

    async def stop(self, *, within_s: float) -> None:
        assert within_s > 0
        if self._fails_to_stop:
            raise OSError("no end")
        await asyncio.sleep(self._stop_s)
        self._notes.append("stopped")


async def run(notes: list[str], data_dir: Path, *services: NotedService) -> None:
    def ready(begun: object) -> None:
        assert begun == list(services)
        notes.append("ready")
        os.kill(os.getpid(), signal.SIGTERM)

    def kind(service: NotedService) -> ServiceKind:
        def build(_: object) -> Service:
            return service

        return ServiceKind("noted", build)

    kinds = [kind(service) for service in services]
    async with asyncio.timeout(20):
        await serve(Settings(data_dir=data_dir), kinds, database_url=NOWHERE, ops_port=0, on_ready=ready)


async def test_a_process_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    notes: list[str] = []
    await run(notes, tmp_path, NotedService(notes))
    assert notes == ["starting", "started", "ready", "stopped"]


async def test_a_start_that_takes_long_ends_when_the_process_is_told_to(tmp_path: Path) -> None:
    notes: list[str] = []
    asyncio.get_running_loop().call_later(0.5, os.kill, os.getpid(), signal.SIGTERM)
    await run(notes, tmp_path, NotedService(notes, start_s=60))
    assert notes == ["starting", "stopped"]


async def test_what_a_failed_start_has_begun_is_ended(tmp_path: Path) -> None:
    notes: list[str] = []
    with pytest.raises(OSError, match="no room"):
        await run(notes, tmp_path, NotedService(notes, fails=True))
    assert notes == ["starting", "stopped"]


async def test_a_service_that_cannot_end_does_not_keep_the_others_from_it_and_the_process_says_so(
    tmp_path: Path,
) -> None:
    notes: list[str] = []
    services = (NotedService(notes, fails_to_stop=True), NotedService(notes, stop_s=0.3))
    with capture_logs() as logs, pytest.raises(UncleanStop):
        await run(notes, tmp_path, *services)
    assert notes == ["starting", "started", "starting", "started", "ready", "stopped"]
    (failure,) = [line for line in logs if line["event"] == "service_stop_failed"]
    assert failure["service"] == "NotedService"
    assert repr(failure["exc_info"]) == "OSError('no end')"
    assert [line["event"] for line in logs][-1] == "process_stopped", "bus and database were closed as well"


async def test_a_failed_start_is_told_of_rather_than_the_failed_stop_after_it(tmp_path: Path) -> None:
    notes: list[str] = []
    with pytest.raises(OSError, match="no room"):
        await run(notes, tmp_path, NotedService(notes, fails=True, fails_to_stop=True))
