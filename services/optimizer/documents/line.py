"""One line of a network document, in both directions."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence

from services.optimizer.documents.element import KILO, Element, wire_number
from services.optimizer.documents.errors import DocumentError
from services.optimizer.documents.json_reader import JsonObject
from services.optimizer.documents.times import write_duration
from services.optimizer.reconfiguration.network import Line, Node
from services.optimizer.reconfiguration.wording import quoted

FAULT_FREQUENCY = "fault_frequency"


def read_line(fields: JsonObject, known_ids: Container[str], node_index: Mapping[str, int]) -> Line:
    """A line with all rules that concern it. Data that have no effect are left out: faults of a breaker, a cost without a switch."""
    element = Element("Line", fields, known_ids)
    source, target = _read_end(element, "source", node_index), _read_end(element, "target", node_index)
    if source == target:
        raise element.error("its source and its target are the same node")
    switching_cost = element.quantity("switching_cost")
    r_ohm, x_ohm = element.quantity("r"), element.quantity("x")
    imax_a = element.quantity("imax", 1.0, math.inf, infinity=math.inf)
    vmax_v = element.quantity("vmax", KILO, math.inf, infinity=math.inf)
    faults_per_year = element.quantity(FAULT_FREQUENCY)
    sectioning_time_s = fields.duration_s("sectioning_time") or 0.0
    repair_time_s = fields.duration_s("repair_time") or 0.0
    if r_ohm < 0 or imax_a < 0 or faults_per_year < 0 or sectioning_time_s < 0 or repair_time_s < 0:
        raise _negative(element)
    if not vmax_v > 0:
        raise element.error(f"vmax must be positive and is {vmax_v / KILO:g} kV")
    is_switch, is_breaker = fields.flag("switchable", default=False), fields.flag("breaker", default=False)
    return Line(
        id=element.id,
        source=source,
        target=target,
        r_ohm=r_ohm,
        x_ohm=x_ohm,
        imax_a=imax_a,
        vmax_v=vmax_v,
        is_switch=is_switch,
        switching_cost=switching_cost if is_switch else 0.0,
        is_breaker=is_breaker,
        faults_per_year=0.0 if is_breaker else faults_per_year,
        sectioning_time_s=0.0 if is_breaker else sectioning_time_s,
        repair_time_s=0.0 if is_breaker else repair_time_s,
    )


def _read_end(element: Element, end: str, node_index: Mapping[str, int]) -> int:
    node_id = element.fields.required_text(end)
    if node_id not in node_index:
        raise element.error(f"its {end} {quoted(node_id)} is no node of the network")
    return node_index[node_id]


def _negative(element: Element) -> DocumentError:
    """The error for the first of the properties that are negative and must not be."""
    fields = element.fields
    for name in ("r", "imax", FAULT_FREQUENCY):
        if fields.number(name, 0.0) < 0:
            return element.error(f"{name} is negative: {fields.number(name, 0.0):g}")
    name = "sectioning_time" if (fields.duration_s("sectioning_time") or 0.0) < 0 else "repair_time"
    return element.error(f"{name} is negative: {fields.text(name)}")


def line_document(line: Line, nodes: Sequence[Node]) -> dict[str, object]:
    """The line with every property, in the order of the format."""
    return {
        "id": line.id,
        "source": nodes[line.source].id,
        "target": nodes[line.target].id,
        "r": line.r_ohm,
        "x": line.x_ohm,
        "imax": wire_number(line.imax_a),
        "vmax": wire_number(line.vmax_v / KILO),
        "switchable": line.is_switch,
        "switching_cost": line.switching_cost,
        "breaker": line.is_breaker,
        FAULT_FREQUENCY: None if line.is_breaker else line.faults_per_year,
        "sectioning_time": write_duration(line.sectioning_time_s),
        "repair_time": write_duration(line.repair_time_s),
    }
