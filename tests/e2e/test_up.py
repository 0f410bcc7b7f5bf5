"""``busbar up`` on a folder: it ends when told, finds everything again, survives its own death, and keeps a second one out."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.eventually import eventually_sync
from tests.support.feeders import baran_wu_33
from tests.support.pgo import PgoClient, open_lines
from tests.support.stack import BUSBAR, ROOT, ServiceProcess, busbar_up, clean_environment, client_of

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def up(tmp_path: Path, folder: Path) -> Iterator[ServiceProcess]:
    made = busbar_up(folder, tmp_path / "up.log")
    try:
        made.start()
        yield made
    finally:
        made.close()


async def work(client: PgoClient) -> None:
    """A network and two sessions: one at rest, one running and proven."""
    feeder = baran_wu_33()
    (await client.load_network("feeder", feeder.network)).expect(201)
    for name in ("at rest", "running"):
        (await client.create_session(name, "feeder", feeder.demands, feeder.start)).expect(201)
    (await client.start("running")).expect(200)
    await client.proven("running", within=20)


async def expect_everything(client: PgoClient) -> None:
    """What ``work`` has left, as it was."""
    server = (await client.server()).expect(200).json()
    assert server["networks"] == ["feeder"]
    assert {s["id"]: s["optimizationIsRunning"] for s in server["sessions"]} == {"at rest": False, "running": True}
    assert open_lines((await client.best("running")).expect(200).json()) == ["7", "9", "14", "32", "37"]
    assert (await client.session("at rest")).json()["bestSolutionValue"] == pytest.approx(202_677, rel=1e-4)
    assert (await client.proven("running", within=20))["objective_value"] == pytest.approx(139_551, rel=1e-4)
    # It still runs, and can be stopped: somebody has taken it up again.
    (await client.stop("running")).expect(200)
    assert not await client.is_running("running")
    (await client.start("at rest")).expect(200)
    await client.proven("at rest", within=20)


def test_it_announces_its_address_on_one_line(embedded: ServiceProcess) -> None:
    lines = [line for line in embedded.log.read_text("utf-8").splitlines() if not line.startswith("{")]
    assert lines == [f"Busbar is ready at {embedded.url}"]


async def test_sigterm_ends_it_in_time_with_all_its_processes_and_the_next_start_finds_everything(
    up: ServiceProcess,
) -> None:
    async with client_of(up) as client:
        await work(client)
    began = time.monotonic()
    assert up.process.terminate(10) == 0
    assert time.monotonic() - began < 10
    assert up.process.descendants() == []
    up.start()
    async with client_of(up) as client:
        await expect_everything(client)
    # Ctrl-C is as good.
    up.process.signal(signal.SIGINT)
    assert up.process.wait(10) == 0
    assert up.process.descendants() == []


async def test_after_kill_9_nothing_is_left_running_and_the_next_start_finds_everything(up: ServiceProcess) -> None:
    async with client_of(up) as client:
        await work(client)
    up.kill()
    # Its database and its workers notice by themselves.
    eventually_sync(lambda: up.process.descendants() == [], within=10, message="orphans gone")
    up.start()
    async with client_of(up) as client:
        await expect_everything(client)


async def test_a_start_right_after_kill_9_does_not_stumble_over_orphans(up: ServiceProcess, folder: Path) -> None:
    async with client_of(up) as client:
        await work(client)
    orphaned = up.process
    orphaned.kill()
    again = subprocess.Popen(
        [*BUSBAR, "up", "--port", up.url.rpartition(":")[2], "--data-dir", str(folder)],
        env=clean_environment(),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually_sync(up.is_ready, within=60, message="ready again")
        async with PgoClient(up.url) as client:
            await expect_everything(client)
    finally:
        again.terminate()
        assert again.wait(15) == 0


def second_start(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Another ``busbar up`` that is expected to end by itself."""
    return subprocess.run(
        [*BUSBAR, "up", *arguments],
        env=clean_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def test_a_second_start_on_the_same_folder_says_so_and_ends_with_2(embedded: ServiceProcess) -> None:
    folder = embedded.log.with_name("data")
    second = second_start("--port", "0", "--data-dir", str(folder))
    assert second.returncode == 2
    assert str(folder) in second.stderr
    assert embedded.is_ready()


def test_a_port_that_is_taken_is_named_and_ends_it(embedded: ServiceProcess, folder: Path) -> None:
    port = embedded.url.rpartition(":")[2]
    second = second_start("--port", port, "--data-dir", str(folder))
    assert second.returncode == 1
    assert port in second.stderr
    assert "Traceback" not in second.stderr
