"""Loading and analysing networks."""

from __future__ import annotations

from dataclasses import replace

from services.optimizer.documents import (
    DocumentError,
    UnreadableDocumentError,
    connectivity_document,
    read_power_grid,
    write_power_grid,
)
from services.optimizer.documents.cim import CimDirectory, read_cim_network
from services.optimizer.documents.errors import NETWORK_PREFIX
from services.optimizer.reconfiguration.analysis import analysis_report
from services.optimizer.reconfiguration.connectivity import connectivity_status
from services.optimizer.reconfiguration.reduction import reduce_network
from services.optimizer.tasks.values import LoadedNetwork, Malformed, Refused


def load(document: bytes) -> LoadedNetwork | Refused:
    """Read a network; one that cannot be operated radially is stored all the same, and its status says so."""
    try:
        grid = read_power_grid(document)
    except DocumentError as err:
        return Refused(f"{NETWORK_PREFIX}{err.message}")
    status = connectivity_status(grid, reduce_network(grid))
    return LoadedNetwork(write_power_grid(grid), grid.bus_count, connectivity_document(status))


def load_cim(document: bytes, creator: str) -> LoadedNetwork | Refused | Malformed:
    """Read a CIM network and keep it as one like any other, with what has to be remembered beside it."""
    try:
        network = read_cim_network(document)
        own_document = write_power_grid(network.grid)
        grid = read_power_grid(own_document)  # what is beyond our own documents is refused now and not later
    except UnreadableDocumentError as err:
        return Malformed(err.path, err.message)
    except DocumentError as err:
        return Refused(f"{NETWORK_PREFIX}{err.message}")
    status = connectivity_status(grid, reduce_network(grid))
    kept = replace(network.directory, creator=creator).written_into(own_document)
    return LoadedNetwork(kept, grid.bus_count, connectivity_document(status))


def analyse(document: bytes, *, verbose: bool, is_cim: bool) -> str:
    """The report on a network that was loaded before; of a CIM network with the warnings of its conversion."""
    grid = read_power_grid(document)
    report = analysis_report(grid, reduce_network(grid), verbose=verbose)
    warnings = CimDirectory.of_network(document).warnings if is_cim else ()
    if not warnings:
        return report
    return report + "\n".join(["", "Warnings of the conversion from CIM:", *(f"  {text}" for text in warnings)]) + "\n"
