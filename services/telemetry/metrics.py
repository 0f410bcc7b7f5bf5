"""The telemetry service's own metrics. Labels come from small closed sets, never from an account or a sensor."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# outcome: processed | already_received | invalid_replacement | failed
JOBS_ENDED = Counter("busbar_telemetry_ended_jobs", "Ingestion jobs by what came of them.", ["outcome"])
VALUES_STORED = Counter("busbar_telemetry_stored_values", "Values that were news and are stored.")
BATCH_SECONDS = Histogram(
    "busbar_telemetry_batch_seconds",
    "Time from looking for small jobs to the commit of what they bring.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0, 10.0),
)
BATCH_JOBS = Histogram(
    "busbar_telemetry_batch_jobs", "Jobs in one transaction.", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
JOBS_WAITING = Gauge("busbar_telemetry_waiting_jobs", "Ingestion jobs that are accepted and not stored yet.")
OLDEST_JOB_SECONDS = Gauge("busbar_telemetry_oldest_job_seconds", "Age of the oldest job that is not stored yet.")
UPLOAD_SECONDS = Histogram(
    "busbar_telemetry_upload_seconds",
    "Time that a child process took to read a file.",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)
CHILD_DEATHS = Counter("busbar_telemetry_child_deaths", "Child processes that ended before they had read a file.")
