"""Tables of the message path, written by every service through ``shared``: outbox, inbox, leases, answers, presence of workers."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, LargeBinary, Table, Text, Uuid, func, text

from shared.db.models.base import account_column, created_at_column, metadata

# A message waits here from the transaction that caused it until the broker has it. The in-process bus has no other place,
# so there its commands stay until a consumer is done with them, and its dead letters for good.
outbox = Table(
    "outbox",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    account_column(),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("queue", Text),  # null for an event
    Column("routing_key", Text, nullable=False),
    Column("reply_to", Text),
    Column("correlation_id", Text, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("state", Text, nullable=False, server_default=text("'pending'")),  # pending → (queued → dead), or gone
    Column("available_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("claimed_until", DateTime(timezone=True)),
    Column("deliveries", Integer, nullable=False, server_default=text("0")),
    Column("dead_reason", Text),
    Column("died_at", DateTime(timezone=True)),
    created_at_column(),
    Index("ix_outbox_pending", "available_at", "message_id", postgresql_where=text("state = 'pending'")),
    Index("ix_outbox_queued", "queue", "available_at", "message_id", postgresql_where=text("state = 'queued'")),
    Index("ix_outbox_dead", "queue", "message_id", postgresql_where=text("state = 'dead'")),
)

# One row for each message whose effect is in the database, written in the same transaction as the effect.
inbox = Table(
    "inbox",
    metadata,
    Column("handler", Text, primary_key=True),
    Column("message_id", Uuid, primary_key=True),
    Column("processed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_inbox_processed_at", "processed_at"),
)

# Who may work on a long-running thing. The fence grows with each owner; a write under an older fence is refused.
leases = Table(
    "leases",
    metadata,
    Column("resource", Text, primary_key=True),
    account_column(),
    Column("owner", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("heartbeat_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_leases_expires_at", "expires_at"),
)

# What a worker answered to a question that a client waits for.
answers = Table(
    "answers",
    metadata,
    Column("ask_id", Uuid, primary_key=True),
    account_column(),
    Column("outcome", Text, nullable=False),  # done | refused | failed
    Column("body", Text, nullable=False, server_default=text("''")),
    created_at_column(),
    Index("ix_answers_created_at", "created_at"),
)

# Which processes are alive; no customer data.
workers = Table(
    "workers",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
