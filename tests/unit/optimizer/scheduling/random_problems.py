"""Random scheduling problems, small enough for the independent model and with everything that problems can have."""

from __future__ import annotations

import numpy as np

from services.optimizer.scheduling.problem import (
    Commitment,
    Coupling,
    Device,
    FloatArray,
    Flow,
    Kind,
    Level,
    Limit,
    ScheduleProblem,
    Stock,
)

Generator = np.random.Generator


def random_problem(seed: int) -> ScheduleProblem:
    """A problem of 3 to 6 steps. About one in six is infeasible."""
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(3, 7))
    step_h = float(rng.choice([0.25, 0.5, 1.0]))
    devices = [_device(rng, steps, str(d)) for d in range(int(rng.integers(1, 5)))]
    if rng.random() < 0.5:
        load = rng.uniform(-0.05, 0.1, steps).round(3)
        devices.append(Device("load", load, load))
    couplings: list[Coupling] = []
    if rng.random() < 0.25:
        devices += [Device(f"port {k}", np.zeros(steps), np.full(steps, 0.1)) for k in range(2)]
        devices.append(Device("out", np.full(steps, -0.05), np.zeros(steps)))
        last = len(devices)
        couplings.append(Coupling("converter", (last - 3, last - 2, last - 1), (1.0, 0.5, -0.3)))
    stocks = _stocks(rng, devices, steps)
    everything = tuple(range(len(devices)))
    some = tuple(int(d) for d in everything if rng.random() < 0.6)
    limits = []
    if rng.random() < 0.5:
        limits.append(Limit("site", everything, np.full(steps, -0.15), rng.uniform(0.1, 0.25, steps)))
    if rng.random() < 0.3:
        limits.append(Limit("group", some, np.full(steps, -np.inf), np.full(steps, 0.12)))
    if rng.random() < 0.1:
        limits.append(Limit("node", some, np.zeros(steps), np.zeros(steps)))
    commitments = [*_site_prices(rng, everything, steps, step_h), *_wishes(rng, stocks, steps, step_h)]
    if rng.random() < 0.5:
        commitments += _breaches(rng, some, steps, step_h)
    if rng.random() < 0.3:
        quantity = np.where(rng.random(steps) < 0.3, np.nan, rng.uniform(-0.05, 0.1, steps))
        prices = rng.uniform(-50, 80, (2, steps)) * step_h
        commitments.append(Commitment("contract", Kind.EACH, Flow(some), quantity, prices[0], prices[1]))
    return ScheduleProblem(
        step_h, steps, tuple(devices), tuple(stocks), tuple(limits), tuple(couplings), tuple(commitments)
    )


def _device(rng: Generator, steps: int, name: str) -> Device:
    size = float(rng.choice([0.02, 0.05, 0.1]))
    lower = -np.full(steps, size) * float(rng.choice([0.0, 1.0, 1.0]))
    upper = np.where(rng.random(steps) < 0.15, 0.0, size)
    efficiencies: list[FloatArray | None] = [None, None]
    if rng.random() < 0.6:
        efficiencies = [np.full(steps, rng.uniform(0.7, 1.0)), rng.uniform(0.7, 1.0, steps)]
    elif rng.random() < 0.2:
        efficiencies = [np.full(steps, 3.0), None]
    bands: tuple[tuple[float, float], ...] = ()
    if rng.random() < 0.25:
        bands = ((0.0, 0.0), (0.4 * size, 0.7 * size), (0.9 * size, size))
        bands = ((-size, -0.5 * size), *bands) if rng.random() < 0.5 else bands
    return Device(f"device {name}", lower, upper, efficiencies[0], efficiencies[1], bands)


def _stocks(rng: Generator, devices: list[Device], steps: int) -> list[Stock]:
    members: list[tuple[int, ...]] = []
    for d, device in enumerate(devices):
        if not device.name.startswith("device"):
            continue
        if members and rng.random() < 0.3:
            members[-1] += (d,)
        elif rng.random() < 0.8:
            members.append((d,))
    return [_stock(rng, f"stock {g}", each, steps) for g, each in enumerate(members)]


