"""Opaque secrets that a signed-in user carries: tokens for programs, sessions for browsers. Only their HMAC is ever stored."""

from __future__ import annotations

import base64
import hmac
import re
import secrets

SECRET_BYTES = 32
# 32 bytes in base64url without padding.
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


def new_secret() -> str:
    """A fresh token or session."""
    return secrets.token_urlsafe(SECRET_BYTES)


def has_form(text: str) -> bool:
    """Whether a text can be a token or session at all; what cannot never reaches the database."""
    return _FORM.fullmatch(text) is not None


class TokenHasher:
    """What is stored of tokens and sessions: useless to whoever reads the table without the installation's key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of_token(self, token: str) -> bytes:
        """What is stored of a user's token."""
        return self._hash(b"token\0", token)

    def of_session(self, session: str) -> bytes:
        """What is stored of a web session; a token put into the cookie is no session."""
        return self._hash(b"session\0", session)

    def _hash(self, purpose: bytes, secret: str) -> bytes:
        return hmac.digest(self._key, purpose + secret.encode("utf-8", "replace"), "sha256")


class FormGuard:
    """The CSRF token of a form: bound to the session that it was shown in, so that another site can't have one."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def token(self, session: str) -> str:
        """What the form carries in a hidden field."""
        digest = hmac.digest(self._key, b"form\0" + session.encode("utf-8", "replace"), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def is_from(self, session: str, presented: str) -> bool:
        """Whether a form that was sent in was shown in this session."""
        return hmac.compare_digest(self.token(session).encode(), presented.encode("utf-8", "replace"))
