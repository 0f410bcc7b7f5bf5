"""The API as the dispatcher takes it: its routes bound to a service."""

from __future__ import annotations

import re

from services.gateway.auth.gate import Gate
from services.gateway.dialects.compute_jobs.errors import reply_to_error
from services.gateway.dialects.compute_jobs.routes import ROUTES
from services.gateway.dialects.compute_jobs.service import ComputeJobs
from services.gateway.http.routes import Dialect

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def compute_jobs_dialect(app: ComputeJobs, gate: Gate) -> Dialect:
    """The routes, bound to what their handlers work with."""
    return Dialect(
        "compute_jobs",
        app,
        ROUTES,
        reply_to_error,
        gate,
        scope="jobs",
        roots=("/api/v2",),
        common_headers={"Cache-Control": "no-store"},
        is_case_sensitive=True,
        request_id=REQUEST_ID,
    )
