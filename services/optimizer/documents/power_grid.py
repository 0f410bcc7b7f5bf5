"""A network document: JSON to ``PowerGrid`` and back in normalised form."""

from __future__ import annotations

import orjson

from services.optimizer.documents.errors import DocumentError
from services.optimizer.documents.json_reader import JsonObject, read_json_object
from services.optimizer.documents.line import FAULT_FREQUENCY, line_document, read_line
from services.optimizer.documents.node import node_document, read_node
from services.optimizer.documents.schema_version import SCHEMA_VERSION, SCHEMA_VERSION_FIELD, check_schema_version
from services.optimizer.documents.transformer import read_transformer, transformer_document
from services.optimizer.reconfiguration.network import (
    BusKind,
    Line,
    Node,
    PowerGrid,
    Transformer,
    with_transformer_buses,
)
from services.optimizer.reconfiguration.wording import quoted


def read_power_grid(document: bytes) -> PowerGrid:
    """The network that a document describes.

    Raises:
        DocumentError: the first thing that is wrong, in the order lists, version, nodes, lines, transformers.
    """
    root = read_json_object(document)
    node_entries, line_entries = root.required_objects("nodes"), root.required_objects("lines")
    transformer_entries = root.objects("transformers") or []
    check_schema_version(root)
    name = root.text("name")

    nodes: dict[str, Node] = {}
    for entry in node_entries:
        node = read_node(entry, nodes)
        nodes[node.id] = node
    node_index = {node_id: position for position, node_id in enumerate(nodes)}
    lines: dict[str, Line] = {}
    for entry in line_entries:
        line = read_line(entry, lines, node_index)
        lines[line.id] = line
    transformers: dict[str, Transformer] = {}
    for entry in transformer_entries:
        transformer = read_transformer(entry, transformers, node_index)
        transformers[transformer.id] = transformer
    grid = with_transformer_buses(name, tuple(nodes.values()), tuple(lines.values()), tuple(transformers.values()))
    _check_consumer_types(grid, line_entries)
    return grid


def _check_consumer_types(grid: PowerGrid, line_entries: list[JsonObject]) -> None:
    """An interruption has a cost, so every consumer needs a category as soon as a line, even a breaker, can fault."""
    if not any(entry.number(FAULT_FREQUENCY, 0.0) > 0 for entry in line_entries):
        return
    for node in grid.nodes:
        if node.kind is BusKind.CONSUMER and not node.category_fractions:
            raise DocumentError(
                f"Node {quoted(node.id)}: a consumer needs a consumer_type or consumer_type_fractions when a "
                f"{FAULT_FREQUENCY} is given for a line"
            )


def write_power_grid(grid: PowerGrid) -> bytes:
    """The network as compact JSON with every property present, defaults filled in."""
    return orjson.dumps(
        {
            "name": grid.name,
            SCHEMA_VERSION_FIELD: SCHEMA_VERSION,
            "nodes": [node_document(node) for node in grid.document_nodes],
            "lines": [line_document(line, grid.nodes) for line in grid.document_lines],
            "transformers": [transformer_document(transformer, grid.nodes) for transformer in grid.transformers],
        }
    )
