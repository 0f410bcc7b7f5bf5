"""Converters: devices whose powers keep a fixed ratio."""

from __future__ import annotations

from collections.abc import Sequence

from services.optimizer.scheduling.building.devices import FlexibleDevice
from services.optimizer.scheduling.building.errors import PlanImpossible
from services.optimizer.scheduling.problem import Coupling


def couplings_of(devices: Sequence[FlexibleDevice]) -> tuple[Coupling, ...]:
    """The couplings, each with its devices (by number) and their coefficients: negative for what is given.

    Raises:
        PlanImpossible: It is not clear whether a device takes or gives.
    """
    named: dict[str, list[int]] = {}
    for number, device in enumerate(devices):
        if device.entry.coupling is not None:
            named.setdefault(device.entry.coupling, []).append(number)
    return tuple(
        Coupling(f"coupling {name}", tuple(numbers), tuple(_coefficient(devices[number]) for number in numbers))
        for name, numbers in named.items()
    )


def _coefficient(device: FlexibleDevice) -> float:
    sign = device.entry.coupling_sign
    if sign is None:
        raise PlanImpossible(
            f"It is not clear whether the device of coupling '{device.entry.coupling}' takes or gives."
        )
    return sign * device.entry.coupling_coefficient
