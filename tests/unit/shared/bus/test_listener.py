"""Events to one listener."""

from __future__ import annotations

import asyncio

from shared.bus.listener import WAITING_AT_MOST, Listener
from shared.contracts.message import Envelope
from tests.support.eventually import eventually
from tests.support.toys import toy_event


async def test_events_are_heard_one_by_one_in_order_whatever_the_listener_raises() -> None:
    heard: list[str] = []
    at_work = most = 0

    async def hear(event: Envelope) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0)
        at_work -= 1
        heard.append(event.routing_key)
        if len(heard) == 1:
            raise ZeroDivisionError

    listener = Listener(hear)
    for number in range(5):
        listener.offer(toy_event("x", str(number)))
    await eventually(lambda: heard == ["0", "1", "2", "3", "4"])
    assert most == 1
    await listener.stop(within_s=1)


async def test_a_listener_that_is_too_slow_loses_the_oldest() -> None:
    heard: list[str] = []

    async def hear(event: Envelope) -> None:
        heard.append(event.routing_key)

    listener = Listener(hear)
    for number in range(WAITING_AT_MOST + 3):
        listener.offer(toy_event("x", str(number)))
    await listener.stop(within_s=5)
    assert heard == [str(number) for number in range(3, WAITING_AT_MOST + 3)]


async def test_after_a_stop_nothing_is_heard_and_a_stuck_listener_does_not_hold_it_up() -> None:
    heard: list[str] = []

    async def hear(event: Envelope) -> None:
        heard.append(event.routing_key)
        await asyncio.Event().wait()

    listener = Listener(hear)
    listener.offer(toy_event("x", "1"))
    await eventually(lambda: heard)
    async with asyncio.timeout(2):
        await listener.stop(within_s=0.1)
    listener.offer(toy_event("x", "2"))
    await asyncio.sleep(0)
    assert heard == ["1"]
