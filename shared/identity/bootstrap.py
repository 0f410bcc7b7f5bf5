"""The first administrator: made at the start of a gateway from the settings, as long as there is no user at all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog
from sqlalchemy import text

from shared.background import BackgroundLoop
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.errors import DatabaseUnavailable, InvalidInput
from shared.identity import account_store, administration, user_store
from shared.identity.passwords import check_rules, hash_now
from shared.identity.principals import Actor, own_names
from shared.identity.rules import check_email
from shared.settings import Settings, SettingsError

log = structlog.get_logger()

ACCOUNT_NAME = "Administration"
ACTOR = Actor("system:start")
# Any number that nobody else uses for an advisory lock in this database.
BOOTSTRAP_LOCK = 0x6275_7362_6172_0002
# Once it is done there is nothing left to do; the loop's turns after that cost nothing.
EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class FirstAdministrator:
    """Who the first administrator is to be."""

    email: str
    password: str = field(repr=False)


def first_administrator(settings: Settings) -> FirstAdministrator | None:
    """The administrator that the settings name, None where they name none.

    Raises:
        SettingsError: only half of it is there, the address is none, or the password is weak.
    """
    if settings.admin_email is None and settings.admin_password is None:
        return None
    if settings.admin_email is None:
        raise SettingsError("BUSBAR_ADMIN_PASSWORD is set without BUSBAR_ADMIN_EMAIL; set both, or neither")
    if settings.admin_password is None:
        raise SettingsError(
            "BUSBAR_ADMIN_EMAIL is set without BUSBAR_ADMIN_PASSWORD (or BUSBAR_ADMIN_PASSWORD_FILE); set both, or neither"
        )
    email, password = settings.admin_email, settings.admin_password.get_secret_value()
    try:
        check_email(email)
    except InvalidInput as error:
        raise SettingsError(f"BUSBAR_ADMIN_EMAIL: {error.message}") from error
    try:
        check_rules(password, names=own_names(email, email.partition("@")[0]))
    except InvalidInput as error:
        raise SettingsError(f"BUSBAR_ADMIN_PASSWORD: {error.message}") from error
    return FirstAdministrator(email, password)


async def bootstrap(database: Database, settings: Settings) -> bool:
    """Make the account and the administrator that the settings name, if there is no user; whether they were made.

    Gateways that start at once wait for each other, and one makes them.

    Raises:
        SettingsError: the settings do not name one properly; DatabaseUnavailable: try again.
    """
    wanted = first_administrator(settings)
    if wanted is None:
        return False
    async with database.reading(EVERY_ACCOUNT) as connection:
        if await user_store.is_any_user(connection):
            return False
    password_hash = await asyncio.to_thread(hash_now, wanted.password)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": BOOTSTRAP_LOCK})
        if await user_store.is_any_user(work.connection):
            return False
        account = await account_store.find_account_by_name(work.connection, EVERY_ACCOUNT, ACCOUNT_NAME)
        if account is None:
            account = await administration.create_account(work, ACTOR, ACCOUNT_NAME)
        user = await administration.create_user(
            work, ACTOR, account, wanted.email, roles=["admin"], password_hash=password_hash
        )
    log.info("first_administrator_created", user=user.number, account=account.number)
    return True


class Bootstrap:
    """Sees to it that the first administrator is made: at the start, or as soon as the database is there."""

    def __init__(self, database: Database, settings: Settings) -> None:
        first_administrator(settings)  # what is wrong with it stops the start
        self._database = database
        self._settings = settings
        self._is_done = False
        self._loop = BackgroundLoop("bootstrap", self._turn, every_s=EVERY_S)

    async def start(self) -> None:
        """Make the administrator; where the database is away, go on trying in the background."""
        try:
            await self._turn()
        except DatabaseUnavailable as error:
            log.warning("bootstrap_waits_for_database", reason=error.message)
            self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop(within_s=1.0)

    async def _turn(self) -> None:
        if not self._is_done:
            await bootstrap(self._database, self._settings)
            self._is_done = True
