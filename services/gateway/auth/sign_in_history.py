"""What the audit record knows of sign-ins: from where a user or client has come of late, and who failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Literal

from services.gateway.auth import attempt_store
from services.gateway.auth.identity import NOBODY
from shared.clock import Clock
from shared.db.unit_of_work import Database
from shared.identity import audit
from shared.identity.audit import AuditEventName
from shared.identity.principals import Actor, Client, User

Kind = Literal["user", "client"]

FAMILIAR_FOR = timedelta(days=30)
# By these an address is known to be a user's or a client's.
SIGN_INS: Mapping[Kind, tuple[AuditEventName, ...]] = {
    "user": ("user:token:issued", "user:signed-in"),
    "client": ("client:token:issued",),
}
FAILURE: Mapping[Kind, AuditEventName] = {"user": "user:sign-in:failed", "client": "client:sign-in:failed"}


@dataclass(frozen=True, slots=True)
class SignInHistory:
    """Of users, or of clients."""

    database: Database
    clock: Clock
    kind: Kind

    def is_familiar(self, principal: User | Client | None, address: str) -> Callable[[], Awaitable[bool]]:
        """Asks, when it is called, whether somebody has signed in from an address of late; an unknown one has not."""
        return partial(self._has_signed_in_from, principal, address)

    async def add_failure(self, principal: User | Client | None, address: str) -> None:
        """Record a failure, an unknown one's under nobody's account: the operator sees guesses, and they take as long."""
        event = FAILURE[self.kind]
        account_id = NOBODY.account_id if principal is None else principal.account_id
        async with self.database.unit_of_work(account_id) as work:
            if principal is not None:
                await audit.record_about(work.connection, Actor(principal.subject, address), principal, event)
                return
            actor = Actor(f"{self.kind}:unknown", address)
            await audit.record(
                work.connection, account_id, event, actor=actor, object_kind=self.kind, object_id="unknown"
            )

    async def _has_signed_in_from(self, principal: User | Client | None, address: str) -> bool:
        if principal is None:
            return False
        since = self.clock.now() - FAMILIAR_FOR
        async with self.database.reading(principal.account_id) as connection:
            return await attempt_store.has_signed_in_from(
                connection, principal.account_id, principal.subject, SIGN_INS[self.kind], address, since
            )
