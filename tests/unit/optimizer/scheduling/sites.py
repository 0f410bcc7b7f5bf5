"""Problems in the words of a site, in kW and kWh: what the worked examples are written with."""

from __future__ import annotations

from collections.abc import Sequence

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

Numbers = float | Sequence[float] | FloatArray


class Site:
    """Devices and stocks behind one connection with prices [currency/MWh], filled bit by bit."""

    def __init__(self, price: Sequence[float], back: Numbers | None = None, step_h: float = 1.0) -> None:
        self.step_h = step_h
        self.count = len(price)
        self.price = np.array(price, dtype=np.float64)
        self.back = self.price if back is None else self.each(back)
        self.devices: list[Device] = []
        self.stocks: list[Stock] = []
        self.limits: list[Limit] = []
        self.couplings: list[Coupling] = []
        self.commitments: list[Commitment] = []

    def each(self, value: Numbers, unit: float = 1.0) -> FloatArray:
        """(N,) of one number or one for every step."""
        return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64) * unit, (self.count,)))

    def device(
        self,
        low_kw: Numbers,
        high_kw: Numbers,
        charging: Numbers = 1.0,
        discharging: Numbers = 1.0,
        bands_kw: Sequence[tuple[float, float]] = (),
    ) -> int:
        name = f"device {len(self.devices)}"
        bands = tuple((low * 1e-3, high * 1e-3) for low, high in bands_kw)
        efficiencies = self.each(charging), self.each(discharging)
        self.devices.append(Device(name, self.each(low_kw, 1e-3), self.each(high_kw, 1e-3), *efficiencies, bands))
        return len(self.devices) - 1

    def load(self, power_kw: Numbers) -> int:
        return self.device(power_kw, power_kw)

    def stock(
        self,
        *members: int,
        start: float = 0.0,
        low: Numbers = 0.0,
        high: Numbers = 100.0,
        kept: float = 1.0,
        gain_kw: Numbers = 0.0,
        equal: dict[int, float] | None = None,
        full: float | None = 100.0,
        is_flat: bool = False,
    ) -> int:
        """A stock [kWh]. With ``full`` it is preferred full sooner, or at all times alike with ``is_flat``."""
        name = f"stock {len(self.stocks)}"
        g = len(self.stocks)
        bounds = self.each(low, 1e-3), self.each(high, 1e-3)
        self.stocks.append(
            Stock(name, members, start * 1e-3, self.each(kept), self.each(gain_kw, 1e-3), *bounds, self.at(equal or {}))
        )
        if full is not None:
            spread = float(np.ptp(self.price)) or 1.0
            tiny = 1e-4 * spread / self.count * (self.count - np.arange(1.0, self.count + 1)) / (self.count - 1)
            tiny = np.full(self.count, 1e-4 * spread / self.count) if is_flat else tiny
            preference = self.each(full, 1e-3)
            self.commit(f"prefer a full storage {g} sooner", Kind.EACH, Level(g), preference, None, -tiny / self.step_h)
        return g

    def at(self, wishes_kwh: dict[int, float]) -> FloatArray:
        """(N,) MWh at the ends of some steps, counted from 1."""
        found = np.full(self.count, np.nan)
        for step, wish in wishes_kwh.items():
            found[step - 1] = wish * 1e-3
        return found

    def commit(
        self, name: str, kind: Kind, over: Flow | Level, quantity: FloatArray, up: Numbers | None, down: Numbers | None
    ) -> None:
        prices = (None if each is None else self.each(each) for each in (up, down))
        self.commitments.append(Commitment(name, kind, over, quantity, *prices))

    def wish(self, g: int, what: str, wishes_kwh: dict[int, float], price_per_kwh: float = 1000.0) -> None:
        """Soft ``minima``, ``maxima`` or ``targets`` of a stock, each counted once and for all steps."""
        price = 1e3 * price_per_kwh
        for name, kind, by in (("any", Kind.ANY, price / self.step_h), ("all", Kind.EACH, price)):
            up, down = None if what == "minima" else by, None if what == "maxima" else -by
            self.commit(f"{name} soc {what}", kind, Level(g), self.at(wishes_kwh), up, down)

    def breach(self, what: str, cap_kw: Numbers, price_per_kw: float, *, whose: str = "") -> None:
        """Soft capacity of all devices for ``consumption`` or ``production``."""
        flow = Flow(tuple(range(len(self.devices))))
        names = (f"any {what} breach{whose}", f"all {what} breaches{whose}")
        sign = 1.0 if what == "consumption" else -1.0
        for name, kind, by in ((names[0], Kind.ANY, 1.0), (names[1], Kind.EACH, self.step_h)):
            price = sign * 1e3 * price_per_kw * by
            up, down = (price, None) if sign > 0 else (None, price)
            self.commit(name, kind, flow, self.each(cap_kw, sign * 1e-3), up, down)

    def peak(self, what: str, reached_kw: float, price_per_mw: float) -> None:
        """A price on the highest power above what has been reached."""
        flow = Flow(tuple(range(len(self.devices))))
        sign = 1.0 if what == "consumption" else -1.0
        up, down = (price_per_mw, None) if sign > 0 else (None, -price_per_mw)
        self.commit(f"{what} peak", Kind.ANY, flow, self.each(reached_kw, sign * 1e-3), up, down)

    def limit(self, devices: Sequence[int], low_kw: Numbers, high_kw: Numbers) -> None:
        name = f"limit {len(self.limits)}"
        self.limits.append(Limit(name, tuple(devices), self.each(low_kw, 1e-3), self.each(high_kw, 1e-3)))

    def problem(self, devices: Sequence[int] | None = None) -> ScheduleProblem:
        """With the price of the net energy of all devices, or of some."""
        flow = Flow(tuple(range(len(self.devices)) if devices is None else devices))
        prices = self.price * self.step_h, self.back * self.step_h
        energy = Commitment("net energy", Kind.EACH, flow, np.zeros(self.count), *prices)
        return ScheduleProblem(
            self.step_h,
            self.count,
            tuple(self.devices),
            tuple(self.stocks),
            tuple(self.limits),
            tuple(self.couplings),
            (energy, *self.commitments),
        )


def battery(
    price: Sequence[float],
    back: Numbers | None = None,
    *,
    power_kw: float = 100.0,
    step_h: float = 1.0,
    start: float = 0.0,
    gain_kw: float = 0.0,
) -> Site:
    """A site with one battery of 100 kWh."""
    site = Site(price, back, step_h)
    site.stock(site.device(-power_kw, power_kw), start=start, gain_kw=gain_kw)
    return site
