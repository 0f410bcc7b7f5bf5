"""The pages of whoever has signed in with a browser: one's own password and API keys; and the routes of these and of signing in.

Every form carries a token that only this browser's session has, and comes from a page of ours.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.gateway.auth.gate import TooManyRequests
from services.gateway.auth.presented import SESSION_COOKIE, cookie
from services.gateway.auth.sign_in import SignInFailed
from services.gateway.http.call import Call, Reply
from services.gateway.http.routes import READ, RETRY_AFTER, Answer, Dialect, NoQuery, Route, plain_route
from services.gateway.http.url_encoded import UrlEncodedForm
from services.gateway.web.browser_session import HOME, AccountPages, FormCall, checked_session, session_cookie, user_of
from services.gateway.web.login_pages import show_login, sign_in, sign_out
from services.gateway.web.pages import reply_to_error
from services.gateway.web.rendering import redirect
from shared.errors import InvalidInput, NotFound
from shared.identity import administration, credential_administration, key_store
from shared.identity.passwords import check_rules
from shared.identity.principals import SCOPES


async def show_account(app: AccountPages, call: Call[None, None]) -> Reply:
    """Who is signed in, and their keys."""
    return await _account_page(app, call)


async def change_password(app: AccountPages, call: FormCall) -> Reply:
    """Another password: all tokens and sessions end, and this browser gets a new one."""
    checked_session(app, call)
    user = await user_of(app, call)
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
        session = await app.auth.sign_in.open_session(await user_of(app, call), address=address)
    except SignInFailed:  # somebody else has changed it again in this moment
        return redirect(call.head, "/login")
    return redirect(call.head, HOME).with_headers(session_cookie(app, call.head, session))


async def make_key(app: AccountPages, call: FormCall) -> Reply:
    """A new API key, shown this once."""
    checked_session(app, call)
    user = await user_of(app, call)
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
    checked_session(app, call)
    user = await user_of(app, call)
    async with app.database.unit_of_work(user.account_id) as work:
        key = await key_store.find_key(work.connection, user.account_id, call.ids["key_id"])
        if key is None or key.user_number != user.number:
            raise NotFound("There is no such key.")
        work.after_commit.append(app.auth.verifier.forget)
        await credential_administration.delete_key(work, call.actor, key)
    return redirect(call.head, HOME)


def account_dialect(app: AccountPages) -> Dialect:
    """The routes of these pages."""
    return Dialect("account", app, _ROUTES, reply_to_error, app.auth.web, scope=READ)


async def _account_page(
    app: AccountPages,
    call: Call[None, Any],  # Any: of each form, and of none
    *,
    problem: str = "",
    new_key: str = "",
    status: int = 200,
) -> Reply:
    user = await user_of(app, call)
    async with app.database.reading(user.account_id) as connection:
        keys = await key_store.list_keys(connection, user.account_id, user_id=user.user_id)
    csrf_token = app.auth.form_guard.token(cookie(call.head, SESSION_COOKIE) or "")
    return app.renderer.page(
        "account",
        call.head,
        status=status,
        user=user,
        keys=keys,
        scopes=SCOPES,
        csrf_token=csrf_token,
        problem=problem,
        new_key=new_key,
    )


def _days(text: str) -> int | None:
    if not text.strip():
        return None
    if not (text.isascii() and text.strip().isdigit() and len(text) <= 5) or not 1 <= int(text) <= 3650:
        raise InvalidInput("The days until a key expires must be a number from 1 to 3650.", field="days")
    return int(text)


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
