"""What can be wrong with a request to this API, and the status and body that its clients expect for it.

PGO's clients show the body of a 400 or 404 to the user as it stands, so it is a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.gateway.http.binding import BindingFailed, problem_reply
from services.gateway.http.call import Reply, text_reply
from services.gateway.http.faults import retry_headers
from services.gateway.http.routes import status_of
from shared.errors import BusbarError, Conflict, DependencyUnavailable, InvalidInput, NotFound
from shared.observability.tracing import current_traceparent


class IdTaken(Conflict):
    """A network or session of that id is there already."""

    code = "id_taken"


class UnknownNetwork(NotFound):
    """No network of that id is loaded."""

    code = "network_not_found"

    def __init__(self, network_id: str) -> None:
        super().__init__(f"No network with id '{network_id}' is loaded.")
        self.network_id = network_id


class UnknownSession(NotFound):
    """There is no session of that id."""

    code = "session_not_found"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"There is no session '{session_id}'.")
        self.session_id = session_id


class UnknownSolution(NotFound):
    """There is no solution of that id in the session."""

    code = "solution_not_found"

    def __init__(self, session_id: str, solution_id: str) -> None:
        super().__init__(f"There is no solution '{solution_id}' in the session '{session_id}'.")
        self.session_id = session_id
        self.solution_id = solution_id


class SolutionIdTaken(Conflict):
    """A solution of that id is in the pool already."""

    code = "solution_id_taken"


class ReservedId(InvalidInput):
    """The id is that of the best known solution, which no client makes, replaces or removes."""

    code = "reserved_id"


class UnknownSolutionToUpdate(InvalidInput):
    """No solution of that id is in the pool: where one is to be replaced, PGO's clients expect a 400."""

    code = "solution_to_update_not_found"


class RunActive(Conflict):
    """That cannot be done while the session is being optimised."""

    code = "run_active"


class QuotaExceeded(BusbarError):
    """The user has, or wants, more than their quotas allow."""

    code = "quota_exceeded"


class InputRefused(InvalidInput):
    """A worker has read the documents and says what is wrong with them."""

    code = "input_refused"


class WorkFailed(InvalidInput):
    """The documents could not be worked with: a worker ran out of time or memory over them, or died of them."""

    code = "work_failed"


class WorkerFailed(BusbarError):
    """A worker failed in a way that nobody had thought of: a bug."""

    code = "worker_failed"


# PGO answers 400 where a network is read that is not loaded; its .NET client shows the text of a 400 and throws a 404's away.
# Only DELETE says 404 there (see its route).
STATUSES: Mapping[str, int] = {
    "unauthenticated": 401,
    "forbidden": 403,
    QuotaExceeded.code: 403,
    "method_not_allowed": 405,
    "too_many_requests": 429,
    InvalidInput.code: 400,
    Conflict.code: 400,
    UnknownNetwork.code: 400,
    NotFound.code: 404,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "no_room": 507,
    DependencyUnavailable.code: 503,
}


def reply_to_error(error: BusbarError, statuses: Mapping[str, int]) -> Reply:
    """The reply for an error; ``statuses`` overrules the usual ones."""
    if isinstance(error, BindingFailed):
        return problem_reply(error, trace_id=current_traceparent())
    status = status_of(error, {**STATUSES, **statuses})
    text = (
        error.message
        if status < 500 or isinstance(error, DependencyUnavailable)
        else "Something went wrong inside the server."
    )
    return text_reply(text, status=status, headers=retry_headers(error))
