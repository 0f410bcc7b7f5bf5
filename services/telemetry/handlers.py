"""What telemetry consumes: the news that something was accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.bus.handler import Handler
from shared.contracts.flexibility import IngestRequested
from shared.contracts.message import Envelope
from shared.db.unit_of_work import UnitOfWork
from shared.errors import BusbarError


def handlers(wake: Callable[[], None]) -> tuple[Handler[Any, Any], ...]:  # Any: handlers of several contracts
    """Everything that telemetry consumes; ``wake`` has the loops look for what waits."""

    async def work(_envelope: Envelope, _wanted: IngestRequested) -> None:
        wake()

    async def apply(_uow: UnitOfWork, _envelope: Envelope, _wanted: IngestRequested, _: None) -> None:
        """Nothing is written: the loops take all that waits, and what they write is not this message's effect alone."""

    async def on_failure(_uow: UnitOfWork, _envelope: Envelope, _wanted: IngestRequested, _: BusbarError) -> None:
        """Nothing is recorded: the loops find the job all the same."""

    return (Handler(IngestRequested, work, apply, on_failure),)
