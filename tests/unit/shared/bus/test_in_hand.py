"""Bounded work on deliveries, and its end."""

from __future__ import annotations

import asyncio

from shared.bus.in_hand import InHand
from shared.bus.port import Delivery
from shared.errors import BrokerUnavailable
from tests.support.deliveries import HandDelivery
from tests.support.eventually import eventually
from tests.support.toys import toy_command


class Gate:
    """A callback that begins deliveries and ends them when it is told."""

    def __init__(self) -> None:
        self.begun: list[Delivery] = []
        self.open = asyncio.Event()

    async def __call__(self, delivery: Delivery) -> None:
        self.begun.append(delivery)
        await self.open.wait()
        await delivery.ack()


async def test_no_more_than_the_limit_are_at_work_and_the_rest_follow_in_order() -> None:
    gate = Gate()
    in_hand = InHand(gate, 2)
    deliveries = [HandDelivery(toy_command(str(number))) for number in range(5)]
    for delivery in deliveries:
        in_hand.take(delivery)
    await eventually(lambda: len(gate.begun) == 2)
    assert in_hand.room == 0
    gate.open.set()
    await eventually(lambda: all(delivery.ended == ["acked"] for delivery in deliveries))
    assert gate.begun == deliveries
    assert in_hand.room == 2


async def test_room_is_announced_when_nothing_waits_for_it() -> None:
    announced: list[int] = []
    gate = Gate()
    gate.open.set()
    in_hand = InHand(gate, 1, on_room=lambda: announced.append(in_hand.room))
    for _ in range(3):
        in_hand.take(HandDelivery(toy_command()))
    await eventually(lambda: announced == [1])


async def test_what_waits_is_forgotten_when_the_broker_takes_it_back() -> None:
    gate = Gate()
    in_hand = InHand(gate, 1)
    for _ in range(3):
        in_hand.take(HandDelivery(toy_command()))
    await eventually(lambda: gate.begun)
    in_hand.drop_waiting()
    gate.open.set()
    await eventually(lambda: in_hand.room == 1)
    assert len(gate.begun) == 1


async def test_a_stop_waits_for_work_hands_back_what_waits_and_then_what_is_late() -> None:
    gate = Gate()
    in_hand = InHand(gate, 1)
    at_work, waiting = HandDelivery(toy_command("1")), HandDelivery(toy_command("2"))
    in_hand.take(at_work)
    in_hand.take(waiting)
    await eventually(lambda: gate.begun)
    await in_hand.stop(within_s=0.1)
    assert at_work.ended == ["requeued"]
    assert waiting.ended == ["requeued"]
    assert len(gate.begun) == 1


async def test_a_stop_in_time_hands_nothing_back() -> None:
    gate = Gate()
    in_hand = InHand(gate, 1)
    delivery = HandDelivery(toy_command())
    in_hand.take(delivery)
    await eventually(lambda: gate.begun)
    asyncio.get_running_loop().call_later(0.1, gate.open.set)
    await in_hand.stop(within_s=5)
    assert delivery.ended == ["acked"]


async def test_a_callback_that_fails_hands_back() -> None:
    async def fail(_: Delivery) -> None:
        raise ZeroDivisionError

    delivery = HandDelivery(toy_command())
    InHand(fail, 1).take(delivery)
    await eventually(lambda: delivery.ended == ["requeued"])


async def test_a_broker_that_cannot_be_told_does_not_disturb_the_stop() -> None:
    class Unreachable(HandDelivery):
        async def requeue(self) -> None:
            raise BrokerUnavailable("away")

    gate = Gate()
    in_hand = InHand(gate, 1)
    in_hand.take(Unreachable(toy_command()))
    in_hand.take(Unreachable(toy_command()))
    await eventually(lambda: gate.begun)
    await in_hand.stop(within_s=0.1)
    assert in_hand.room == 1
