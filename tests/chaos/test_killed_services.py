"""Promise: kill -9 of any one service under load loses no accepted request, and each takes effect once."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from services.cli.up import SERVICES
from tests.support.eventually import eventually
from tests.support.feeders import two_feeders
from tests.support.flexibility_load import Customer, FlexibilityLoad, differences
from tests.support.load import Load, everything_left_behind
from tests.support.seeds import new_seed
from tests.support.stack import Stack

KILL_EVERY_S = 3.0
BACK_AFTER_S = 1.0
SETTLED_WITHIN_S = 60.0


@pytest.mark.timeout(300)
async def test_no_accepted_request_is_lost_while_services_are_killed(
    chaos: Stack, customers: list[Customer], is_full: bool
) -> None:
    seed = new_seed("killed services")
    chance = random.Random(seed)
    chaos.run(*SERVICES, *SERVICES)
    gateways = [gateway.url for gateway in chaos.of_kind("gateway")]
    load = Load(gateways, two_feeders(), seed)
    flexible = FlexibilityLoad(gateways, customers, seed)
    kills = (60 if is_full else 12) // int(KILL_EVERY_S)
    # Every kind of service has its turn, the rest is chance.
    victims = [chance.choice(chaos.of_kind(kind)) for kind in SERVICES]
    victims += [chance.choice(chaos.services) for _ in range(kills - len(victims))]

    async def kill_now_and_then() -> None:
        for victim in victims:
            await asyncio.sleep(KILL_EVERY_S - BACK_AFTER_S)
            victim.kill()
            await asyncio.sleep(BACK_AFTER_S)
            await asyncio.to_thread(victim.start, wait=False)

    await load.run(flexible.run(kill_now_and_then()))
    last_kill = time.monotonic()
    for service in chaos.services:
        await asyncio.to_thread(service.wait_until_ready)
    url = gateways[0]

    async def is_settled() -> bool:
        comparison = await load.compare(url, chaos.database_url)
        assert comparison.is_clean, comparison
        assert (unfinished := await load.unfinished(url)) == [], unfinished
        assert (differing := await differences(customers, url, chaos.database_url)) == [], differing
        assert not any((left := await everything_left_behind(chaos.database_url)).values()), left
        return True

    await eventually(is_settled, within=last_kill + SETTLED_WITHIN_S - time.monotonic(), every=0.5)
    print(f"settled {time.monotonic() - last_kill:.1f} s after the last kill")
    unknown = load.ledger.of("unknown")
    acknowledged = load.ledger.of("acknowledged")
    print(
        f"{len(acknowledged)} acknowledged, {len(unknown)} without an answer, {len(load.ledger.of('refused'))} refused"
    )
    assert len(unknown) <= load.clients * len(victims)
    assert load.ledger.server_errors() == []
    assert flexible.server_errors() == []
    posted = sum(told.is_acknowledged for told in flexible.told)
    print(f"{posted} of {len(flexible.told)} posts and triggers acknowledged")
    # Enough was going on for the kills to hit something.
    assert len(acknowledged) > 5 * len(victims)
    assert posted > 5 * len(victims)
    assert load.ledger.surely("running") and load.ledger.surely("idle")
