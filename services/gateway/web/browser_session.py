"""What a browser has of a session: its cookie, the forms that come from it, and the user behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.auth.auth import Auth
from services.gateway.auth.gate import Forbidden, Unauthenticated
from services.gateway.auth.identity import RequestHead
from services.gateway.auth.presented import SESSION_COOKIE, cookie
from services.gateway.http.call import Call
from services.gateway.http.url_encoded import FormFields
from services.gateway.web.rendering import Renderer
from shared.clock import Clock
from shared.db.unit_of_work import Database
from shared.identity import user_store
from shared.identity.principals import User

HOME = "/account"

FormCall = Call[None, FormFields]


@dataclass(frozen=True)
class AccountPages:
    """What the handlers work with."""

    database: Database
    auth: Auth
    clock: Clock
    renderer: Renderer


async def user_of(app: AccountPages, call: Call[None, Any]) -> User:  # Any: of each form, and of none
    """The user who asks.

    Raises:
        Unauthenticated: there is none any more.
    """
    identity = call.identity
    if identity.user_number is not None:
        async with app.database.reading(identity.account_id) as connection:
            user = await user_store.find_user_by_number(connection, identity.account_id, identity.user_number)
        if user is not None:
            return user
    # Deleted in this moment.
    raise Unauthenticated("Sign in first.", is_missing=True, headers={"Location": call.head.led_to("/login")})


def checked_session(app: AccountPages, call: FormCall) -> str:
    """The session from which a form was sent in.

    Raises:
        Forbidden: the form was not shown in it.
    """
    session = cookie(call.head, SESSION_COOKIE) or ""
    if not app.auth.form_guard.is_from(session, call.body.text("csrf_token")):
        raise Forbidden("The form was too old, or not one of ours. Go back, load the page again and repeat it.")
    return session


def session_cookie(app: AccountPages, head: RequestHead, session: str) -> Mapping[str, str]:
    """The header that gives a browser its session."""
    return set_cookie(SESSION_COOKIE, session, head, f"Max-Age={int(app.auth.sign_in.lifetimes.session_s)}")


def set_cookie(name: str, value: str, head: RequestHead, age: str) -> Mapping[str, str]:
    """The header that gives a browser a cookie, which no script and no other site's form sees."""
    parts = [f"{name}={value}", "Path=/", age, "HttpOnly", "SameSite=Lax"]
    if head.is_secure:
        parts.append("Secure")
    return {"Set-Cookie": "; ".join(parts)}
