"""What no scheduling problem may be: arrays of another length, unknown devices, infinite powers. Bugs of whoever wrote it, not of a customer."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from services.optimizer.scheduling.errors import ProblemMalformed
from services.optimizer.scheduling.problem import (
    Commitment,
    Coupling,
    Device,
    FloatArray,
    Flow,
    Kind,
    ScheduleProblem,
    Stock,
)


def check(problem: ScheduleProblem) -> None:
    """Refuse what is malformed.

    Raises:
        ProblemMalformed: see the message.
    """
    if not (problem.step_h > 0.0 and problem.step_count > 0):
        raise ProblemMalformed("a schedule needs at least one step of more than no time")
    for device in problem.devices:
        _check_device(device, problem.step_count)
    members: list[int] = []
    for stock in problem.stocks:
        _check_stock(stock, problem)
        members += stock.members
    if len(set(members)) != len(members):
        raise ProblemMalformed("a device belongs to one stock at most")
    for limit in problem.limits:
        _check_devices(limit.name, limit.devices, problem)
        _check_arrays(limit.name, (limit.lower_mw, limit.upper_mw), problem.step_count)
        _refuse(limit.name, "a limit is not a number", np.isnan(limit.lower_mw) | np.isnan(limit.upper_mw))
    for coupling in problem.couplings:
        _check_coupling(coupling, problem)
    for commitment in problem.commitments:
        _check_commitment(commitment, problem)


def _check_device(device: Device, steps: int) -> None:
    _check_arrays(device.name, (device.lower_mw, device.upper_mw), steps)
    _refuse(device.name, "a power is not finite", ~np.isfinite(device.lower_mw) | ~np.isfinite(device.upper_mw))
    _refuse(device.name, "the lower power exceeds the upper", device.lower_mw > device.upper_mw)
    efficiencies = [each for each in (device.charging_efficiency, device.discharging_efficiency) if each is not None]
    _check_arrays(device.name, efficiencies, steps)
    for each in efficiencies:
        _refuse(device.name, "an efficiency is not finite", ~np.isfinite(each))
    if device.charging_efficiency is not None:
        _refuse(device.name, "the charging efficiency is negative", device.charging_efficiency < 0.0)
    if device.discharging_efficiency is not None:
        _refuse(device.name, "the discharging efficiency is not positive", device.discharging_efficiency <= 0.0)
    for low, high in device.bands:
        _refuse(device.name, "a band's low exceeds its high", np.array([not low <= high]))


def _check_stock(stock: Stock, problem: ScheduleProblem) -> None:
    _check_devices(stock.name, stock.members, problem)
    arrays = (stock.kept, stock.gain_mw, stock.lower_mwh, stock.upper_mwh, stock.equal_mwh)
    _check_arrays(stock.name, [each for each in arrays if each is not None], problem.step_count)
    _refuse(stock.name, "the start is not finite", ~np.isfinite(np.array([stock.start_mwh])))
    if stock.kept is not None:
        _refuse(stock.name, "the share kept is not within 0 and 1", ~((stock.kept >= 0.0) & (stock.kept <= 1.0)))
    if stock.gain_mw is not None:
        _refuse(stock.name, "a gain is not finite", ~np.isfinite(stock.gain_mw))
    for bound in (stock.lower_mwh, stock.upper_mwh):
        if bound is not None:
            _refuse(stock.name, "a bound is not a number", np.isnan(bound))


def _check_coupling(coupling: Coupling, problem: ScheduleProblem) -> None:
    _check_devices(coupling.name, coupling.devices, problem)
    if len(coupling.coefficients) != len(coupling.devices):
        raise ProblemMalformed(f"{coupling.name}: one coefficient for each device is needed")
    coefficients = np.array(coupling.coefficients)
    _refuse(coupling.name, "a coefficient is 0 or not finite", ~np.isfinite(coefficients) | (coefficients == 0.0))


def _check_commitment(commitment: Commitment, problem: ScheduleProblem) -> None:
    name = commitment.name
    prices = [each for each in (commitment.up_price, commitment.down_price) if each is not None]
    _check_arrays(name, (commitment.quantity, *prices), problem.step_count)
    _refuse(name, "a quantity or price is infinite", *(np.isinf(each) for each in (commitment.quantity, *prices)))
    up, down = commitment.prices()
    if isinstance(commitment.over, Flow):
        _check_devices(name, commitment.over.devices, problem)
    else:
        if not 0 <= commitment.over.stock < len(problem.stocks):
            raise ProblemMalformed(f"{name}: there is no stock {commitment.over.stock}")
        _refuse(name, "being above a level costs less than being below it", up < down)
    if commitment.kind is Kind.ANY:
        _refuse(name, "the largest deviation cannot be paid for", up < 0.0, down > 0.0)


def _check_devices(name: str, devices: tuple[int, ...], problem: ScheduleProblem) -> None:
    if len(set(devices)) != len(devices) or not all(0 <= d < len(problem.devices) for d in devices):
        raise ProblemMalformed(f"{name}: devices {devices} are not some of {len(problem.devices)}, each once")


def _check_arrays(name: str, arrays: Iterable[FloatArray], steps: int) -> None:
    for array in arrays:
        if array.shape != (steps,):
            raise ProblemMalformed(f"{name}: an array of shape {array.shape}, where ({steps},) was expected")


def _refuse(name: str, why: str, *found: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
    for each in found:
        if each.any():
            raise ProblemMalformed(f"{name}: {why} (at {int(np.argmax(each))})")
