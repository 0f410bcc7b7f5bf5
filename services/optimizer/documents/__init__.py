"""PGO's JSON documents: read into typed values with errors that say what is wrong and where, and written from them.

Pure: bytes in, values out and the other way round. ``power_grid``, ``demand``, ``switch_settings`` and ``solution`` are
the four kinds of document, ``info`` the small objects about them; ``json_reader`` and ``json_position`` lie beneath.
"""

from services.optimizer.documents.demand import read_demands, write_demands
from services.optimizer.documents.errors import DocumentError, UnreadableDocumentError
from services.optimizer.documents.info import connectivity_document, verdict_document
from services.optimizer.documents.power_grid import read_power_grid, write_power_grid
from services.optimizer.documents.solution import write_solution
from services.optimizer.documents.switch_settings import read_solution, read_start_configuration

__all__ = [
    "DocumentError",
    "UnreadableDocumentError",
    "connectivity_document",
    "read_demands",
    "read_power_grid",
    "read_solution",
    "read_start_configuration",
    "verdict_document",
    "write_demands",
    "write_power_grid",
    "write_solution",
]