def _stock(rng: Generator, name: str, members: tuple[int, ...], steps: int) -> Stock:
    equal = np.full(steps, np.nan)
    if rng.random() < 0.2:
        equal[-1] = rng.uniform(0.02, 0.06)
    lower = np.zeros(steps)
    if rng.random() < 0.2:
        lower[int(rng.integers(steps))] = 0.04
    return Stock(
        name,
        members,
        float(rng.uniform(0.0, 0.08)),
        rng.uniform(0.9, 1.0, steps) if rng.random() < 0.4 else None,
        rng.uniform(-0.01, 0.01, steps) if rng.random() < 0.3 else None,
        None if rng.random() < 0.2 else lower,
        None if rng.random() < 0.2 else np.full(steps, 0.1),
        equal,
    )


def _site_prices(rng: Generator, devices: tuple[int, ...], steps: int, step_h: float) -> list[Commitment]:
    price = rng.uniform(-60, 100, steps) if rng.random() < 0.4 else rng.uniform(10, 100, steps)
    kind = rng.random()
    back = price if kind < 0.3 else price * 0.6 if kind < 0.8 else rng.uniform(0, 100, steps)
    flow, none = Flow(devices), np.zeros(steps)
    found = [Commitment("net energy", Kind.EACH, flow, none, price * step_h, back * step_h)]
    if rng.random() < 0.4:
        found.append(Commitment("peak", Kind.ANY, flow, np.full(steps, 0.02), np.full(steps, 90.0)))
        found.append(Commitment("back peak", Kind.ANY, flow, np.full(steps, -0.02), None, np.full(steps, -70.0)))
    if rng.random() < 0.5:
        cap = np.full(steps, 0.05) + 0.02 * (rng.random(steps) < 0.3)
        found.append(Commitment("any breach", Kind.ANY, flow, cap, np.full(steps, 1e4)))
        found.append(Commitment("all breaches", Kind.EACH, flow, cap, np.full(steps, 1e4) * step_h))
        found.append(Commitment("all back", Kind.EACH, flow, -cap, None, np.full(steps, -1e4) * step_h))
    return found


def _breaches(rng: Generator, devices: tuple[int, ...], steps: int, step_h: float) -> list[Commitment]:
    flow, cap = Flow(devices), np.full(steps, float(rng.uniform(0.01, 0.1)))
    return [
        Commitment("any breach of some", Kind.ANY, flow, cap, np.full(steps, 200.0)),
        Commitment("all breaches of some", Kind.EACH, flow, cap, np.full(steps, 200.0) * step_h),
        Commitment("any back of some", Kind.ANY, flow, -cap, None, np.full(steps, -200.0)),
    ]


def _wishes(rng: Generator, stocks: list[Stock], steps: int, step_h: float) -> list[Commitment]:
    found = []
    for g in range(len(stocks)):
        level = Level(g)
        if rng.random() < 0.5:
            wish = np.full(steps, np.nan)
            wish[int(rng.integers(steps)) :] = rng.uniform(0.02, 0.12)
            price = float(rng.choice([30.0, 1000.0, 1e6]))
            found.append(Commitment("any minima", Kind.ANY, level, wish, None, np.full(steps, -price / step_h)))
            found.append(Commitment("all minima", Kind.EACH, level, wish, None, np.full(steps, -price)))
        if rng.random() < 0.3:
            wish = np.where(rng.random(steps) < 0.6, 0.05, np.nan)
            found.append(Commitment("any maxima", Kind.ANY, level, wish, np.full(steps, 500.0 / step_h)))
            found.append(
                Commitment("all targets", Kind.EACH, level, wish, np.full(steps, 500.0), np.full(steps, -400.0))
            )
        if rng.random() < 0.6:
            tiny = -1e-4 * 50 / steps * (steps - np.arange(1, steps + 1)) / (steps - 1) / step_h
            found.append(Commitment("sooner", Kind.EACH, level, np.full(steps, 0.1), None, tiny))
    return found
