"""Charts as Vega-Lite specifications: a graph below another for what an asset shows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.gateway.dialects.flexibility.references import sensors_shown

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


@dataclass(frozen=True, slots=True)
class Graph:
    """Sensors that are drawn together."""

    title: str
    sensor_ids: tuple[int, ...]


def graphs_of(shown: Sequence[Any]) -> list[Graph]:
    """The graphs that an asset shows (Any: as JSON holds them); those without sensors are left out."""
    graphs = []
    for each in shown:
        numbers = tuple(sorted(sensors_shown([each])))
        title = each.get("title") if isinstance(each, Mapping) else None
        if numbers:
            graphs.append(Graph(title or "", numbers))
    return graphs


def specification_of(
    graphs: Sequence[Graph], *, titles: Mapping[int, str], units: Mapping[int, str], url: str
) -> dict[str, object]:
    """The chart of graphs, for those of their sensors that have a title; its data are at ``url``."""
    drawn = [(graph, [number for number in graph.sensor_ids if number in titles]) for graph in graphs]
    return {
        "$schema": SCHEMA,
        "data": {"url": url, "format": {"type": "json"}},
        "vconcat": [_layer(graph, numbers, titles, units) for graph, numbers in drawn if numbers],
    }


def _layer(
    graph: Graph, numbers: Sequence[int], titles: Mapping[int, str], units: Mapping[int, str]
) -> dict[str, object]:
    measured = " / ".join(sorted({units[number] for number in numbers}))
    return {
        "title": graph.title or " / ".join(titles[number] for number in numbers),
        "width": "container",
        "transform": [{"filter": {"field": "sensor.id", "oneOf": list(numbers)}}],
        "mark": {"type": "line", "interpolate": "step-after", "tooltip": True},
        "encoding": {
            "x": {"field": "event_start", "type": "temporal", "title": None},
            "y": {"field": "event_value", "type": "quantitative", "title": measured},
            "color": {"field": "sensor.name", "type": "nominal", "title": None},
        },
    }
