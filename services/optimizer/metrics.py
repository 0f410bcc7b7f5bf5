"""The optimizer's own metrics. Labels come from small closed sets, never from an account or a run."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# ------------------------------------------------------------------ questions

QUESTION_SECONDS = Histogram(
    "busbar_optimizer_question_seconds",
    "Time from asking a child process for the answer to having it, waiting for a free one included.",
    ["question"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)
QUESTIONS_WAITING = Gauge("busbar_optimizer_waiting_questions", "Questions that wait for a free child process.")
# work: question | run | schedule | forecast
CHILD_DEATHS = Counter("busbar_optimizer_child_deaths", "Child processes that ended before their answer.", ["work"])
CHILDREN_READY = Gauge("busbar_optimizer_children_ready_ratio", "1 once child processes can be forked, else 0.")

# ------------------------------------------------------------------ runs

RUNS_ACTIVE = Gauge("busbar_optimizer_active_runs", "Runs that this process works on.")
RUN_START_SECONDS = Histogram(
    "busbar_optimizer_run_start_seconds",
    "Time from a client's start of a run to its first published solution.",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0),
)
RUN_STOP_SECONDS = Histogram(
    "busbar_optimizer_run_stop_seconds",
    "Time from seeing a request to stop a run to having it written that it stopped.",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)
TAKE_OVERS = Counter("busbar_optimizer_run_take_overs", "Runs taken over from another owner, or from an earlier life.")
# outcome: stopped | failed | handed_on | lost | deleted
RUNS_ENDED = Counter("busbar_optimizer_ended_runs", "Runs that this process has ended its work on.", ["outcome"])
# outcome: better | not_better
CHECKPOINTS = Counter("busbar_optimizer_checkpoints", "Solutions of runs taken to the database.", ["outcome"])
CHECKPOINT_SECONDS = Histogram(
    "busbar_optimizer_checkpoint_seconds",
    "Time that writing a checkpoint took.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0),
)
RESULTS_DISCARDED = Counter(
    "busbar_optimizer_discarded_results", "Results that failed the check of their own figures and were not reported."
)

# ------------------------------------------------------------------ schedule and forecast jobs

# kind: schedule | forecast; outcome: finished | failed | deferred | lost
JOBS_ENDED = Counter(
    "busbar_optimizer_ended_jobs", "Schedule and forecast jobs that were done or have failed.", ["kind", "outcome"]
)
JOB_SECONDS = Histogram(
    "busbar_optimizer_job_seconds",
    "Time from a client's wish for a schedule or a forecast to its end.",
    ["kind"],
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0),
)
JOBS_WAITING_FOR_DATA = Gauge(
    "busbar_optimizer_waiting_jobs", "Jobs that wait for data posted before them to be stored."
)
