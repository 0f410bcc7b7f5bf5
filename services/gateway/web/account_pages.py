"""The pages of whoever signs in with a browser: sign in and out, one's own password and API keys.

Every form carries a token that only this browser's session has, and comes from a page of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from services.gateway.auth.auth import Auth
from services.gateway.auth.gate import Forbidden, TooManyRequests, Unauthenticated
from services.gateway.auth.identity import Identity, RequestHead
from services.gateway.auth.presented import SESSION_COOKIE, cookie, is_own_origin
from services.gateway.auth.sign_in import SignInFailed
from services.gateway.auth.tokens import has_form, new_secret
from services.gateway.http.call import Call, Reply
from services.gateway.http.routes import READ, RETRY_AFTER, Answer, Dialect, NoQuery, Route, plain_route
from services.gateway.http.url_encoded import FormFields, UrlEncodedForm
from services.gateway.web.pages import reply_to_error
from services.gateway.web.rendering import Renderer
from shared.clock import Clock
from shared.db.unit_of_work import Database
from shared.errors import InvalidInput, NotFound
from shared.identity import administration, credential_administration, key_store, user_store
from shared.identity.passwords import check_rules
from shared.identity.principals import SCOPES, User

# Ties the sign-in form to the browser that it was shown in, before there is a session.
LOGIN_COOKIE = "busbar_login"
HOME = "/account"
LONGEST_NEXT = 500
WRONG = "E-mail address or password is wrong."

FormCall = Call[None, FormFields]


@dataclass(frozen=True)
class AccountPages:
    """What the handlers work with."""

    database: Database
    auth: Auth
    clock: Clock
    renderer: Renderer


async def show_login(app: AccountPages, call: Call[None, None]) -> Reply:
    """The form to sign in with; whoever has done so goes on."""
    wanted = local_path(dict(parse_qsl(call.head.query, max_num_fields=20)).get("next", ""))
    if call.identity.kind == "session":
        return app.renderer.redirect(wanted)
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
    return app.renderer.redirect(wanted).with_headers(_session_cookie(app, head, session))


async def sign_out(app: AccountPages, call: FormCall) -> Reply:
    """Sign out."""
    session = _checked_session(app, call)
    user = await _user(app, call.identity)
    await app.auth.sign_in.end_session(session, user, address=call.head.address)
    app.auth.verifier.forget()
    return app.renderer.redirect("/login").with_headers(_set_cookie(SESSION_COOKIE, "", call.head, "Max-Age=0"))


async def show_account(app: AccountPages, call: Call[None, None]) -> Reply:
    """Who is signed in, and their keys."""
    return await _account_page(app, call)


async def change_password(app: AccountPages, call: FormCall) -> Reply:
    """Another password: all tokens and sessions end, and this browser gets a new one."""
    _checked_session(app, call)
    user = await _user(app, call.identity)
    form, address = call.body, call.head.address
    new = form.text("new_password")
    if new != form.text("repeated"):
        return await _account_page(app, call, problem="The two new passwords differ.", status=400)
    try:
        check_rules(new, names=user.own_names)
        await app.auth.sign_in.sign_in(user.email, form.text("password"), address)
    except InvalidInput as error:
        return await _account_page(app, call, problem=error.message, status=400)
    except SignInFailed:
        return await _account_page(app, call, problem="The present password is wrong.", status=401)
    except TooManyRequests as error:
        refused = await _account_page(app, call, problem=error.message, status=429)
        return refused.with_headers(error.headers)
    password_hash = await app.auth.passwords.hash(new)
    async with app.database.unit_of_work(user.account_id) as work:
        work.after_commit.append(app.auth.verifier.forget)
        await administration.set_password(work, call.actor, user, password_hash)
    try:
        session = await app.auth.sign_in.open_session(await _user(app, call.identity), address=address)
    except SignInFailed:  # somebody else has changed it again in this moment
        return app.renderer.redirect("/login")
    return app.renderer.redirect(HOME).with_headers(_session_cookie(app, call.head, session))


async def make_key(app: AccountPages, call: FormCall) -> Reply:
    """A new API key, shown this once."""
    _checked_session(app, call)
    user = await _user(app, call.identity)
    form = call.body
    try:
        days = _days(form.text("days"))
        expires_at = None if days is None else app.clock.now() + timedelta(days=days)
        async with app.database.unit_of_work(user.account_id) as work:
            made = await credential_administration.create_key(
                work,
                call.actor,
                user,
                name=form.text("name").strip(),
                scopes=tuple(form.all("scope")),
                expires_at=expires_at,
            )
    except InvalidInput as error:
        return await _account_page(app, call, problem=error.message, status=400)
    return await _account_page(app, call, new_key=made.api_key)


async def delete_key(app: AccountPages, call: FormCall) -> Reply:
    """Delete one of one's own keys."""
    _checked_session(app, call)
    user = await _user(app, call.identity)
    async with app.database.unit_of_work(user.account_id) as work:
        key = await key_store.find_key(work.connection, user.account_id, call.ids["key_id"])
        if key is None or key.user_number != user.number:
            raise NotFound("There is no such key.")
        work.after_commit.append(app.auth.verifier.forget)
        await credential_administration.delete_key(work, call.actor, key)
    return app.renderer.redirect(HOME)


