"""Answers to questions that a client waits for. The asking process finds them here, whether or not the reply message arrives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import pruning
from shared.db.models.infrastructure import answers
from shared.ids import AccountId, AskId

# done: what was asked for is in the database, or in the body. refused: the client's input is wrong, the body says how.
# malformed: it does not even have the form that it should, the body is a JSON object of texts by JSON path.
# failed: it could not be worked out (time, memory). gone: what the question was about has been deleted meanwhile.
Outcome = Literal["done", "refused", "malformed", "failed", "gone"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker answered."""

    ask_id: AskId
    outcome: Outcome
    body: str = ""


async def put(connection: AsyncConnection, account_id: AccountId, answer: Answer) -> None:
    """Record an answer. A question has one: where there is one already it stays."""
    row = {"ask_id": answer.ask_id, "account_id": account_id, "outcome": answer.outcome, "body": answer.body}
    await connection.execute(insert(answers).values(**row).on_conflict_do_nothing())


async def get(connection: AsyncConnection, account_id: AccountId, ask_id: AskId) -> Answer | None:
    """The answer to an account's question, if there is one."""
    statement = select(answers).where(answers.c.ask_id == ask_id, answers.c.account_id == account_id)
    row = (await connection.execute(statement)).one_or_none()
    # cast: only ``put`` writes the table.
    return None if row is None else Answer(AskId(row.ask_id), cast("Outcome", row.outcome), row.body)


async def due_in(connection: AsyncConnection, seconds: float) -> datetime:
    """When an answer is due that may take so long; by the database's clock, which is the same for whoever asks and answers."""
    statement = select(func.clock_timestamp() + timedelta(seconds=seconds))
    due: datetime = (await connection.execute(statement)).scalar_one()
    return due


async def time_left_s(connection: AsyncConnection, due: datetime) -> float:
    """How long whoever asked still waits; not above 0 where nobody does any more."""
    now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    return (due - now).total_seconds()


async def forget_older_than(connection: AsyncConnection, age_s: float, limit: int) -> int:
    """Delete up to ``limit`` answers that nobody waits for any more; returns how many."""
    return await pruning.forget_older_than(connection, answers.c.created_at, age_s, limit)
