from __future__ import annotations

import asyncio
import time

from prometheus_client import REGISTRY

from shared.observability.loop_lag import LoopLag


def samples(upper_bound: str) -> float:
    found = REGISTRY.get_sample_value("busbar_process_loop_lag_seconds_bucket", {"le": upper_bound})
    return found or 0.0


async def test_a_loop_that_is_held_shows_and_one_that_turns_does_not() -> None:
    lag = LoopLag()
    await lag.start()
    all_before, quick_before = samples("+Inf"), samples("0.2")
    await asyncio.sleep(0.2)
    quick_and_all = samples("+Inf") - all_before
    assert quick_and_all >= 2
    time.sleep(0.4)  # what no code in the loop may do
    await asyncio.sleep(0.05)
    assert samples("+Inf") - samples("0.2") >= 1
    assert samples("0.2") - quick_before >= 1
    await lag.stop()
    after = samples("+Inf")
    await asyncio.sleep(0.1)
    assert samples("+Inf") == after
