"""From an envelope to its contract's model, and the two other things about a message that both buses must do alike."""

from __future__ import annotations

from typing import TypeVar
from uuid import uuid5

from pydantic import ValidationError

from shared.contracts.message import Envelope, Message
from shared.db.outbox import MAX_BODY_BYTES
from shared.errors import PoisonMessage
from shared.ids import MessageId

M = TypeVar("M", bound=Message)


def parse(contract: type[M], envelope: Envelope) -> M:
    """The message in an envelope.

    Raises:
        PoisonMessage: the body is not one of this contract; the reason names the wrong fields and repeats none of their values.
    """
    if len(envelope.body) > MAX_BODY_BYTES:
        raise PoisonMessage(f"the body has {len(envelope.body)} bytes; a message may have {MAX_BODY_BYTES}")
    try:
        return contract.model_validate_json(envelope.body)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in found[:5])
        raise PoisonMessage(f"not a {contract.name} of version {contract.version}: {wrong}") from error


def replay_id(message_id: MessageId) -> MessageId:
    """The id under which a dead letter is sent again.

    A new one, because the old one's outcome is in the inbox; and always the same one, so that a dead letter that is there
    twice, or that is replayed by a command that dies half-way and is repeated, still takes effect once.
    """
    return MessageId(uuid5(message_id, "replay"))


def matches(pattern: str, routing_key: str) -> bool:
    """Whether a routing key fits a topic pattern: words between dots, ``*`` for one word, ``#`` for any number of words."""
    return _words_match(pattern.split("."), routing_key.split("."))


def _words_match(pattern: list[str], words: list[str]) -> bool:
    # reachable[i]: the pattern up to here can have used up the first i words.
    reachable = [True] + [False] * len(words)
    for part in pattern:
        if part == "#":
            first = reachable.index(True) if True in reachable else len(reachable)
            reachable = [i >= first for i in range(len(reachable))]
        else:
            step = [reachable[i] and part in {"*", words[i]} for i in range(len(words))]
            reachable = [False, *step]
    return reachable[-1]
