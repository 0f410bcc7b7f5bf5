"""The pages to sign in and out with a browser. The sign-in form carries a token that only the browser has to which it was shown."""

from __future__ import annotations

from urllib.parse import parse_qsl

from services.gateway.auth.gate import TooManyRequests
from services.gateway.auth.identity import RequestHead
from services.gateway.auth.presented import SESSION_COOKIE, cookie, is_own_origin
from services.gateway.auth.sign_in import SignInFailed
from services.gateway.auth.tokens import has_form, new_secret
from services.gateway.http.call import Call, Reply
from services.gateway.web.browser_session import (
    HOME,
    AccountPages,
    FormCall,
    checked_session,
    session_cookie,
    set_cookie,
    user_of,
)
from services.gateway.web.rendering import redirect

# Ties the sign-in form to the browser that it was shown in, before there is a session.
LOGIN_COOKIE = "busbar_login"
LONGEST_NEXT = 500
WRONG = "E-mail address or password is wrong."


async def show_login(app: AccountPages, call: Call[None, None]) -> Reply:
    """The form to sign in with; whoever has done so goes on."""
    wanted = local_path(dict(parse_qsl(call.head.query, max_num_fields=20)).get("next", ""))
    if call.identity.kind == "session":
        return redirect(call.head, wanted)
    return _login_form(app, call.head, wanted)


async def sign_in(app: AccountPages, call: FormCall) -> Reply:
    """Sign in: the browser gets a session of its own, whatever it came with."""
    form, head = call.body, call.head
    wanted, email = local_path(form.text("next")), form.text("email")
    browser = cookie(head, LOGIN_COOKIE) or ""
    if not is_own_origin(head) or not app.auth.form_guard.is_from(browser, form.text("csrf_token")):
        return _login_form(app, head, wanted, "The form was too old; please try again.", email=email, status=403)
    try:
        user = await app.auth.sign_in.sign_in(email, form.text("password"), head.address)
        old = cookie(head, SESSION_COOKIE)
        session = await app.auth.sign_in.open_session(user, address=head.address, replaced=old)
    except SignInFailed:
        return _login_form(app, head, wanted, WRONG, email=email, status=401)
    except TooManyRequests as error:
        refused = _login_form(app, head, wanted, error.message, email=email, status=429)
        return refused.with_headers(error.headers)
    if old is not None:
        app.auth.verifier.forget()
    return redirect(head, wanted).with_headers(session_cookie(app, head, session))


async def sign_out(app: AccountPages, call: FormCall) -> Reply:
    """Sign out."""
    session = checked_session(app, call)
    user = await user_of(app, call)
    await app.auth.sign_in.end_session(session, user, address=call.head.address)
    app.auth.verifier.forget()
    return redirect(call.head, "/login").with_headers(set_cookie(SESSION_COOKIE, "", call.head, "Max-Age=0"))


def local_path(text: str) -> str:
    """Where to go on after signing in: a path of ours, or the account page for whatever could lead elsewhere."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\")) and len(text) <= LONGEST_NEXT
    is_plain = text.isascii() and text.isprintable() and "\\" not in text and " " not in text
    return text if is_path and is_plain and text.partition("?")[0] != "/login" else HOME


def _login_form(
    app: AccountPages, head: RequestHead, wanted: str, problem: str = "", *, email: str = "", status: int = 200
) -> Reply:
    browser = cookie(head, LOGIN_COOKIE) or ""
    if not has_form(browser):
        browser = new_secret()
    csrf_token = app.auth.form_guard.token(browser)
    page = app.renderer.page(
        "login", head, status=status, problem=problem, csrf_token=csrf_token, next=wanted, email=email[:320]
    )
    return page.with_headers(set_cookie(LOGIN_COOKIE, browser, head, "Max-Age=3600"))
