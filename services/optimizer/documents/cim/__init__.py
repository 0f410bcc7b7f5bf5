"""Documents of the CIM API: JSON-LD into the same typed values as PGO's own documents, and solutions written from them.

``triples`` makes statements of JSON-LD, ``objects`` makes objects of the triples (what of CIM is known says ``shared.cim``), ``usage`` and
``conversion`` make a grid of the objects; ``network``, ``demands`` and ``configurations`` are the documents.
"""

from services.optimizer.documents.cim.configurations import (
    read_cim_solution,
    read_cim_start_configuration,
    write_cim_solution,
)
from services.optimizer.documents.cim.demands import CimSession, read_cim_demands, read_cim_session
from services.optimizer.documents.cim.directory import CimDirectory
from services.optimizer.documents.cim.network import CimNetwork, read_cim_network

__all__ = [
    "CimDirectory",
    "CimNetwork",
    "CimSession",
    "read_cim_demands",
    "read_cim_network",
    "read_cim_session",
    "read_cim_solution",
    "read_cim_start_configuration",
    "write_cim_solution",
]
