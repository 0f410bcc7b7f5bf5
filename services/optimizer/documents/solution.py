"""The solution document: switch settings, the flows that follow from them and the expected cost of interruptions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import orjson

from services.optimizer.documents.element import KILO, MEGA
from services.optimizer.reconfiguration.flow import PeriodFlow
from services.optimizer.reconfiguration.network import (
    BoolArray,
    BusKind,
    Configuration,
    Demands,
    FloatArray,
    PowerGrid,
)


def write_solution(
    grid: PowerGrid,
    demands: Demands,
    configurations: BoolArray,
    flows: Sequence[PeriodFlow | None],
    expected_costs: FloatArray,
) -> bytes:
    """The solution as indented JSON.

    Args:
        configurations: (T, L) True where a switch is open.
        flows: for each period its flow, or None where there is none to compute; such periods are left out.
        expected_costs: (T, N) cost of interruptions per consumer.
    """
    periods = list(zip(demands.periods, flows, strict=True))
    writer = _FlowWriter(grid)
    return orjson.dumps(
        {
            "period_solutions": [
                {"switch_settings": _switch_settings(grid, is_open), "period": period.id}
                for (period, _), is_open in zip(periods, configurations, strict=True)
            ],
            "flows": [writer.flow(period.id, flow) for period, flow in periods if flow is not None],
            "kile_costs": [
                {"period_id": period.id, "expected_costs": writer.costs(cost)}
                for (period, flow), cost in zip(periods, expected_costs, strict=True)
                if flow is not None
            ],
        },
        option=orjson.OPT_INDENT_2,
    )


def _switch_settings(grid: PowerGrid, is_open: Configuration) -> list[dict[str, object]]:
    """Closed switches first, then open ones, each in the order of the network."""
    return [
        {"line_id": grid.lines[line].id, "open": opens}
        for opens in (False, True)
        for line in np.flatnonzero(grid.is_switch & (is_open == opens)).tolist()
    ]


class _FlowWriter:
    """Ids and ends of a network laid out for writing the flows of many periods."""

    def __init__(self, grid: PowerGrid) -> None:
        self._node_ids = [node.id for node in grid.nodes]
        self._voltage_ids = [node.id for node in grid.document_nodes]
        self._line_ids = [line.id for line in grid.lines]
        self._consumers = [position for position, node in enumerate(grid.nodes) if node.kind is BusKind.CONSUMER]
        self._consumer_ids = [grid.nodes[position].id for position in self._consumers]
        self._source = np.array([line.source for line in grid.lines], dtype=np.intp)
        self._target = np.array([line.target for line in grid.lines], dtype=np.intp)

    def flow(self, period_id: str, flow: PeriodFlow) -> dict[str, object]:
        """One entry of the list of flows, every present line under its sending end."""
        lines = np.flatnonzero(flow.is_present)
        from_source = flow.from_source[lines]
        source, target = self._source[lines], self._target[lines]
        sent_power_va = flow.sent_power_va[lines]
        currents: dict[str, list[dict[str, object]]] = {}
        powers: dict[str, list[dict[str, object]]] = {}
        for start, end, line, current, active, reactive, loss in zip(
            np.where(from_source, source, target).tolist(),
            np.where(from_source, target, source).tolist(),
            lines.tolist(),
            _finite(flow.current_a[lines] / KILO),
            _finite(sent_power_va.real / MEGA),
            _finite(sent_power_va.imag / MEGA),
            _finite(flow.loss_w[lines] / MEGA),
            strict=True,
        ):
            start_id, ends = self._node_ids[start], {"target": self._node_ids[end], "line_id": self._line_ids[line]}
            currents.setdefault(start_id, []).append({**ends, "current": current})
            powers.setdefault(start_id, []).append(
                {**ends, "active": active, "reactive": reactive, "thermal_loss": loss}
            )
        return {
            "period_id": period_id,
            "status": flow.status.name.lower(),
            "status_details": flow.status_details,
            "voltages": dict(
                zip(self._voltage_ids, _finite(flow.voltage_v / KILO)[: len(self._voltage_ids)], strict=True)
            ),
            "currents": currents,
            "injected_power": powers,
        }

    def costs(self, cost: FloatArray) -> dict[str, float]:
        """The (N,) expected cost of one period, of every consumer."""
        return dict(zip(self._consumer_ids, cost[self._consumers].tolist(), strict=True))


def _finite(values: FloatArray) -> list[float]:
    """The values as JSON can hold them. Only a failed flow has others, and there no number means anything."""
    numbers: list[float] = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).tolist()
    return numbers
