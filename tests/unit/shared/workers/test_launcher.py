"""Children for long work, and the life of the launcher: nothing is left behind, whoever dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.errors import InvalidInput, WorkerDied
from shared.workers import Child, Launcher, WorkerPool
from tests.support.eventually import eventually, eventually_sync
from tests.unit.shared.workers import functions
from tests.unit.shared.workers.conftest import MEMORY_BYTES, no_children_of


async def messages_of(child: Child) -> list[Any]:
    return [message async for message in child.messages()]


async def test_messages_arrive_in_order_until_the_function_returns(launcher: Launcher) -> None:
    child = await launcher.spawn(functions.count_to, 1000)
    assert await messages_of(child) == list(range(1, 1001))
    await no_children_of(launcher)


async def test_a_child_of_long_work_gives_way_to_others(launcher: Launcher) -> None:
    child = await launcher.spawn(functions.say_pid_and_be_deaf, nice=7)
    async for pid in child.messages():
        assert pid == child.pid
        assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + 7
        break
    child.kill()
    await no_children_of(launcher)


async def test_a_hundred_children_take_no_thread_each(launcher: Launcher) -> None:
    threads = psutil.Process().num_threads()
    children = [await launcher.spawn(functions.work_until_stopped, number) for number in range(100)]
    streams = [child.messages() for child in children]
    assert [await anext(stream) for stream in streams] == list(range(100))
    assert psutil.Process().num_threads() <= threads + 2
    stopping = [asyncio.create_task(child.stop(within_s=20)) for child in children]
    assert [[message async for message in stream] for stream in streams] == [["stopping"]] * 100
    assert all(await asyncio.gather(*stopping))
    await no_children_of(launcher)


async def test_stopping_is_fast_and_lets_the_function_finish(launcher: Launcher) -> None:
    child = await launcher.spawn(functions.work_until_stopped, 7)
    reading = asyncio.create_task(messages_of(child))
    begun = time.monotonic()
    assert await child.stop(within_s=5)
    assert time.monotonic() - begun < 2.5
    assert await reading == [7, "stopping"]


async def test_a_deaf_child_is_killed_at_the_deadline(launcher: Launcher) -> None:
    child = await launcher.spawn(functions.say_pid_and_be_deaf)
    reading = asyncio.create_task(messages_of(child))
    begun = time.monotonic()
    assert not await child.stop(within_s=0.3)
    assert time.monotonic() - begun < 5
    with pytest.raises(WorkerDied, match="SIGKILL"):
        await reading
    await no_children_of(launcher)


async def test_an_error_follows_the_messages_before_it(launcher: Launcher) -> None:
    child = await launcher.spawn(functions.fail_after_a_message)
    messages = child.messages()
    assert await anext(messages) == "before"
    with pytest.raises(InvalidInput, match="wrong") as error:
        await anext(messages)
    assert error.value.field == "here"


async def test_death_follows_the_messages_before_it(launcher: Launcher) -> None:
    child = await launcher.spawn(functions.die_after_a_message)
    messages = child.messages()
    assert await anext(messages) == "before"
    with pytest.raises(WorkerDied, match="status 5"):
        await anext(messages)


async def test_a_message_of_a_hundred_megabytes_holds_the_loop_only_for_moments(launcher: Launcher) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - begun)

    watching = asyncio.create_task(watch())
    child = await launcher.spawn(functions.send_much, 100_000_000)
    (message,) = await messages_of(child)
    watching.cancel()
    assert len(message) == 100_000_000
    assert longest < 1.0, f"the loop stood still for {longest:.3f} s"  # usually 0.05 s, of which most is one copy


async def test_a_child_whose_service_is_busy_waits_and_loses_nothing(launcher: Launcher) -> None:
    child = await launcher.spawn(functions.count_to, 50_000)
    await asyncio.sleep(0.3)
    received = await messages_of(child)
    assert received == list(range(1, 50_001))


async def test_the_death_of_the_launcher_is_the_death_of_its_children_and_the_next_call_has_a_new_one(
    launcher: Launcher, pool: WorkerPool
) -> None:
    child = await launcher.spawn(functions.say_pid_and_be_deaf)
    reading = asyncio.create_task(messages_of(child))
    call = asyncio.create_task(pool.run(functions.sleep, 60.0, deadline_s=60))
    await eventually(lambda: pool.busy == 1)
    processes = psutil.Process(launcher.pid).children()
    first = launcher.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    for waiting in (reading, call):
        with pytest.raises(WorkerDied):
            await waiting
    await eventually(lambda: not any(_is_alive(process) for process in processes), within=5)
    assert await pool.run(functions.double, 4, deadline_s=20) == 8
    assert launcher.pid != first


async def test_a_launcher_that_cannot_prepare_says_why_and_is_not_restarted_in_a_loop() -> None:
    launcher = Launcher(preload=["tests.unit.shared.workers.broken_preload"])
    await launcher.start()
    with pytest.raises(WorkerDied, match="the kernels cannot be compiled"):
        await launcher.ready()
    assert not launcher.is_ready
    with pytest.raises(WorkerDied, match="the kernels cannot be compiled"):
        launcher.fork().send(None)  # its first step: nothing is waited for, so nothing is started
    await launcher.close()


async def test_the_first_warm_child_is_there_soon_and_the_next_ones_at_once() -> None:
    begun = time.monotonic()
    launcher = Launcher(preload=["tests.unit.shared.workers.functions"])
    await launcher.start()
    pool = WorkerPool(launcher, processes=1, memory_bytes=MEMORY_BYTES, max_waiting=1)
    await pool.run(functions.double, 1, deadline_s=10)
    first = time.monotonic() - begun
    later = []
    for _ in range(5):
        begun = time.monotonic()
        child = await launcher.spawn(functions.count_to, 1)
        await messages_of(child)
        later.append(time.monotonic() - begun)
    pool.close()
    await launcher.close()
    assert first < 5.0, f"{first:.2f} s"  # 0.3 s on an idle machine
    assert min(later) < 0.2, later  # 0.01 s on an idle machine


SERVICE = """
import asyncio, sys
from shared.workers import Launcher, WorkerPool
from tests.unit.shared.workers import functions

