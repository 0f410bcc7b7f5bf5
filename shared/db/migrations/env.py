"""Where alembic meets the database: on the connection that it is given, or from a shell on that of BUSBAR_DATABASE_URL."""

from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.db.connections import connector
from shared.db.models import flexibility, identity, infrastructure, reconfiguration  # noqa: F401  # registers the tables
from shared.db.models.base import metadata


def migrate_on(connection: Connection) -> None:
    """Run what alembic was asked for, each migration in a transaction of its own."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def migrate_from_shell() -> None:
    """Connect as a developer's shell says."""
    url = os.environ.get("BUSBAR_DATABASE_URL")
    if url is None:
        raise SystemExit("set BUSBAR_DATABASE_URL to the database that alembic shall work on")
    connect = connector(url, application_name="alembic", command_timeout_s=None)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate_on)


given = context.config.attributes.get("connection")
if given is not None:
    migrate_on(given)
else:
    asyncio.run(migrate_from_shell())
