"""Where in a request a credential may stand. Each dialect's gate looks in some of these places, its own first."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from services.gateway.auth.identity import RequestHead
from services.gateway.auth.verifier import KEY_PREFIX

SESSION_COOKIE = "busbar_session"
# Enough of a query for a token to be found in it.
MOST_QUERY_FIELDS = 100

# Looks in one place: the credential, "" for one that can be nobody's, None where there is none.
Place = Callable[[RequestHead], str | None]


def bearer(head: RequestHead) -> str | None:
    """``Authorization: Bearer …``. Another scheme is not meant for us: a proxy may have asked for it."""
    scheme, _, credential = head.headers.get("Authorization", "").strip().partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else None


def bare_token(head: RequestHead) -> str | None:
    """``Authorization: <token>`` without a scheme, as the flexibility API's clients send it; with Bearer too."""
    header = head.headers.get("Authorization")
    if header is None:
        return None
    credential = bearer(head)
    return header.strip() if credential is None else credential


def api_key(head: RequestHead) -> str | None:
    """``X-API-Key``; anything in it that is no key is nobody's."""
    key = head.headers.get("X-API-Key")
    return key if key is None or key.startswith(KEY_PREFIX) else ""


def query_token(head: RequestHead) -> str | None:
    """The query parameter ``auth_token``."""
    return _in_query(head, "auth_token")


def query_access_token(head: RequestHead) -> str | None:
    """The query parameter ``access_token``: a browser cannot give a WebSocket or an event stream a header."""
    return _in_query(head, "access_token")


def _in_query(head: RequestHead, wanted: str) -> str | None:
    if wanted not in head.query:
        return None
    try:
        fields = parse_qsl(head.query, keep_blank_values=True, max_num_fields=MOST_QUERY_FIELDS)
    except ValueError:
        return None
    return next((value for name, value in fields if name == wanted), None)


def cookie(head: RequestHead, name: str) -> str | None:
    """The value of a cookie."""
    for pair in head.headers.get("Cookie", "").split(";"):
        found, equals, value = pair.strip().partition("=")
        if equals and found == name:
            return value.strip().strip('"')
    return None


def own_session(head: RequestHead) -> str | None:
    """The session cookie, unless a page of another origin has made the browser send it."""
    return cookie(head, SESSION_COOKIE) if is_own_origin(head) else None


def is_own_origin(head: RequestHead) -> bool:
    """Whether no page, or one of ours, has made this request."""
    origin = head.headers.get("Origin")
    if origin is None:
        return head.headers.get("Sec-Fetch-Site", "none") in {"same-origin", "none"}
    try:
        return bool(head.host) and urlsplit(origin).netloc.lower() == head.host.lower()
    except ValueError:
        return False
