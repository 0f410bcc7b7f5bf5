from __future__ import annotations

from prometheus_client import REGISTRY

from shared.contracts.flexibility import FORECASTS, INGEST, SCHEDULES
from shared.contracts.message import Queue
from shared.contracts.reconfiguration import QUESTIONS, RUNS
from shared.errors import BrokerUnavailable
from shared.observability.queue_gauges import COMMAND_QUEUES, QueueGauges
from tests.support.eventually import eventually


class CountedBus:
    def __init__(self) -> None:
        self.is_away = True

    async def queue_depth(self, queue: Queue) -> int:
        if self.is_away:
            raise BrokerUnavailable("away")
        return {"first": 3, "second": 0}[queue.name]

    async def dead_letter_count(self, queue: Queue) -> int:
        return {"first": 0, "second": 2}[queue.name]


def gauge(name: str, queue: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"queue": queue})


async def test_each_queue_and_its_dead_letters_are_measured_once_the_broker_is_there() -> None:
    bus = CountedBus()
    gauges = QueueGauges(bus, [Queue("first"), Queue("second")])
    await gauges.start()
    bus.is_away = False
    depth, dead = "busbar_bus_queue_depth_messages", "busbar_bus_dead_letters_messages"
    await eventually(lambda: gauge(dead, "second") == 2.0, within=5)
    assert [gauge(depth, "first"), gauge(depth, "second"), gauge(dead, "first")] == [3.0, 0.0, 0.0]
    await gauges.stop()


def test_every_queue_of_commands_is_measured() -> None:
    assert {QUESTIONS, RUNS, INGEST, SCHEDULES, FORECASTS} == set(COMMAND_QUEUES)
