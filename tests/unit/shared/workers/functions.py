"""What the tests have children do."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

from shared.errors import BusbarError, DependencyUnavailable, InvalidInput
from shared.workers import Channel


def double(number: int) -> int:
    return 2 * number


def process_id() -> int:
    return os.getpid()


def parent_id() -> int:
    return os.getppid()


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def crash() -> None:
    ctypes.string_at(0)


def exit_at_once() -> None:
    os._exit(3)


def exit_politely() -> None:
    raise SystemExit(0)


def kill_oneself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def allocate(size: int) -> int:
    return len(bytearray(size))


def hold_and_release(size: int) -> int:
    block = bytearray(b"\x01") * size
    del block
    return os.getpid()


def refuse(text: str, field: str) -> None:
    raise InvalidInput(text, field=field)


def be_unavailable() -> None:
    raise DependencyUnavailable("later", retry_after_s=7)


class NeedsWords(Exception):
    def __init__(self, *, first: str, second: int) -> None:
        super().__init__(f"{first} {second}")
        self.first = first
        self.second = second


def raise_with_keywords() -> None:
    raise NeedsWords(first="a", second=2)


class Unpicklable(BusbarError):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.stream = iter(lambda: 0, 1)


def raise_unpicklable() -> None:
    raise Unpicklable("has a lambda")


def return_unpicklable() -> object:
    return lambda: 0


def flip(document: bytes) -> tuple[bytes, int]:
    return document[::-1], len(document)


def describe_oneself() -> dict[str, Any]:
    return {
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "memory": resource.getrlimit(resource.RLIMIT_AS)[0],
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "descriptors": sorted(entry.name for entry in Path("/proc/self/fd").iterdir()),
        "stdin": str(Path("/proc/self/fd/0").readlink()),
        "interrupt": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
    }


def count_to(channel: Channel, last: int) -> None:
    for number in range(1, last + 1):
        channel.send(number)


def work_until_stopped(channel: Channel, number: int) -> None:
    channel.send(number)
    while not channel.is_stopping:
        time.sleep(0.002)
    channel.send("stopping")


def say_pid_and_be_deaf(channel: Channel) -> None:
    channel.send(os.getpid())
    time.sleep(600)


def say_pid_and_spin(channel: Channel, path: str) -> None:
    """Busy until the socket closes, as a search is that asks at every turn."""
    channel.send(os.getpid())
    with contextlib.suppress(OSError):
        Path(path).write_text("spinning")
    while not channel.is_stopping:
        sum(range(1000))


def fail_after_a_message(channel: Channel) -> None:
    channel.send("before")
    raise InvalidInput("wrong", field="here")


def die_after_a_message(channel: Channel) -> None:
    channel.send("before")
    os._exit(5)


def send_much(channel: Channel, size: int) -> None:
    channel.send(bytes(size))
