"""Questions that a client waits for, and the reply to one; the answer itself is in Postgres under the ask's id."""

from __future__ import annotations

from pydantic import AwareDatetime

from shared.contracts.message import Message
from shared.ids import AskId


class Question(Message):
    """A command whose asker waits for an answer, until ``answer_by`` by the database's clock; nobody needs it done later."""

    ask_id: AskId
    answer_by: AwareDatetime | None = None


class AskAnswered(Message):
    """A question has its answer. Sent to the asking process's own routing key."""

    name = "ask.answered"
    ask_id: AskId