def local_path(text: str) -> str:
    """Where to go on after signing in: a path of ours, or the account page for whatever could lead elsewhere."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\")) and len(text) <= LONGEST_NEXT
    is_plain = text.isascii() and text.isprintable() and "\\" not in text and " " not in text
    return text if is_path and is_plain and text.partition("?")[0] != "/login" else HOME


def account_dialect(app: AccountPages) -> Dialect:
    """The routes of these pages."""
    return Dialect("account", app, _ROUTES, reply_to_error, app.auth.web, scope=READ)


def _login_form(
    app: AccountPages, head: RequestHead, wanted: str, problem: str = "", *, email: str = "", status: int = 200
) -> Reply:
    browser = cookie(head, LOGIN_COOKIE) or ""
    if not has_form(browser):
        browser = new_secret()
    csrf_token = app.auth.form_guard.token(browser)
    page = app.renderer.page(
        "login", status=status, problem=problem, csrf_token=csrf_token, next=wanted, email=email[:320]
    )
    return page.with_headers(_set_cookie(LOGIN_COOKIE, browser, head, "Max-Age=3600"))


async def _account_page(
    app: AccountPages,
    call: Call[None, Any],  # Any: of each form, and of none
    *,
    problem: str = "",
    new_key: str = "",
    status: int = 200,
) -> Reply:
    user = await _user(app, call.identity)
    async with app.database.reading(user.account_id) as connection:
        keys = await key_store.list_keys(connection, user.account_id, user_id=user.user_id)
    csrf_token = app.auth.form_guard.token(cookie(call.head, SESSION_COOKIE) or "")
    return app.renderer.page(
        "account",
        status=status,
        user=user,
        keys=keys,
        scopes=SCOPES,
        csrf_token=csrf_token,
        problem=problem,
        new_key=new_key,
        notice="",
    )


async def _user(app: AccountPages, identity: Identity) -> User:
    """The user who asks."""
    if identity.user_number is not None:
        async with app.database.reading(identity.account_id) as connection:
            user = await user_store.find_user_by_number(connection, identity.account_id, identity.user_number)
        if user is not None:
            return user
    # Deleted in this moment.
    raise Unauthenticated("Sign in first.", is_missing=True, headers={"Location": f"{app.renderer.path_base}/login"})


def _checked_session(app: AccountPages, call: FormCall) -> str:
    """The session from which a form was sent in.

    Raises:
        Forbidden: the form was not shown in it.
    """
    session = cookie(call.head, SESSION_COOKIE) or ""
    if not app.auth.form_guard.is_from(session, call.body.text("csrf_token")):
        raise Forbidden("The form was too old, or not one of ours. Go back, load the page again and repeat it.")
    return session


def _days(text: str) -> int | None:
    if not text.strip():
        return None
    if not (text.isascii() and text.strip().isdigit() and len(text) <= 5) or not 1 <= int(text) <= 3650:
        raise InvalidInput("The days until a key expires must be a number from 1 to 3650.", field="days")
    return int(text)


def _session_cookie(app: AccountPages, head: RequestHead, session: str) -> Mapping[str, str]:
    return _set_cookie(SESSION_COOKIE, session, head, f"Max-Age={int(app.auth.sign_in.lifetimes.session_s)}")


def _set_cookie(name: str, value: str, head: RequestHead, age: str) -> Mapping[str, str]:
    parts = [f"{name}={value}", "Path=/", age, "HttpOnly", "SameSite=Lax"]
    if head.is_secure:
        parts.append("Secure")
    return {"Set-Cookie": "; ".join(parts)}


_PAGE = Answer(200, "The page.", "text/html")
_ON = Answer(303, "To the page that follows.")
_WRONG = Answer(400, "What was filled in is wrong.", "text/html")
_REFUSED = Answer(401, "The password is wrong.", "text/html")
_NOT_OURS = Answer(403, "The form was not shown in this session.", "text/plain")
_LATER = Answer(429, "There were too many failures.", "text/html", headers=RETRY_AFTER)


def _form(
    path: str, handler: Any, summary: str, names: tuple[str, ...], *answers: Answer, is_public: bool = False
) -> Route[AccountPages, Any, Any]:  # Any: a route without a query, and its handler
    body = UrlEncodedForm(("csrf_token", *names))
    return Route("POST", path, handler, NoQuery(), body, summary, "Account", answers, is_public=is_public)


_ROUTES: tuple[Route[AccountPages, Any, Any], ...] = (  # Any: routes differ in their bodies
    plain_route("GET", "/login", show_login, "Form to sign in", "Account", (_PAGE, _ON), is_public=True),
    _form(
        "/login",
        sign_in,
        "Sign in",
        ("email", "password", "next"),
        _ON,
        _REFUSED,
        _NOT_OURS,
        _LATER,
        is_public=True,
    ),
    _form("/logout", sign_out, "Sign out", (), _ON, _NOT_OURS),
    plain_route("GET", "/account", show_account, "Who is signed in", "Account", (_PAGE, _ON)),
    _form(
        "/account/password",
        change_password,
        "Change the password",
        ("password", "new_password", "repeated"),
        _ON,
        _WRONG,
        _REFUSED,
        _NOT_OURS,
        _LATER,
    ),
    _form("/account/keys", make_key, "Make an API key", ("name", "scope", "days"), _PAGE, _WRONG, _NOT_OURS),
    _form(
        "/account/keys/{key_id}/delete",
        delete_key,
        "Delete an API key",
        (),
        _ON,
        _NOT_OURS,
        Answer(404, "There is no such key.", "text/plain"),
    ),
)
