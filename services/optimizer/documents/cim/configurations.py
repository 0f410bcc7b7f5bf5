"""How switches are set, in CIM: a start configuration or the solution of a client read, a solution of ours written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import numpy as np
import orjson

from services.optimizer.documents.cim.demands import read_steady_state
from services.optimizer.documents.cim.directory import CimDirectory, Entry
from services.optimizer.documents.cim.objects import CimObject, mrid_in_session, objects_of
from services.optimizer.documents.errors import DocumentError
from services.optimizer.documents.json_reader import read_camel_case_object
from services.optimizer.reconfiguration.network import BoolArray, Configuration, Demands, PowerGrid
from services.optimizer.reconfiguration.wording import quoted, shown

_CONTEXT = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "cim": "http://ucaiug.org/ns/CIM#",
    "eu": "http://iec.ch/TC57/CIM100-European#",
    "dcterms": "http://purl.org/dc/terms/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "prov": "http://www.w3.org/ns/prov#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def read_cim_start_configuration(document: object, grid: PowerGrid, directory: CimDirectory) -> Configuration:
    """The (L,) switch settings of JSON-LD data.

    Raises:
        DocumentError: what is wrong with them.
    """
    is_open = np.zeros(len(grid.lines), dtype=bool)
    seen: set[str] = set()
    for switch in objects_of(read_steady_state(document, directory.units_profile), "Switch"):
        entry = _entry_of(switch, directory)
        if entry.mrid in seen:
            raise switch.error(f"the switch with the MRID {shown(entry.mrid)} is set twice")
        seen.add(entry.mrid)
        line = grid.line_index.get(entry.mrid)
        if line is not None:
            is_open[line] = _opens(switch, grid, line)
    for node_line in grid.document_lines:
        if node_line.is_switch and node_line.id not in seen:
            raise DocumentError(
                f"{directory.switches[node_line.id].cim_class} (MRID {node_line.id}): there is no setting for this switch"
            )
    is_open.flags.writeable = False
    return is_open


def _entry_of(switch: CimObject, directory: CimDirectory) -> Entry:
    mrid = mrid_in_session(switch, directory.mrid_of_iri)
    if mrid is None:
        raise switch.error("it has no MRID, and none can be derived from its IRI")
    if mrid not in directory.switches:
        raise DocumentError(f"{switch.cim_class} (MRID {shown(mrid)}): there is no such switch in the network")
    return directory.switches[mrid]


def _opens(switch: CimObject, grid: PowerGrid, line: int) -> bool:
    is_open = switch.flag("Switch.open")
    if is_open is None:
        raise switch.error("Switch.open is missing")
    if is_open and not grid.lines[line].is_switch:
        raise switch.error("it is not controllable, so that it cannot be open")
    return is_open


def read_cim_solution(document: bytes, grid: PowerGrid, demands: Demands, directory: CimDirectory) -> BoolArray:
    """The (T, L) switch settings of a solution of a client.

    Raises:
        UnreadableDocumentError: it has not the form of one.
        DocumentError: what is wrong with it.
    """
    given = read_camel_case_object(document).required_json_list("periodSolutions")
    if len(given) != len(demands.periods):
        raise DocumentError(
            f"there must be one solution for each period, {len(demands.periods)} in all, and there are {len(given)}"
        )
    solution = np.zeros((len(given), len(grid.lines)), dtype=bool)
    for t, (period, settings) in enumerate(zip(demands.periods, given, strict=True)):
        try:
            solution[t] = read_cim_start_configuration(settings, grid, directory)
        except DocumentError as error:
            raise DocumentError(f"Period {quoted(period.id)}: {error.message}") from None
    solution.flags.writeable = False
    return solution


def write_cim_solution(
    grid: PowerGrid,
    directory: CimDirectory,
    configurations: BoolArray,
    *,
    ids: Sequence[UUID],
    generated_at: datetime,
) -> bytes:
    """A solution as compact JSON.

    Args:
        configurations: (T, L) True where a switch is open.
        ids: (T,) a new one for the data of each period.
        generated_at: in UTC.
    """
    moment = f"{generated_at.replace(tzinfo=None).isoformat(timespec='microseconds')}0"
    return orjson.dumps(
        {
            "periodSolutions": [
                {
                    "@context": _CONTEXT,
                    "@id": f"urn:uuid:{new_id}",
                    "@type": "dcat:Dataset",
                    "dcterms:generatedAtTime": {"@value": moment, "@type": "xsd:dateTime"},
                    "dcterms:creator": directory.creator,
                    "@graph": [
                        {
                            "@id": entry.iri,
                            "@type": f"cim:{entry.cim_class}",
                            "cim:Switch.open": _is_open(grid, entry.mrid, configuration),
                        }
                        for entry in directory.switches.values()
                    ],
                }
                for new_id, configuration in zip(ids, configurations, strict=True)
            ]
        }
    )


def _is_open(grid: PowerGrid, mrid: str, configuration: Configuration) -> bool:
    """Those that the grid does not know, or cannot open, are closed."""
    line = grid.line_index.get(mrid)
    return line is not None and bool(configuration[line])
