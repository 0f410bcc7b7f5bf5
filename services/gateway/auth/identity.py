"""The one notion of who is asking, and what of a request tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared.ids import AccountId

IdentityKind = Literal["nobody", "open", "user", "key", "client", "session"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sent a request. Every datum belongs to the account; ``subject`` tells who within it.

    ``subject`` is ``user:<number>`` for a user however signed in (password, key, session), ``client:<id>`` for an OAuth2
    client, and in open mode the value of PGO's cookie. ``grid_owners`` None is to be looked up at request time.
    """

    account_id: AccountId
    subject: str
    kind: IdentityKind
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    grid_owners: frozenset[str] | None = frozenset()
    user_number: int | None = None
    region: str | None = None
    account_roles: frozenset[str] = frozenset()  # what kind of account it is, such as trial
    plan_id: int | None = None  # of the account; its limits may be others


# Who asks on a public route without a credential. No account has this id.
NOBODY = Identity(AccountId(UUID(int=0)), "", "nobody")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What of a request tells who sent it.

    ``host`` is as the client wrote it, with the port if it named one. ``address`` is the client's, as far as trusted proxies
    tell. ``path`` is percent-encoded and without a configured prefix, which ``prefix`` has if the client used it: a proxy may
    let nothing else through, so pages and documents lead on with it (``led_to``). ``query`` is raw.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    host: str
    address: str
    is_secure: bool
    prefix: str = ""

    @property
    def base_url(self) -> str:
        """Scheme and host under which the client reached the gateway."""
        return f"{'https' if self.is_secure else 'http'}://{self.host}"

    def led_to(self, path: str) -> str:
        """Where the client finds one of our paths."""
        return f"{self.prefix}{path}"
