"""What can be wrong with a request before any route sees it, and what is wrong with us; each API tells it in its own form."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import BusbarError, DependencyUnavailable, NotFound


class UnknownPath(NotFound):
    """No route has this path."""

    code = "unknown_path"

    def __init__(self) -> None:
        super().__init__("There is nothing at this path.")


class MethodNotAllowed(BusbarError):
    """The path is there, but not for this method."""

    code = "method_not_allowed"

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"This path does not know the method {method[:20]}.")
        self.allowed = tuple(allowed)


class InternalError(BusbarError):
    """A bug of ours; the log has the details, and nobody else."""

    code = "internal_error"

    def __init__(self) -> None:
        super().__init__("Something went wrong inside the server; it has been logged.")


def retry_headers(error: BusbarError) -> dict[str, str]:
    """When to ask again, for errors after which the same request may be sent again; for others nothing."""
    return {"Retry-After": str(error.retry_after_s)} if isinstance(error, DependencyUnavailable) else {}
