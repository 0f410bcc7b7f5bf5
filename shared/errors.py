"""The one tree of errors. Leaves that belong to one module live beside it; each has a stable ``code``.

BusbarError
├── InvalidInput            the request is wrong and says where               (client error)
├── NotFound                nothing of that name in the asking account        (client error)
├── Conflict                the name is taken or the state forbids it         (client error)
├── DependencyUnavailable   try again later; carries ``retry_after_s``        (503; transient for a consumer)
│   ├── BrokerUnavailable
│   ├── DatabaseUnavailable
│   ├── NoWorkerAnswered
│   └── PoolSaturated       (shared/workers/pool.py)
├── LeaseLost               somebody else owns the work now                    (give up quietly)
├── WorkerDied              a child process ended before its answer            (transient, then poison)
├── WorkTimedOut            a child process was ended at its deadline          (transient, then poison)
└── PoisonMessage           cannot be parsed or keeps killing the worker       (dead-letter queue)

A dialect turns ``code`` into its API's status and body; nothing else knows HTTP.
"""

from __future__ import annotations

from typing import ClassVar


class BusbarError(Exception):
    """Root of all errors that Busbar raises on purpose. ``message`` is a sentence that a user can act on."""

    code: ClassVar[str] = "busbar_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(BusbarError):
    """The request is wrong; ``field`` is the path to the offending value where one is known."""

    code = "invalid_input"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotFound(BusbarError):
    """There is nothing of that name in the asking account."""

    code = "not_found"


class Conflict(BusbarError):
    """The name is taken (``field`` says which), or the state of the thing forbids the request."""

    code = "conflict"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class DependencyUnavailable(BusbarError):
    """Something that Busbar needs is away; nothing was done, and the same request may be sent again."""

    code = "dependency_unavailable"

    def __init__(self, message: str, *, retry_after_s: int = 2) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BrokerUnavailable(DependencyUnavailable):
    """The message broker did not confirm in time."""

    code = "broker_unavailable"


class DatabaseUnavailable(DependencyUnavailable):
    """The database did not answer in time."""

    code = "database_unavailable"


class NoWorkerAnswered(DependencyUnavailable):
    """No worker answered the question before its deadline."""

    code = "no_worker_answered"


class LeaseLost(BusbarError):
    """The lease expired or was taken over; whoever finds this stops and writes nothing more."""

    code = "lease_lost"


class WorkerDied(BusbarError):
    """A child process ended before it answered (crash, out of memory, killed)."""

    code = "worker_died"


class WorkTimedOut(BusbarError):
    """A child process was ended because its task outlived the deadline."""

    code = "work_timed_out"


class PoisonMessage(BusbarError):
    """A message that no retry can help; it goes to the dead-letter queue with this reason."""

    code = "poison_message"
