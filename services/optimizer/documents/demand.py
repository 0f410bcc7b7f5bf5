"""A demand document: periods and the loads of consumers in them, in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import orjson

from services.optimizer.documents.element import MEGA
from services.optimizer.documents.errors import DocumentError
from services.optimizer.documents.json_reader import JsonObject, read_json_object
from services.optimizer.documents.schema_version import SCHEMA_VERSION, SCHEMA_VERSION_FIELD, check_schema_version
from services.optimizer.documents.times import write_moment
from services.optimizer.reconfiguration.network import BusKind, Demands, FloatArray, Period, PowerGrid, instant
from services.optimizer.reconfiguration.wording import listed_ids, quoted

# MW or MVAr; far above any load, far below what could overflow in a calculation.
_LARGEST_LOAD = 1e12


class _Loads(NamedTuple):
    p_mw: list[float]
    q_mvar: list[float]


def read_demands(document: bytes, grid: PowerGrid, *, allow_unspecified: bool) -> Demands:
    """The demands that a document describes for a network.

    Args:
        allow_unspecified: whether consumers may be left out; their demand is zero.

    Raises:
        DocumentError: the first thing that is wrong, in the order lists, version, periods, loads, completeness.
    """
    root = read_json_object(document)
    period_entries, load_entries = root.required_objects("periods"), root.required_objects("loads")
    check_schema_version(root)
    periods = read_periods(period_entries)
    loads = _read_loads(load_entries, grid, len(periods))
    missing = [
        node.id for position, node in enumerate(grid.nodes) if node.kind is BusKind.CONSUMER and position not in loads
    ]
    if missing and not allow_unspecified:
        raise DocumentError(f"there are no loads for {len(missing)} of the consumers: {listed_ids(missing)}")
    shape = (len(periods), len(grid.nodes))
    nodes = list(loads)
    return Demands(
        periods=periods,
        p_w=_matrix(shape, nodes, [series.p_mw for series in loads.values()]),
        q_var=_matrix(shape, nodes, [series.q_mvar for series in loads.values()]),
    )


def read_periods(entries: Sequence[JsonObject]) -> tuple[Period, ...]:
    """Periods of which each starts when the one before it ends."""
    if not entries:
        raise DocumentError("the list of periods is empty")
    periods: dict[str, Period] = {}
    for index, entry in enumerate(entries):
        period = _read_period(entry, index)
        if period.id in periods:
            raise DocumentError(f"there is more than one period with the id {quoted(period.id)}")
        periods[period.id] = period
    for before, after in pairwise(periods.values()):
        if instant(before.end) != instant(after.start):
            raise DocumentError(
                f"the period {quoted(after.id)} starts at {write_moment(after.start)} and not when the period before "
                f"it, {quoted(before.id)}, ends ({write_moment(before.end)})"
            )
    return tuple(periods.values())


def _read_period(entry: JsonObject, index: int) -> Period:
    period = Period(entry.required_text("id"), entry.required_moment("start_time"), entry.required_moment("end_time"))
    if not period.id:
        raise DocumentError(f"the id of the period with index {index} is empty")
    if instant(period.end) <= instant(period.start):
        raise DocumentError(
            f"the period {quoted(period.id)} (index {index}) ends at {write_moment(period.end)}, which is not after its "
            f"start at {write_moment(period.start)}"
        )
    return period


def _read_loads(entries: Sequence[JsonObject], grid: PowerGrid, period_count: int) -> dict[int, _Loads]:
    """Loads by the position of their node."""
    loads: dict[int, _Loads] = {}
    for entry in entries:
        node_id = entry.required_text("node_id")
        position = grid.node_index.get(node_id)
        if position is None:
            raise DocumentError(f"Node {quoted(node_id)}: there is no such node in the network")
        if grid.nodes[position].kind is not BusKind.CONSUMER:
            raise DocumentError(f"Node {quoted(node_id)}: only a consumer can have loads")
        if position in loads:
            raise DocumentError(f"Node {quoted(node_id)}: there is more than one entry with loads for it")
        loads[position] = _read_series(entry, node_id, period_count)
    return loads


def _read_series(entry: JsonObject, node_id: str, period_count: int) -> _Loads:
    loads = _Loads(entry.required_numbers("p_loads"), entry.required_numbers("q_loads"))
    for name, values in (("p_loads", loads.p_mw), ("q_loads", loads.q_mvar)):
        if len(values) != period_count:
            raise DocumentError(
                f"Node {quoted(node_id)}: {name} must have one value for each period, {period_count} in all, and has "
                f"{len(values)}"
            )
        if max(values) > _LARGEST_LOAD or min(values) < -_LARGEST_LOAD:
            raise DocumentError(f"Node {quoted(node_id)}: {name} has a value beyond {_LARGEST_LOAD:g}")
    if min(loads.p_mw) < 0:
        raise DocumentError(f"Node {quoted(node_id)}: p_loads has a negative value, {min(loads.p_mw):g}")
    return loads


def _matrix(shape: tuple[int, int], nodes: list[int], series: list[list[float]]) -> FloatArray:
    """(T, N) in W or var, read-only, from one series in MW or MVAr for each of some nodes."""
    values = np.zeros(shape)
    if nodes:
        values[:, nodes] = np.array(series).T * MEGA
    values.flags.writeable = False
    return values


def period_document(period: Period) -> dict[str, str]:
    """The period as documents and reports show it."""
    return {
        "id": period.id,
        "start_time": write_moment(period.start),
        "end_time": write_moment(period.end),
    }


def write_demands(demands: Demands, grid: PowerGrid) -> bytes:
    """The demands as compact JSON, with one series for every consumer in the order of the network."""
    consumers = [position for position, node in enumerate(grid.nodes) if node.kind is BusKind.CONSUMER]
    p_loads, q_loads = ((power[:, consumers].T / MEGA).tolist() for power in (demands.p_w, demands.q_var))
    return orjson.dumps(
        {
            SCHEMA_VERSION_FIELD: SCHEMA_VERSION,
            "periods": [period_document(period) for period in demands.periods],
            "loads": [
                {"node_id": grid.nodes[consumer].id, "p_loads": p_load, "q_loads": q_load}
                for consumer, p_load, q_load in zip(consumers, p_loads, q_loads, strict=True)
            ],
        }
    )