async def main():
    launcher = Launcher(preload=["tests.unit.shared.workers.functions"])
    await launcher.start()
    pool = WorkerPool(launcher, processes=2, memory_bytes=1 << 30, max_waiting=1)
    await pool.run(functions.double, 1, deadline_s=20)
    spinning = await launcher.spawn(functions.say_pid_and_spin, sys.argv[1])
    deaf = await launcher.spawn(functions.say_pid_and_be_deaf)
    pids = [await anext(child.messages()) for child in (spinning, deaf)]
    call = asyncio.create_task(pool.run(functions.sleep, 600.0, deadline_s=600))
    print(launcher.pid, *pids, flush=True)
    await call

asyncio.run(main())
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_service_leaves_no_process_behind(tmp_path: Path, signum: signal.Signals) -> None:
    service = subprocess.Popen([sys.executable, "-c", SERVICE, str(tmp_path / "spinning")], stdout=subprocess.PIPE)
    try:
        assert service.stdout is not None
        launcher_pid, *_ = (int(word) for word in service.stdout.readline().split())
        eventually_sync((tmp_path / "spinning").exists, within=10)
        launcher = psutil.Process(launcher_pid)
        # The sleeping call, its idle sibling's absence aside: two long children and one of the pool.
        processes = eventually_sync(lambda: children if len(children := launcher.children()) == 3 else None, within=10)
        assert processes is not None
    finally:
        service.send_signal(signum)
        service.wait(10)
        assert service.stdout is not None
        service.stdout.close()
    eventually_sync(lambda: not any(_is_alive(process) for process in [launcher, *processes]), within=5)


def test_a_service_killed_while_the_launcher_prepares_leaves_no_process_behind() -> None:
    code = (
        "import asyncio\nfrom shared.workers import Launcher\n"
        "async def main():\n    launcher = Launcher(preload=['tests.unit.shared.workers.slow_preload'])\n"
        "    await launcher.start()\n    print(launcher.pid, flush=True)\n    await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    service = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert service.stdout is not None
    launcher = psutil.Process(int(service.stdout.readline()))
    time.sleep(0.2)
    service.kill()
    service.wait(10)
    service.stdout.close()
    eventually_sync(lambda: not _is_alive(launcher), within=5)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
