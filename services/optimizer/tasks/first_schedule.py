"""The first schedule of a child, for nobody: what a first plan takes longer than the next ones is spent before somebody waits for it.

Not in the launcher of children: the solver may keep threads, with which it could not be forked.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.optimizer.tasks.flexibility_values import FoundSchedule, NoSchedule, ScheduleInput, SolverLimits
from services.optimizer.tasks.schedules import plan, prepare
from shared.flexibility.collection import Trigger
from shared.flexibility.facts import AssetFacts, SensorFacts

START = datetime(2024, 1, 1, tzinfo=UTC)
SITE, POWER = 1, 1
MODEL = {
    "soc-at-start": "1 kWh",
    "soc-min": "0 kWh",
    "soc-max": "2 kWh",
    "power-capacity": "1 kW",
    "roundtrip-efficiency": 0.9,
}
CONTEXT = {"consumption-price": "1 EUR/MWh", "site-power-capacity": "1 kW"}


def first_schedule() -> FoundSchedule | NoSchedule:
    """An hour of a small battery."""
    assets = {SITE: AssetFacts(SITE, None, "battery", "battery")}
    sensors = {POWER: SensorFacts(POWER, SITE, "power", "kW", 900)}
    trigger = Trigger(SITE, START, [{"sensor": POWER, **MODEL}], CONTEXT, None)
    given = ScheduleInput(trigger, START + timedelta(hours=1), None, assets, sensors)
    return plan(prepare(given), (), SolverLimits(1.0, 0.0))
