"""The first OAuth2 client, for installations that nobody sets up by hand: made from the settings when no client administers yet."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.background import BackgroundLoop
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.errors import Conflict, DependencyUnavailable
from shared.identity import account_store, administration, client_store, credential_administration
from shared.identity.bootstrap import ACCOUNT_NAME, ACTOR, BOOTSTRAP_LOCK, EVERY_S
from shared.identity.client_store import NewClient
from shared.identity.passwords import PasswordHasher
from shared.settings import Settings, SettingsError

log = structlog.get_logger()

ROLE = "platform_admin"
SHORTEST_SECRET = 32


@dataclass(frozen=True, slots=True)
class FirstClient:
    """What the first client is to be."""

    client_id: str
    secret: str = field(repr=False)
    region: str


def first_client(settings: Settings) -> FirstClient | None:
    """The client that the settings name; None where they name none.

    Raises:
        SettingsError: only half of it is there, or the secret is too short.
    """
    client_id, secret = settings.bootstrap_client_id, settings.bootstrap_client_secret
    if client_id is None and secret is None:
        return None
    if client_id is None or secret is None:
        raise SettingsError(
            "BUSBAR_BOOTSTRAP_CLIENT_ID and BUSBAR_BOOTSTRAP_CLIENT_SECRET (or …_FILE) go together; set both, or neither"
        )
    if len(secret.get_secret_value()) < SHORTEST_SECRET:
        raise SettingsError(
            f"BUSBAR_BOOTSTRAP_CLIENT_SECRET must have at least {SHORTEST_SECRET} characters; `openssl rand -hex 32` makes one"
        )
    return FirstClient(client_id, secret.get_secret_value(), settings.served_regions[0])


class BootstrapClient:
    """Sees to it that the first client is made: at the start, or as soon as the database is there."""

    def __init__(self, database: Database, hasher: PasswordHasher, settings: Settings) -> None:
        self._wanted = first_client(settings)
        self._database = database
        self._hasher = hasher
        self._is_done = self._wanted is None
        self._loop = BackgroundLoop("bootstrap_client", self._turn, every_s=EVERY_S)

    async def start(self) -> None:
        """Make the client; where the database is away, go on trying in the background."""
        try:
            await self._turn()
        except DependencyUnavailable as error:
            log.warning("bootstrap_client_waits", reason=error.message)
            self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop(within_s=1.0)

    async def _turn(self) -> None:
        if self._wanted is not None and not self._is_done:
            await self._ensure(self._wanted)
            self._is_done = True

    async def _ensure(self, wanted: FirstClient) -> None:
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            if await _has_administrator(connection):
                return
        secret_hash = await self._hasher.hash(wanted.secret)
        try:
            await self._make(wanted, secret_hash)
        except Conflict as conflict:
            log.warning("bootstrap_client_not_made", reason=conflict.message)

    async def _make(self, wanted: FirstClient, secret_hash: str) -> None:
        async with self._database.unit_of_work(EVERY_ACCOUNT) as work:
            # Gateways that start at once wait for each other, and one makes it.
            await work.connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": BOOTSTRAP_LOCK})
            if await _has_administrator(work.connection):
                return
            account = await account_store.find_account_by_name(work.connection, EVERY_ACCOUNT, ACCOUNT_NAME)
            if account is None:
                account = await administration.create_account(work, ACTOR, ACCOUNT_NAME)
            new = NewClient("First client", (ROLE,), region=wanted.region, client_id=wanted.client_id)
            await credential_administration.create_client(work, ACTOR, account.account_id, new, secret_hash)
        log.info("bootstrap_client_made", client_id=wanted.client_id, account=account.number)


async def _has_administrator(connection: AsyncConnection) -> bool:
    return any(ROLE in client.roles for client in await client_store.list_clients(connection, EVERY_ACCOUNT))
