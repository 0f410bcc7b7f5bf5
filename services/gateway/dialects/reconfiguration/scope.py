"""Whose networks and sessions a request speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from services.gateway.http.call import Call
from shared.ids import AccountId

CIM_ROOT = "/api/cim"

Kind = Literal["json", "cim"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Names are unique within it: the account, the user within the account, and which of the two APIs."""

    account_id: AccountId
    owner: str
    kind: Kind


def scope_of(call: Call[Any, Any]) -> Scope:  # Any: whatever the call carries
    """What the caller sees through the API that the path names."""
    is_cim = call.head.path.lower().startswith(CIM_ROOT + "/")
    return Scope(call.identity.account_id, call.identity.subject, "cim" if is_cim else "json")
