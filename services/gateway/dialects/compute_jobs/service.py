"""What the handlers of this API work with."""

from __future__ import annotations

from dataclasses import dataclass

from services.gateway.auth.counting_gates import ComputeJobsLimits
from services.gateway.http.call import Reply
from shared.db.unit_of_work import Database


@dataclass(frozen=True)
class ComputeJobs:
    """The database, the limits in force, and the API's own documentation as it is served."""

    database: Database
    limits: ComputeJobsLimits
    json_body_bytes: int
    openapi_json: bytes
    docs_page: Reply
