"""Open mode: no login, one account kept for it, and within it the users that PGO's cookie tells apart."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote
from uuid import uuid4

from services.gateway.auth.gate import Admission, Needs
from services.gateway.auth.identity import Identity, RequestHead
from shared.errors import BusbarError
from shared.ids import OPEN_ACCOUNT_ID

COOKIE = "X-PgoUserId"
SINGLE_USER = "commonUser"
OPEN_SCOPES = frozenset({"read", "reconfiguration"})

# A user's name is part of index entries, which the database bounds.
MAX_USER_BYTES = 1024

# What may stand in a Domain attribute; a Host header with anything else is echoed nowhere.
_HOST_NAME = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:\d+)?")


class OpenModeRefused(BusbarError):
    """Open mode would let anybody on the network in."""

    code = "open_mode_refused"
    exit_status = 2


def is_open_to_all(host: str, *, is_open: bool | None, allow_open_network: bool) -> bool:
    """Whether requests without a credential are let in: as the operator says, else on addresses that only this machine reaches.

    Raises:
        OpenModeRefused: other machines reach the address, and the operator has not said that this is meant.
    """
    if is_open is None:
        return is_loopback(host)
    if is_open and not is_loopback(host) and not allow_open_network:
        raise OpenModeRefused(
            f"The reconfiguration API would be open to everybody who reaches {host}. Leave BUSBAR_RECONFIGURATION_OPEN out, so "
            "that it asks for credentials, or, if the network itself keeps strangers out, set BUSBAR_ALLOW_OPEN_NETWORK=true."
        )
    return is_open


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class OpenModeGate:
    """Lets everybody in as the user that PGO's cookie names.

    With ``multi_user`` a presented value is believed as it stands and its absence makes a new user; otherwise everybody is
    the same user.
    """

    multi_user: bool

    async def admit(self, head: RequestHead, needs: Needs) -> Admission:  # noqa: ARG002  # the port's signature
        """Say which user is asking."""
        return self.admission(head)

    def admission(self, head: RequestHead) -> Admission:
        """Which user is asking; the cookie is set when it was missing or had to be changed."""
        presented = _cookie_value(head.headers.get("Cookie", ""))
        if presented is not None and len(presented.encode()) > MAX_USER_BYTES:
            presented = None
        user = (presented or str(uuid4())) if self.multi_user else SINGLE_USER
        identity = Identity(OPEN_ACCOUNT_ID, user, "open", OPEN_SCOPES)
        return Admission(identity, {} if presented == user else {"Set-Cookie": _set_cookie(user, head)})

    def courtesy(self, head: RequestHead) -> Mapping[str, str]:
        """Headers for replies that no route gives: the cookie comes with those too."""
        return self.admission(head).headers


def _cookie_value(header: str) -> str | None:
    for pair in header.split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals and name == COOKIE:
            decoded = unquote(value.strip().strip('"'), errors="replace")
            # Header bytes outside UTF-8 arrive as lone surrogates, which no database text can hold.
            return decoded.encode("utf-8", "replace").decode().replace("\x00", "�")
    return None


def _set_cookie(user: str, head: RequestHead) -> str:
    """A session cookie as PGO sends it: bound to the host without its port, and never readable by scripts."""
    parts = [f"{COOKIE}={quote(user, safe='')}"]
    if name := _HOST_NAME.fullmatch(head.host):
        parts.append(f"Domain={name[1]}")
    parts.append("Path=/")
    if head.is_secure:
        parts.append("Secure")
    parts += ["HttpOnly", "SameSite=Strict"]
    return "; ".join(parts)
