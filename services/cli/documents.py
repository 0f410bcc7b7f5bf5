"""``busbar openapi``: the document of a dialect, from its route table."""

from __future__ import annotations

import sys

from services.gateway.documents import OPENAPI_DOCUMENTS, openapi_json
from shared.errors import BusbarError


class UnknownDialect(BusbarError):
    """There is no such dialect; exit status 2."""

    code = "unknown_dialect"
    exit_status = 2


def print_openapi(dialect: str) -> None:
    """Write the OpenAPI document to standard output."""
    if dialect not in OPENAPI_DOCUMENTS:
        raise UnknownDialect(f"no dialect '{dialect}'; there are: {', '.join(OPENAPI_DOCUMENTS)}")
    sys.stdout.write(openapi_json(dialect))
