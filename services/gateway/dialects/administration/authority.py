"""How far an administrator reaches: the whole site, or one account; to change, or only to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.gateway.auth.gate import Forbidden
from services.gateway.auth.identity import Identity
from shared.db.unit_of_work import EVERY_ACCOUNT, Reach
from shared.identity.principals import User

SITE, READER, ACCOUNT = "admin", "admin-reader", "account-admin"
READING_ROLES = frozenset({SITE, READER, ACCOUNT})
CHANGING_ROLES = frozenset({SITE, ACCOUNT})
SITE_ROLES = frozenset({SITE})

# What somebody who administers one account may make of its users: nobody who reaches further.
GRANTABLE = frozenset({ACCOUNT, "consultant"})


@dataclass(frozen=True, slots=True)
class Authority:
    """Whose data somebody administers. ``is_site`` is for whoever may make administrators of the site."""

    reach: Reach
    is_site: bool

    def require_over(self, user: User) -> None:
        """Make sure that a user within reach does not reach further than who changes it.

        Raises:
            Forbidden: it does: whoever sets its password or makes it a key would be that user.
        """
        self.require_grantable(user.roles)

    def require_grantable(self, roles: Iterable[str]) -> None:
        """Make sure that these roles may be given.

        Raises:
            Forbidden: one of them is for the administrators of the site to give.
        """
        beyond = [] if self.is_site else sorted(set(roles) - GRANTABLE)
        if beyond:
            raise Forbidden(f"Users with the role {beyond[0]} are administered by the site's administrators.")


def authority_of(identity: Identity, *, to_change: bool = False) -> Authority:
    """How far somebody reaches whom the gate has let in for one of the roles that a route needs."""
    is_site = SITE in identity.roles
    sees_all = is_site or (READER in identity.roles and not to_change)
    return Authority(EVERY_ACCOUNT if sees_all else identity.account_id, is_site)
