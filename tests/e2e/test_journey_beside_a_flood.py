"""Promise: one account that posts as fast as it can keeps no other from having its values stored and its schedule made."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from shared.db.engine import PostgresDatabase
from tests.support.flexibility_load import Customer, differences, make_customers, values_of
from tests.support.ledger import percentile
from tests.support.pgo import PgoClient
from tests.support.stack import ServiceProcess, Stack

FLOODING = 24
SCHEDULES = 5
DONE_WITHIN_S = 5.0


@pytest.mark.timeout(120)
async def test_a_flood_of_posts_keeps_nobody_else_waiting(stack: Stack, on_servers: ServiceProcess) -> None:
    database = PostgresDatabase(stack.database_url, application_name="tests")
    flooding, calm = await make_customers(database, 2)
    await database.close()
    heard: Counter[int] = Counter()
    is_over = asyncio.Event()

    async def flood(gateway: PgoClient, first: int) -> None:
        number = first
        while not is_over.is_set():
            answer = await flooding.tell("post", number, flooding.post(gateway, number))
            assert answer is not None
            heard[answer.status] += 1
            if answer.status == 429:
                assert int(answer.headers["Retry-After"]) > 0
            number += FLOODING

    async with PgoClient(on_servers.url) as gateway, asyncio.TaskGroup() as group:
        for first in range(FLOODING):
            group.create_task(flood(gateway, first))
        try:
            seconds = [await _seconds_of_a_schedule(calm, gateway, number) for number in range(SCHEDULES)]
        finally:
            is_over.set()
    print(f"flood heard {dict(heard)}; posts and their schedules took up to {percentile(seconds, 1.0):.2f} s")
    assert max(seconds) < DONE_WITHIN_S
    assert set(heard) <= {200, 202, 429}
    assert heard[200] + heard[202] > 10 * SCHEDULES, "the flood was none"
    assert await differences([calm], on_servers.url, stack.database_url) == []


async def _seconds_of_a_schedule(customer: Customer, gateway: PgoClient, number: int) -> float:
    """From a post to the end of a schedule that has been asked for after it."""
    began = time.monotonic()
    posted = await customer.tell("post", number, customer.post(gateway, number))
    asked = await customer.tell("schedule", number, customer.schedule(gateway, number))
    assert posted is not None and asked is not None
    posted.expect(200, 202)
    job_id = asked.expect(202).json()["job"]
    while (answer := await customer.job(gateway, job_id)).status == 202:
        assert time.monotonic() - began < 4 * DONE_WITHIN_S, answer.text
        await asyncio.sleep(0.05)
    assert answer.expect(200).json()["status"] == "FINISHED"
    values = (await customer.read(gateway, number + 1)).expect(200).json()["values"]
    assert values[-4:] == values_of(number)
    return time.monotonic() - began
