"""Groups, and what makes their members hear: the best solution of a session was replaced, or a run has begun.

Events and the process's own stops only say where to look; what is sent follows from the state of the database and what was sent
before. So a lost event costs a second, and one that comes twice nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, field

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway import metrics
from services.gateway.dialects.reconfiguration.hub import store
from services.gateway.dialects.reconfiguration.hub.connection import HubConnection
from services.gateway.dialects.reconfiguration.hub.protocol import invocation
from services.gateway.dialects.reconfiguration.hub.store import BestState, FollowedSession, Names
from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.translate import solution_info_of
from shared.background import BackgroundLoop
from shared.bus.codec import parse
from shared.bus.port import Bus, Consumer
from shared.contracts.message import Envelope
from shared.contracts.reconfiguration import RunFinished, RunProgressed
from shared.db.unit_of_work import Database
from shared.errors import DependencyUnavailable, PoisonMessage
from shared.ids import AccountId, SessionKey

log = structlog.get_logger()

TARGET = "newSolutionStatus"
# Events may be lost; whatever they told of is seen so many seconds later at the latest.
LOOK_EVERY_S = 1.0
# How long the answer to a stop waits for the last message to be on its way.
SETTLE_WITHIN_S = 0.5
STOPS_WITHIN_S = 0.5


@dataclass
class _Group:
    """The members of one group, and what of its sessions they were told or found there when they came."""

    members: set[HubConnection] = field(default_factory=set)
    known: dict[SessionKey, BestState] = field(default_factory=dict)
    is_based: bool = False  # ``known`` is what was there when the first member came


@dataclass
class _Account:
    groups: dict[Names, _Group] = field(default_factory=dict)
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    names: dict[SessionKey, Names] = field(default_factory=dict)
    stirred: set[SessionKey] = field(default_factory=set)


class SolutionWatch:
    """The groups of this process's connections."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._accounts: dict[AccountId, _Account] = {}
        self._listener: Consumer | None = None
        self._looked_at = 0.0
        self._loop = BackgroundLoop("solution watch", self.look, every_s=LOOK_EVERY_S)

    async def start(self) -> None:
        """Listen, and look."""
        self._listener = await self._bus.subscribe([RunProgressed.name, RunFinished.name], self._hear)
        self._loop.start()

    async def stop(self) -> None:
        """End."""
        if self._listener is not None:
            await self._listener.stop(within_s=STOPS_WITHIN_S)
        await self._loop.stop(within_s=STOPS_WITHIN_S)

    # ------------------------------------------------------------------ members

    async def join(self, member: HubConnection, session_id: str) -> None:
        """Be told of a session, whether there is one or not, from what it is like now on."""
        identity = member.identity
        account = self._accounts.setdefault(identity.account_id, _Account())
        names = (identity.subject, session_id)
        group = account.groups.setdefault(names, _Group())
        group.members.add(member)
        if group.is_based:
            return
        try:
            await self._look_at(identity.account_id, account, [names])
        except DependencyUnavailable as away:
            # The next look tells what there is, new or not.
            group.is_based = True
            log.warning("hub_group_joined_blindly", reason=away.message)

    def leave(self, member: HubConnection, session_id: str) -> None:
        """Be told no longer."""
        names = (member.identity.subject, session_id)
        account = self._accounts.get(member.identity.account_id)
        group = None if account is None else account.groups.get(names)
        if account is None or group is None:
            return
        group.members.discard(member)
        if not group.members:
            del account.groups[names]
            account.names = {key: of for key, of in account.names.items() if of != names}
        if not account.groups:
            del self._accounts[member.identity.account_id]

    # ------------------------------------------------------------------ looking

    async def settle(self, scope: Scope, session_id: str) -> None:
        """Tell the members here how a session stands now, before whoever stopped its run hears that it has ended.

        Members at other processes are told by the events, which are under way at the same time.
        """
        account = self._accounts.get(scope.account_id)
        names = (scope.owner, session_id)
        if account is None or names not in account.groups:
            return
        try:
            async with asyncio.timeout(SETTLE_WITHIN_S):
                await self._look_at(scope.account_id, account, [names])
        except (DependencyUnavailable, TimeoutError):
            log.warning("hub_did_not_settle")  # the next look tells them

    async def _hear(self, event: Envelope) -> None:
        account = self._accounts.get(event.account_id)
        if account is None:
            return
        try:
            told = parse(RunProgressed, event) if event.name == RunProgressed.name else parse(RunFinished, event)
        except PoisonMessage as poison:
            log.warning("event_not_understood", name=event.name, reason=poison.message)
            return
        account.stirred.add(told.session_key)
        self._loop.wake()

    async def look(self) -> None:
        """Look at the sessions of which something was heard, and every second at all that are followed."""
        is_round = time.monotonic() - self._looked_at >= LOOK_EVERY_S
        if is_round:
            self._looked_at = time.monotonic()
        for account_id, account in list(self._accounts.items()):
            stirred, account.stirred = account.stirred, set()
            if is_round or stirred:
                known = {account.names.get(key) for key in stirred}
                names = list(account.groups) if is_round or None in known else [of for of in known if of is not None]
                await self._look_at(account_id, account, names)

    async def _look_at(self, account_id: AccountId, account: _Account, names: Collection[Names]) -> None:
        # One look at a time, so that an older state is never told after a newer one.
        async with account.looking:
            wanted = [of for of in names if of in account.groups]
            if not wanted:
                return
            async with self._database.reading(account_id) as connection:
                found = await store.followed_sessions(connection, account_id, wanted)
                news = [session for session in found if _is_news(account.groups.get(session.names), session)]
                frames = [
                    (session.names, await _status_frame(connection, account_id, session.session_key))
                    for session in news
                ]
            # Only now, as whatever failed above is to be told at the next look.
            self._note(account, wanted, found)
            for of, frame in frames:
                if frame is not None:
                    self._tell(account, of, frame)

    def _tell(self, account: _Account, names: Names, frame: str) -> None:
        group = account.groups.get(names)
        for member in () if group is None else tuple(group.members):
            member.tell(names[1], frame)
            metrics.HUB_MESSAGES.inc()

    def _note(self, account: _Account, names: Collection[Names], found: Collection[FollowedSession]) -> None:
        """What was looked at is known from now on, and sessions that are gone are forgotten."""
        for of in names:
            group = account.groups.get(of)
            if group is None:
                continue
            now = {session.session_key: session.state for session in found if session.names == of}
            for key in group.known.keys() - now.keys():
                account.names.pop(key, None)
            account.names |= dict.fromkeys(now, of)
            group.known, group.is_based = now, True


def _is_news(group: _Group | None, session: FollowedSession) -> bool:
    """Whether the members of a group have something to hear; nothing of what happens while nothing was ever optimised."""
    if group is None or not group.is_based or session.state.run_id is None:
        return False
    return group.known.get(session.session_key) != session.state


async def _status_frame(connection: AsyncConnection, account_id: AccountId, session: SessionKey) -> str | None:
    row = await store.best_of(connection, account_id, session)
    # A text that holds JSON, as ``GET …/bestSolutionInfo`` gives it, and no object.
    return None if row is None else invocation(TARGET, solution_info_of(row).model_dump_json(by_alias=True))
