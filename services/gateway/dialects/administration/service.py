"""What the handlers of this API work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.db.unit_of_work import Database
from shared.identity.passwords import PasswordHasher


@dataclass(frozen=True)
class Administration:
    """The database and the hasher. ``forget_credentials`` makes what this process has just revoked count in it at once."""

    database: Database
    hasher: PasswordHasher
    forget_credentials: Callable[[], None]
    openapi_json: bytes
