"""What an asset shows: graphs of sensors, and key figures. Pure: their form, and the sensors and assets that they name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from services.gateway.dialects.flexibility.fields import JsonList, parsed_json

KPI_FUNCTIONS = ("sum", "min", "max", "mean")
_GRAPH = 'Each graph must be the id of a sensor, a list of such ids, or an object with "title" and "plots", "sensor" or "sensors".'
_KPI = f'Each key figure must be an object of "title", "sensor" and "function" ({", ".join(KPI_FUNCTIONS)}).'


def _check_graphs(graphs: list[Any]) -> list[Any]:
    if not all(_is_graph(graph) for graph in graphs):
        raise ValueError(_GRAPH)
    return graphs


def _check_kpis(kpis: list[Any]) -> list[Any]:
    if not all(_is_kpi(kpi) for kpi in kpis):
        raise ValueError(_KPI)
    return kpis


def _is_graph(graph: object) -> bool:
    if isinstance(graph, list):
        return all(_is_id(sensor) for sensor in graph)
    if not isinstance(graph, Mapping):
        return _is_id(graph)
    if not isinstance(graph.get("title"), str | None):
        return False
    plots = graph.get("plots")
    return _is_plot(graph) if plots is None else isinstance(plots, list) and all(_is_plot(plot) for plot in plots)


def _is_plot(plot: object) -> bool:
    if not isinstance(plot, Mapping):
        return False
    if "sensors" in plot:
        return isinstance(plot["sensors"], list) and all(_is_id(sensor) for sensor in plot["sensors"])
    return _is_id(plot.get("sensor")) or _is_id(plot.get("asset"))


def _is_kpi(kpi: object) -> bool:
    return (
        isinstance(kpi, Mapping)
        and kpi.keys() == {"title", "sensor", "function"}
        and isinstance(kpi["title"], str)
        and _is_id(kpi["sensor"])
        and kpi["function"] in KPI_FUNCTIONS
    )


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


Graphs = Annotated[JsonList, AfterValidator(_check_graphs), BeforeValidator(parsed_json)]
Kpis = Annotated[JsonList, AfterValidator(_check_kpis), BeforeValidator(parsed_json)]
