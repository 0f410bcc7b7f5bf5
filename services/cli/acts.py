"""What a command on the database is: an act, run once, and its result printed as texts, as a table or as JSON."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pydantic import BaseModel

from services.cli.data_folder import shared_database
from services.cli.usage import WrongUsage
from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import EVERY_ACCOUNT, UnitOfWork
from shared.errors import InvalidInput
from shared.identity.principals import Actor
from shared.settings import Settings

R = TypeVar("R")
T = TypeVar("T")

Result = BaseModel | Sequence[BaseModel]
# What a command does to the database; called once.
Act = Callable[[PostgresDatabase], Awaitable[Result]]
# The same within one unit of work.
Step = Callable[[UnitOfWork, Actor], Awaitable[Result]]

# Deleting an account deletes all its documents.
COMMAND_TIMEOUT_S = 600.0
CONNECTIONS = 2


def run(settings: Settings, act: Act, *, as_json: bool) -> None:
    """Do it, and print what came of it.

    Raises:
        WrongUsage: a value was refused.
    """
    try:
        result = asyncio.run(on_database(settings, act))
    except InvalidInput as error:
        raise WrongUsage(error.message) from error
    _print(result, as_json=as_json)


def in_one_unit(step: Step) -> Act:
    """The act that takes the step in one unit of work on every account."""

    async def act(database: PostgresDatabase) -> Result:
        async with database.unit_of_work(EVERY_ACCOUNT, command_timeout_s=COMMAND_TIMEOUT_S) as work:
            return await step(work, command_line_actor())

    return act


def on_one(
    find: Callable[[UnitOfWork, str], Awaitable[T]],
    name: str,
    do: Callable[[UnitOfWork, Actor, T], Awaitable[T | None]],
    document: Callable[[T], BaseModel],
) -> Act:
    """The act that finds something by its name, does something to it, and tells what became of it, or what it was."""

    async def step(work: UnitOfWork, actor: Actor) -> Result:
        found = await find(work, name)
        return document(await do(work, actor, found) or found)

    return in_one_unit(step)


def command_line_actor() -> Actor:
    """Whoever has typed the command, for the audit record."""
    try:
        return Actor(f"cli:{getpass.getuser()}")
    except (KeyError, OSError):  # a user id without a name
        return Actor(f"cli:{os.getuid()}")


async def on_database(settings: Settings, act: Callable[[PostgresDatabase], Awaitable[R]]) -> R:
    """What comes of an act on the database that the settings mean.

    Raises:
        WrongUsage: the database was not migrated; DatabaseUnavailable: it is away.
    """
    async with shared_database(settings) as url:
        database = PostgresDatabase(url, pool_size=CONNECTIONS, application_name="busbar cli")
        try:
            return await act(database)
        finally:
            await database.close()


def _print(result: Result, *, as_json: bool) -> None:
    if as_json:
        whole = result.model_dump(mode="json") if isinstance(result, BaseModel) else _rows(result)
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
    elif isinstance(result, BaseModel):
        for name, value in result.model_dump(mode="json").items():
            sys.stdout.write(f"{name}: {_shown(value)}\n")
    else:
        _print_table(_rows(result))


def _rows(results: Sequence[BaseModel]) -> list[dict[str, object]]:
    return [result.model_dump(mode="json") for result in results]


def _print_table(rows: list[dict[str, object]]) -> None:
    """One line for each row, whole, so that ids and names can be copied; columns that are empty throughout are left out."""
    names = [name for name in rows[0] if any(row[name] not in (None, [], {}) for row in rows)] if rows else []
    lines = [names, *([_shown(row[name]) for name in names] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines if rows else ():
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(str(part) for part in value)
    return json.dumps(value) if isinstance(value, dict) else str(value)
