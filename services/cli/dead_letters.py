"""``busbar dlq``: what waits in the dead-letter queues, and what becomes of it."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from rich.console import Console
from rich.table import Table

from services.cli.broker import connected_bus
from services.cli.data_folder import own_database
from services.cli.usage import WrongUsage
from shared.bus.port import Bus, DeadLetter
from shared.contracts.message import Queue
from shared.contracts.registry import CONTRACTS
from shared.db.engine import PostgresDatabase
from shared.errors import NotFound
from shared.ids import MessageId
from shared.settings import Settings

T = TypeVar("T")
LIST_AT_MOST = 1000


def queues() -> list[Queue]:
    """Every queue of the contracts, once."""
    return list({contract.queue.name: contract.queue for contract in CONTRACTS if contract.queue is not None}.values())


def list_all(settings: Settings, *, as_json: bool) -> None:
    """Print every dead letter, oldest first in each queue."""
    letters = asyncio.run(_with_bus(settings, _letters))
    if as_json:
        sys.stdout.write(json.dumps([_as_json(letter) for letter in letters], indent=2) + "\n")
        return
    table = Table("message", "name", "queue", "died at", "reason")
    for letter in letters:
        died_at = letter.died_at.isoformat(timespec="seconds") if letter.died_at else ""
        table.add_row(str(letter.message_id or "-"), letter.name, letter.queue, died_at, letter.reason)
    Console().print(table)


def show(settings: Settings, message_id: str) -> None:
    """Print one dead letter whole, as JSON."""
    wanted = _parse(message_id)
    letters = [letter for letter in asyncio.run(_with_bus(settings, _letters)) if letter.message_id == wanted]
    if not letters:
        raise NotFound(f"no dead letter has the id {message_id}")
    sys.stdout.write(json.dumps(_as_json(letters[0]), indent=2) + "\n")


def replay(settings: Settings, message_id: str) -> None:
    """Put one or all dead letters back into their queues and print how many."""
    _change(settings, message_id, "replayed", lambda bus, queue, wanted: bus.replay(queue, wanted))


def drop(settings: Settings, message_id: str) -> None:
    """Delete one or all dead letters and print how many."""
    _change(settings, message_id, "dropped", lambda bus, queue, wanted: bus.drop(queue, wanted))


def _change(
    settings: Settings,
    message_id: str,
    done: str,
    change: Callable[[Bus, Queue, MessageId | None], Awaitable[int]],
) -> None:
    wanted = _parse(message_id)

    async def act(bus: Bus) -> int:
        return sum([await change(bus, queue, wanted) for queue in queues()])

    count = asyncio.run(_with_bus(settings, act))
    if wanted is not None and count == 0:
        raise NotFound(f"no dead letter has the id {message_id}")
    sys.stdout.write(f"{done} {count}\n")


def _parse(message_id: str) -> MessageId | None:
    if message_id == "all":
        return None
    try:
        return MessageId(UUID(message_id))
    except ValueError as error:
        raise WrongUsage(f"'{message_id}' is no message id; expected a UUID as listed, or 'all'") from error


async def _letters(bus: Bus) -> list[DeadLetter]:
    return [letter for queue in queues() for letter in await bus.dead_letters(queue, limit=LIST_AT_MOST)]


async def _with_bus(settings: Settings, act: Callable[[Bus], Awaitable[T]]) -> T:
    async with own_database(settings, others_may_join=False) as url:
        database = PostgresDatabase(url, application_name="busbar dlq")
        await database.start()
        try:
            async with connected_bus(settings, database) as bus:
                return await act(bus)
        finally:
            await database.close()


def _as_json(letter: DeadLetter) -> dict[str, str | None]:
    try:
        body = letter.body.decode()
    except UnicodeDecodeError:
        body = "base64:" + base64.b64encode(letter.body).decode()
    return {
        "message_id": str(letter.message_id) if letter.message_id else None,
        "name": letter.name,
        "queue": letter.queue,
        "reason": letter.reason,
        "died_at": letter.died_at.isoformat() if letter.died_at else None,
        "body": body,
    }
