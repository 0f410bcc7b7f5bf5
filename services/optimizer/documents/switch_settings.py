"""Switch settings: of one period in a start configuration, of every period of a session in a solution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from services.optimizer.documents.errors import DocumentError, NullFoundError, UnreadableDocumentError
from services.optimizer.documents.json_reader import JsonObject, is_blank, read_json_object
from services.optimizer.reconfiguration.network import BoolArray, Configuration, Demands, PowerGrid
from services.optimizer.reconfiguration.wording import listed_ids, quoted


def read_start_configuration(document: bytes, grid: PowerGrid) -> Configuration | None:
    """The (L,) switch settings of a document about one period; None if it is empty or just ``null``.

    Raises:
        DocumentError: what is wrong with the settings. The period that the document may name does not matter.
    """
    return None if is_blank(document) else _read_settings(read_json_object(document), grid)


def read_solution(document: bytes, grid: PowerGrid, demands: Demands) -> BoolArray:
    """The (T, L) switch settings of a solution; flows and costs in it are ignored.

    Raises:
        UnreadableDocumentError: the document has another form.
        DocumentError: what is wrong with the list of periods, then what is wrong with the settings of one of them. That something
            in either is null is one of these, and no other form.
    """
    named = [(_period_of(entry), entry) for entry in _period_entries(read_json_object(document))]
    counts = Counter(period_id for period_id, _ in named)
    expected = [period.id for period in demands.periods]
    known = set(expected)
    _refuse("unknown periods", (period_id for period_id in counts if period_id not in known))
    _refuse("periods with more than one entry", (period_id for period_id, count in counts.items() if count > 1))
    _refuse("periods without settings", (period_id for period_id in expected if period_id not in counts))
    of_period = dict(named)
    solution = np.array([_read_period_settings(period_id, of_period[period_id], grid) for period_id in expected])
    solution.flags.writeable = False
    return solution


def _period_entries(root: JsonObject) -> list[JsonObject]:
    try:
        return root.required_objects("period_solutions")
    except NullFoundError as error:
        if root.has("period_solutions"):
            raise DocumentError(error.message) from None
        raise


def _period_of(entry: JsonObject) -> str:
    try:
        return entry.required_text("period")
    except UnreadableDocumentError as error:
        if entry.has("period"):
            raise
        # A start configuration has the same form and needs no period.
        raise DocumentError(error.message) from None


def _read_period_settings(period_id: str, fields: JsonObject, grid: PowerGrid) -> Configuration:
    prefix = f"Period {quoted(period_id)}: "
    try:
        return _read_settings(fields, grid)
    except NullFoundError as error:
        raise DocumentError(prefix + error.message) from None
    except UnreadableDocumentError as error:
        raise UnreadableDocumentError(prefix + error.message, error.path) from None
    except DocumentError as error:
        raise DocumentError(prefix + error.message) from None


def _read_settings(fields: JsonObject, grid: PowerGrid) -> Configuration:
    entries = fields.required_objects("switch_settings")
    settings = [(entry.required_text("line_id"), entry.required_flag("open")) for entry in entries]
    counts = Counter(line_id for line_id, _ in settings)
    index = grid.line_index
    _refuse("settings for unknown lines", (line_id for line_id in counts if line_id not in index))
    _refuse(
        "lines that are not switchable", (line_id for line_id in counts if not grid.lines[index[line_id]].is_switch)
    )
    _refuse(
        "no setting for switchable lines", (line.id for line in grid.lines if line.is_switch and line.id not in counts)
    )
    _refuse("more than one setting for lines", (line_id for line_id, count in counts.items() if count > 1))
    is_open = np.zeros(len(grid.lines), dtype=bool)
    for line_id, opens in settings:
        is_open[index[line_id]] = opens
    is_open.flags.writeable = False
    return is_open


def _refuse(reason: str, ids: Iterable[str]) -> None:
    """Raise if there are any ids to which the reason applies."""
    found = list(ids)
    if found:
        raise DocumentError(f"{reason}: {listed_ids(found)}")
