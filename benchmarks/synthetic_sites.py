"""Sites of any size as scheduling problems: batteries and chargers of random sizes, a load and a connection, prices over the day."""

from __future__ import annotations

import numpy as np

from services.optimizer.scheduling.problem import (
    Commitment,
    Device,
    FloatArray,
    Flow,
    Kind,
    Level,
    Limit,
    ScheduleProblem,
    Stock,
)

EFFICIENCY = 0.95
MARGIN = 20.0  # currency/MWh between buying and selling
WISH_PRICE = 1e6  # currency/MWh
BREACH_PRICE = 1e7  # currency/MW


def site(devices: int, steps: int, step_h: float, *, seed: int = 1) -> ScheduleProblem:
    """Storages with a wish each; with more than one of them, a fixed load and a contracted capacity too."""
    rng = np.random.default_rng(seed)
    hours = np.arange(steps) * step_h
    price = 80.0 + 30.0 * np.sin(2.0 * np.pi * (hours - 9.0) / 24.0) + rng.normal(0.0, 5.0, steps)
    sizes = rng.uniform(0.005, 0.1, devices)
    held = sizes * rng.uniform(2.0, 5.0, devices)
    is_charger = rng.random(devices) < 0.5
    is_charger[0] = False
    parts = [_storage(f"storage {d}", sizes[d], steps, is_charger=bool(is_charger[d])) for d in range(devices)]
    stocks = tuple(
        Stock(f"stock {d}", (d,), 0.4 * held[d], lower_mwh=np.zeros(steps), upper_mwh=np.full(steps, held[d]))
        for d in range(devices)
    )
    if devices > 1:
        load = rng.uniform(0.02, 0.05, steps) * devices
        parts.append(Device("load", load, load))
    everything = Flow(tuple(range(len(parts))))
    energy = Commitment("net energy", Kind.EACH, everything, np.zeros(steps), price * step_h, (price - MARGIN) * step_h)
    wishes = [wish for d in range(devices) for wish in _wishes(d, held[d], float(np.ptp(price)), steps, step_h)]
    breaches = _breaches(everything, np.full(steps, 0.06 * devices), step_h) if devices > 1 else []
    limit = Limit("site", everything.devices, np.full(steps, -0.12 * devices), np.full(steps, 0.12 * devices))
    return ScheduleProblem(step_h, steps, tuple(parts), stocks, (limit,), (), (energy, *wishes, *breaches))


def _storage(name: str, size_mw: float, steps: int, *, is_charger: bool) -> Device:
    efficiency = np.full(steps, EFFICIENCY)
    lower = np.full(steps, 0.0 if is_charger else -size_mw)
    return Device(name, lower, np.full(steps, size_mw), efficiency, efficiency)


def _wishes(d: int, held_mwh: float, spread: float, steps: int, step_h: float) -> list[Commitment]:
    """Full sooner, and nearly full at one moment late in the window."""
    tiny = 1e-4 * spread / steps * (steps - np.arange(1.0, steps + 1.0)) / (steps - 1) / step_h
    wish: FloatArray = np.full(steps, np.nan)
    wish[int(0.8 * steps)] = 0.9 * held_mwh
    each = np.full(steps, -WISH_PRICE)
    return [
        Commitment(f"prefer a full storage {d} sooner", Kind.EACH, Level(d), np.full(steps, held_mwh), None, -tiny),
        Commitment("any soc minima", Kind.ANY, Level(d), wish, None, each / step_h),
        Commitment("all soc minima", Kind.EACH, Level(d), wish, None, each),
    ]


def _breaches(flow: Flow, capacity_mw: FloatArray, step_h: float) -> list[Commitment]:
    price = np.full(len(capacity_mw), BREACH_PRICE)
    return [
        Commitment("any consumption breach", Kind.ANY, flow, capacity_mw, price),
        Commitment("all consumption breaches", Kind.EACH, flow, capacity_mw, price * step_h),
        Commitment("any production breach", Kind.ANY, flow, -capacity_mw, None, -price),
        Commitment("all production breaches", Kind.EACH, flow, -capacity_mw, None, -price * step_h),
    ]
