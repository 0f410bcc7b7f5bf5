"""How an envelope looks in AMQP: its ids in the properties, the account, version, attempt and trace in the headers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import aio_pika
from aiormq.abc import DeliveredMessage

from shared.contracts.message import Envelope
from shared.db.outbox import DEAD_REASON_HEADER, MAX_REASON_CHARS
from shared.ids import AccountId, MessageId

DIED_AT_HEADER = "busbar-died-at"
# What a dead letter's way has added to it, and what a replay takes off again.
_OF_DEATH = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count", "busbar-")


def to_amqp(envelope: Envelope, *, sender: str) -> aio_pika.Message:
    """The message that carries an envelope; it survives a restart of the broker."""
    headers: dict[str, Any] = {  # Any: a header's value
        "account-id": str(envelope.account_id),
        "version": envelope.version,
        "attempt": envelope.attempt,
        "traceparent": envelope.traceparent,
        **envelope.headers,
    }
    return aio_pika.Message(
        envelope.body,
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=str(envelope.message_id),
        correlation_id=envelope.correlation_id,
        reply_to=envelope.reply_to,
        type=envelope.name,
        app_id=sender,
        headers=headers,
    )


def from_amqp(delivered: DeliveredMessage, *, queue: str | None) -> Envelope | None:
    """The envelope that a message carries; None where it is not one of ours. ``queue`` is the contract's, not the broker's."""
    properties = delivered.header.properties
    headers = properties.headers or {}
    name, message_id, account_id = properties.message_type, properties.message_id, headers.get("account-id")
    version, attempt = headers.get("version"), headers.get("attempt")
    if not isinstance(name, str) or not isinstance(version, int) or not isinstance(attempt, int):
        return None
    try:
        ids = MessageId(UUID(str(message_id))), AccountId(UUID(str(account_id)))
    except ValueError:
        return None
    return Envelope(
        message_id=ids[0],
        account_id=ids[1],
        name=name,
        version=version,
        body=delivered.body,
        # A command goes to its queue by the queue's name; the key of its contract is the contract's name.
        routing_key=name if queue else delivered.routing_key or name,
        queue=queue,
        correlation_id=properties.correlation_id or "",
        traceparent=str(headers.get("traceparent") or ""),
        reply_to=properties.reply_to,
        attempt=attempt,
    )


def dead_copy(delivered: DeliveredMessage, *, reason: str, died_at: datetime) -> aio_pika.Message:
    """A message as it came, readable or not, with what makes it a dead letter."""
    headers = {
        **_headers(delivered),
        DEAD_REASON_HEADER: reason[:MAX_REASON_CHARS],
        DIED_AT_HEADER: died_at.isoformat(),
    }
    return _copy(delivered, headers, delivered.header.properties.message_id)


def replay_copy(delivered: DeliveredMessage, message_id: MessageId | None) -> aio_pika.Message:
    """A dead letter as the message that it was, on its first attempt, under another id if it had a readable one."""
    headers = {key: value for key, value in _headers(delivered).items() if not key.startswith(_OF_DEATH)}
    if "attempt" in headers:
        headers["attempt"] = 0
    return _copy(delivered, headers, str(message_id) if message_id else delivered.header.properties.message_id)


def message_id_of(delivered: DeliveredMessage) -> MessageId | None:
    """A message's id if it has a readable one."""
    try:
        return MessageId(UUID(str(delivered.header.properties.message_id)))
    except ValueError:
        return None


def death_of(delivered: DeliveredMessage) -> tuple[str, datetime | None]:
    """Why and when a dead letter died: in our words, or in the broker's where it was the broker that moved it."""
    headers = _headers(delivered)
    if (reason := headers.get(DEAD_REASON_HEADER)) is not None:
        return str(reason), _moment(headers.get(DIED_AT_HEADER))
    deaths = headers.get("x-death")
    if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict):
        moved_by = str(deaths[0].get("reason"))
        reason = f"the broker moved it here: {moved_by}"
        if moved_by == "delivery_limit":
            reason = "delivered again and again without an acknowledgement (delivery limit)"
        return reason, _moment(deaths[0].get("time"))
    return "unknown", None


def _headers(delivered: DeliveredMessage) -> dict[str, Any]:  # Any: a header's value
    return dict(delivered.header.properties.headers or {})


def _copy(delivered: DeliveredMessage, headers: dict[str, Any], message_id: str | None) -> aio_pika.Message:
    properties = delivered.header.properties
    return aio_pika.Message(
        delivered.body,
        content_type=properties.content_type,
        content_encoding=properties.content_encoding,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=message_id,
        correlation_id=properties.correlation_id,
        reply_to=properties.reply_to,
        type=properties.message_type,
        app_id=properties.app_id,
        headers=headers,
    )


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
