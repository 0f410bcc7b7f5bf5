"""The form of an API key: ``bb_``, eight characters that name it, ``_``, and 32 random bytes in base64url, of which only a hash is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from dataclasses import dataclass, field

PREFIX = "bb_"
KEY_ID_LENGTH = 8
# Letters and digits only: a name that begins with a hyphen would look like an option on the command line.
_KEY_ID_CHARACTERS = string.ascii_letters + string.digits
_FORM = re.compile(r"bb_([A-Za-z0-9_-]{8})_([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was just made. ``api_key`` is shown once and kept nowhere."""

    key_id: str
    api_key: str = field(repr=False)
    secret_hash: bytes = field(repr=False)


def new_api_key() -> NewApiKey:
    """Make a key."""
    key_id = "".join(secrets.choice(_KEY_ID_CHARACTERS) for _ in range(KEY_ID_LENGTH))
    secret = secrets.token_urlsafe(32)
    return NewApiKey(key_id, f"{PREFIX}{key_id}_{secret}", _hash(secret))


def parse_api_key(text: str) -> tuple[str, bytes] | None:
    """The key's name and the hash of its secret; None for what is no key."""
    found = _FORM.fullmatch(text)
    return None if found is None else (found[1], _hash(found[2]))


def _hash(secret: str) -> bytes:
    # A fast hash will do: nobody guesses 32 random bytes.
    return hashlib.sha256(secret.encode("ascii")).digest()
