"""``busbar signing-key``: the keys that sign access tokens, listed and replaced."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from services.cli.acts import Act, Result
from shared.db.engine import PostgresDatabase
from shared.identity import signing_key_rotation
from shared.identity.secret_key import keys_of, with_secret_key
from shared.identity.signing_key_rotation import PUBLISHED_BEFORE_S
from shared.identity.signing_keys import SigningKey
from shared.settings import Settings


class SigningKeyDocument(BaseModel):
    """A key without what it signs with."""

    model_config = ConfigDict(frozen=True)

    key_id: str
    created_at: datetime
    signs_from: datetime
    signs_until: datetime | None
    verifies_until: datetime | None


def list_keys() -> Act:
    """The keys that sign, will sign or are still believed, the newest first."""

    async def act(database: PostgresDatabase) -> Result:
        return [_document(key) for key in await signing_key_rotation.list_keys(database)]

    return act


def rotate(settings: Settings, *, now: bool) -> Act:
    """Make a new key, that signs in ten minutes or now."""
    encryption_key = keys_of(with_secret_key(settings)).signing_keys

    async def act(database: PostgresDatabase) -> Result:
        signs_in_s = 0.0 if now else PUBLISHED_BEFORE_S
        return _document(await signing_key_rotation.rotate(database, encryption_key, signs_in_s=signs_in_s))

    return act


def _document(key: SigningKey) -> SigningKeyDocument:
    return SigningKeyDocument(
        key_id=key.key_id,
        created_at=key.created_at,
        signs_from=key.signs_from,
        signs_until=key.retired_at,
        verifies_until=key.verifies_until,
    )
