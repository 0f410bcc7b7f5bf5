"""How a schedule meets the wishes for states of charge, as the job result tells it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from services.optimizer.scheduling.building.stocks import KnownStock
from services.optimizer.scheduling.building.window import Window
from services.optimizer.scheduling.problem import FloatArray

# {"asset": 31, "soc-minima": [{"datetime": "2024-03-02T06:00:00+00:00", "margin": "4.0 kWh"}]}
WishItem = dict[str, "int | list[dict[str, str]]"]

_DECIMALS = 6
# What the solver's tolerances and the rounding of states of charge can make of a wish that is met [kWh].
_MET_KWH = 1e-5


def wishes_met(
    stocks: Iterable[KnownStock], levels_mwh: Iterable[FloatArray], window: Window
) -> tuple[tuple[WishItem, ...], tuple[WishItem, ...]]:
    """The wishes of each stock that are resolved, with margins, and unresolved, with violations; levels are (N + 1,), of
    the start and of the end of each step.

    Margins are told for a field only where all its wishes are met; targets have no margins. The moment of the start binds nothing
    and is left out.
    """
    resolved: list[WishItem] = []
    unresolved: list[WishItem] = []
    for stock, levels in zip(stocks, levels_mwh, strict=True):
        met, missed = _of_stock(stock, np.round(levels * 1000, _DECIMALS), window)
        asset: WishItem = {"asset": stock.description.asset_id}
        if met:
            resolved.append({**asset, **met})
        if missed:
            unresolved.append({**asset, **missed})
    return tuple(resolved), tuple(unresolved)


def _of_stock(stock: KnownStock, soc_kwh: FloatArray, window: Window) -> tuple[WishItem, WishItem]:
    asked = stock.wishes.asked
    met: WishItem = {}
    missed: WishItem = {}
    for field, slack in (
        ("soc-minima", soc_kwh - asked.minima * 1000),
        ("soc-maxima", asked.maxima * 1000 - soc_kwh),
        ("soc-targets", -np.abs(soc_kwh - asked.targets * 1000)),
    ):
        wished = np.flatnonzero(~np.isnan(slack[1:])) + 1
        violated = wished[slack[wished] < -_MET_KWH]
        if len(violated):
            missed[field] = _told(slack, violated, "violation", window)
        elif len(wished) and field != "soc-targets":
            met[field] = _told(slack, wished, "margin", window)
    return met, missed


def _told(slack_kwh: FloatArray, moments: Iterable[int], what: str, window: Window) -> list[dict[str, str]]:
    return [
        {"datetime": window.moment(int(k)).isoformat(), what: f"{_magnitude(float(slack_kwh[k]), what)} kWh"}
        for k in moments
    ]


def _magnitude(slack_kwh: float, what: str) -> float:
    if what == "margin":
        return round(max(slack_kwh, 0.0), _DECIMALS) + 0.0
    return round(-slack_kwh, _DECIMALS)
