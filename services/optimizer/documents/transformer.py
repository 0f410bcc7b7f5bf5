"""One transformer of a network document, in both directions."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence

from services.optimizer.documents.element import KILO, Element
from services.optimizer.documents.json_reader import JsonObject
from services.optimizer.reconfiguration.network import Node, Transformer, TransformerMode, TransformerOperation
from services.optimizer.reconfiguration.wording import quoted


def read_transformer(fields: JsonObject, known_ids: Container[str], node_index: Mapping[str, int]) -> Transformer:
    """A transformer with all rules that concern it."""
    element = Element("Transformer", fields, known_ids)
    if element.id in node_index:
        raise element.error("there is a node with this id")
    terminals, end_voltages_v = _read_connections(element, node_index)
    entries = fields.required_objects("modes")
    if not entries:
        raise element.error("the list of modes is empty")
    modes = tuple(_read_mode(element, entry, terminals, node_index) for entry in entries)
    _check_modes(element, modes, terminals)
    return Transformer(
        id=element.id,
        terminals=terminals,
        end_voltages_v=end_voltages_v,
        modes=modes,
        coordinates=element.coordinates(),
    )


def _read_connections(element: Element, node_index: Mapping[str, int]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    entries = element.fields.required_objects("connections")
    if len(entries) not in (2, 3):
        raise element.error(f"it must have 2 or 3 connections and has {len(entries)}")
    voltage_of_terminal: dict[int, float] = {}
    for entry in entries:
        terminal = _read_terminal(element, entry, "node_id", node_index)
        if terminal in voltage_of_terminal:
            raise element.error(
                f"more than one of its connections is to the node {quoted(entry.required_text('node_id'))}"
            )
        voltage_v = entry.required_number("end_voltage") * KILO
        if not 0 < voltage_v < float("inf"):
            raise element.error(f"every end_voltage must be positive and finite, and one is {voltage_v / KILO:g} kV")
        voltage_of_terminal[terminal] = voltage_v
    return tuple(voltage_of_terminal), tuple(voltage_of_terminal.values())


def _read_terminal(element: Element, entry: JsonObject, name: str, node_index: Mapping[str, int]) -> int:
    node_id = entry.required_text(name)
    if node_id not in node_index:
        raise element.error(f"the {name} {quoted(node_id)} is no node of the network")
    return node_index[node_id]


def _read_mode(
    element: Element, entry: JsonObject, terminals: tuple[int, ...], node_index: Mapping[str, int]
) -> TransformerMode:
    source, target = (_read_terminal(element, entry, end, node_index) for end in ("source", "target"))
    for end, terminal in (("source", source), ("target", target)):
        if terminal not in terminals:
            raise element.error(f"the {end} {quoted(entry.required_text(end))} of a mode is none of its connections")
    if source == target:
        raise element.error(f"a mode has {quoted(entry.required_text('source'))} as both source and target")
    operation = entry.required_choice("operation", TransformerOperation)
    power_factor = entry.number("power_factor", 1.0)
    if not 0 < power_factor <= 1:
        raise element.error(f"the power_factor of a mode must be above 0 and at most 1 and is {power_factor:g}")
    return TransformerMode(
        source=source,
        target=target,
        operation=operation,
        ratio=_read_ratio(element, entry, operation),
        power_factor=power_factor,
        is_bidirectional=entry.flag("bidirectional", default=True),
    )


def _read_ratio(element: Element, entry: JsonObject, operation: TransformerOperation) -> float | None:
    ratio = entry.optional_number("ratio")
    if operation is TransformerOperation.AUTOMATIC:
        if ratio is not None:
            raise element.error("a mode with the operation automatic can have no ratio")
        return None
    if ratio is None:
        raise element.error("a mode with the operation fixed_ratio needs a ratio")
    if not 0 < ratio < float("inf"):
        raise element.error(f"the ratio of a mode must be positive and finite and is {ratio:g}")
    return ratio


def _check_modes(element: Element, modes: Sequence[TransformerMode], terminals: tuple[int, ...]) -> None:
    directions: set[tuple[int, int]] = set()
    for mode in modes:
        for direction in _directions(mode):
            if direction in directions:
                raise element.error(
                    "two of its modes are for the same source and target (a bidirectional mode is for both ways)"
                )
            directions.add(direction)
    if not any(all((start, end) in directions for end in terminals if end != start) for start in terminals):
        raise element.error("it needs an input terminal with modes to each of the other terminals")


def _directions(mode: TransformerMode) -> Iterator[tuple[int, int]]:
    yield mode.source, mode.target
    if mode.is_bidirectional:
        yield mode.target, mode.source


def transformer_document(transformer: Transformer, nodes: Sequence[Node]) -> dict[str, object]:
    """The transformer with every property, in the order of the format."""
    return {
        "id": transformer.id,
        "connections": [
            {"node_id": nodes[terminal].id, "end_voltage": voltage_v / KILO}
            for terminal, voltage_v in zip(transformer.terminals, transformer.end_voltages_v, strict=True)
        ],
        "modes": [
            {
                "source": nodes[mode.source].id,
                "target": nodes[mode.target].id,
                "operation": mode.operation.value,
                "ratio": mode.ratio,
                "power_factor": mode.power_factor,
                "bidirectional": mode.is_bidirectional,
            }
            for mode in transformer.modes
        ],
        "coordinates": transformer.coordinates,
    }
