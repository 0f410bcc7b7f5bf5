"""What telemetry consumes: the news that something was accepted."""

from __future__ import annotations

from collections.abc import Callable

from shared.bus.handler import WakeUp
from shared.contracts.flexibility import IngestRequested


def handlers(wake: Callable[[int | None], None]) -> tuple[WakeUp[IngestRequested], ...]:
    """Everything that telemetry consumes; ``wake`` has the loops look for what waits, told of how many bytes it is at most."""
    return (WakeUp(IngestRequested, lambda accepted: wake(accepted.most_bytes)),)
