"""Credentials of every kind for one installation: those that let somebody in, and every way to make one up or wear one out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import update

from services.cli.named import require_client, require_key
from services.gateway.auth.auth import Auth
from services.gateway.auth.key_ring import KeyRing
from services.gateway.auth.tokens import TokenHasher
from services.gateway.dialects.line_telemetry.access_tokens import build_access_tokens
from services.gateway.dialects.line_telemetry.environments import audience_of, environments_of
from shared.clock import SystemClock
from shared.db.models.identity import api_keys, user_tokens, web_sessions
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.identity import administration, client_store, credential_administration
from shared.identity.api_keys import new_api_key
from shared.identity.client_store import NewClient
from shared.identity.principals import PRODUCTION, SCOPES, Account, Client, User
from shared.identity.secret_key import keys_of
from shared.settings import Settings
from tests.support.principals import PASSWORD_HASH, TESTER, make_account, make_key, make_user

CLIENT_ROLES = ("api_consumer", *SCOPES)


@dataclass(frozen=True)
class Neighbours:
    """Two accounts, and in each somebody who leads it; in the first one who administers the site as well."""

    account: Account
    user: User
    other_account: Account
    other_user: User


@dataclass(frozen=True)
class Credentials:
    """What may stand in an Authorization header or a session cookie. ``made_up`` and ``worn_out`` let nobody in anywhere."""

    right: str
    other: str
    client: str
    made_up: Mapping[str, str]
    worn_out: Mapping[str, str]
    worn_out_sessions: Mapping[str, str]

    @property
    def invalid(self) -> dict[str, str]:
        return {**self.made_up, **self.worn_out}


async def make_neighbours(database: Database) -> Neighbours:
    """The people."""
    account, other = await make_account(database, "North Grid"), await make_account(database, "South Grid")
    user = await make_user(database, account, "ann@north.example", roles=("admin", "account-admin"))
    other_user = await make_user(database, other, "bob@south.example", roles=("account-admin",))
    return Neighbours(account, user, other, other_user)


async def make_client(database: Database, account: Account) -> tuple[Client, Any]:
    """An OAuth2 client, and the id of its secret."""
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        new = NewClient("feed", CLIENT_ROLES)
        client = await credential_administration.create_client(work, TESTER, account.account_id, new, PASSWORD_HASH)
        (secret,) = await client_store.list_secrets(work.connection, EVERY_ACCOUNT, client.client_id)
    return client, secret.secret_id


async def make_credentials(database: Database, auth: Auth, settings: Settings, people: Neighbours) -> Credentials:
    """All of them."""
    forge, hasher = await _forge(database, settings, people.account), TokenHasher(keys_of(settings).tokens)
    return Credentials(
        right=await make_key(database, people.user),
        other=await make_key(database, people.other_user),
        client=forge.good(),
        made_up={**_garbage(), **forge.forgeries()},
        worn_out={
            **await _worn_out(database, auth, hasher, people),
            **await _of_disabled_client(database, settings, people),
        },
        worn_out_sessions=await _worn_out_sessions(database, auth, hasher, people),
    )


def _garbage() -> dict[str, str]:
    return {
        "garbage": "garbage",
        "garbage in the form of a token": base64.urlsafe_b64encode(b"x" * 32).rstrip(b"=").decode(),
        "a key that nobody has": new_api_key().api_key,
        "half a key": new_api_key().api_key[:30],
        "garbage in the form of a JWT": "a.b.c",
        "very long": "x" * 5000,
    }


async def _worn_out(database: Database, auth: Auth, hasher: TokenHasher, people: Neighbours) -> dict[str, str]:
    user = people.user
    made = {name: await make_key(database, user) for name in ("disabled key", "deleted key", "expired key")}
    # The name of a key of somebody with another's secret.
    made["a key with another's secret"] = made["disabled key"][:12] + (await make_key(database, user))[12:]
    made |= {name: await auth.sign_in.issue_token(user) for name in ("expired token", "revoked token")}
    leaver = await make_user(database, people.account, roles=("admin",))
    made |= {"key of a disabled user": await make_key(database, leaver)}
    closed = await make_account(database, "Closed Grid")
    made |= {"key of a disabled account": await make_key(database, await make_user(database, closed, roles=("admin",)))}
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        c = work.connection
        for name in ("disabled key", "expired key", "deleted key"):
            key = await require_key(work, made[name][3:11])
            if name == "disabled key":
                await credential_administration.set_key_active(work, TESTER, key, is_active=False)
            elif name == "deleted key":
                await credential_administration.delete_key(work, TESTER, key)
            else:
                await c.execute(update(api_keys).where(api_keys.c.key_id == key.key_id).values(expires_at=past))
        for name in ("expired token", "revoked token"):
            mine = user_tokens.c.token_hash == hasher.of_token(made[name])
            if name == "expired token":
                await c.execute(update(user_tokens).where(mine).values(expires_at=past))
            else:
                await c.execute(user_tokens.delete().where(mine))
        await administration.set_user_active(work, TESTER, leaver, is_active=False)
        await administration.set_account_active(work, TESTER, closed, is_active=False)
    return made


async def _worn_out_sessions(database: Database, auth: Auth, hasher: TokenHasher, people: Neighbours) -> dict[str, str]:
    expired, ended = [await auth.sign_in.open_session(people.user) for _ in range(2)]
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        mine = web_sessions.c.session_hash == hasher.of_session(expired)
        past = datetime.now(UTC) - timedelta(seconds=1)
        await work.connection.execute(update(web_sessions).where(mine).values(expires_at=past))
    await auth.sign_in.end_session(ended, people.user)
    token = await auth.sign_in.issue_token(people.user)
    return {"garbage": "garbage", "expired": expired, "ended": ended, "a token in its place": token}


async def _of_disabled_client(database: Database, settings: Settings, people: Neighbours) -> dict[str, str]:
    forge = await _forge(database, settings, people.account)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        client = await require_client(work, forge.claims["sub"])
        await credential_administration.set_client_active(work, TESTER, client, is_active=False)
    return {"JWT of a disabled client": forge.good()}


@dataclass(frozen=True)
class _Forge:
    """Signs whatever it is told with the installation's own key: each forgery is wrong in one thing alone."""

    key_id: str
    private: RSAKey
    claims: Mapping[str, Any]

    def good(self) -> str:
        return self.signed()

    def signed(self, *, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        given = {"kid": self.key_id, "typ": "JWT"} | dict(header or {})
        return jwt.encode({**self.claims, **claims}, self._pem(private=True), algorithm="RS256", headers=given)

    def forgeries(self) -> dict[str, str]:
        now = int(datetime.now(UTC).timestamp())
        other = replace(self, private=RSAKey.generate_key(2048))
        made = {
            "expired JWT": self.signed(iat=now - 7200, nbf=now - 7200, exp=now - 61),
            "JWT not yet valid": self.signed(iat=now + 3600, nbf=now + 3600, exp=now + 7200),
            "JWT of a wrong issuer": self.signed(iss="https://elsewhere.example/"),
            "JWT for a wrong audience": self.signed(aud="somebody else"),
            "JWT for another environment": self.signed(env="developer"),
            "JWT of a client that nobody knows": self.signed(sub="nobody", azp="nobody"),
            "JWT signed with another key under our name": other.signed(),
            "JWT with a broken signature": self.signed()[:-8] + "AAAAAAAA",
            "JWT without a signature": self.signed().rpartition(".")[0] + ".",
            "JWT with other claims under a good signature": self._with_claims(self.signed(), {"roles": ["admin"]}),
            "JWT with alg=none": self._unsigned({"alg": "none"}),
            "JWT with alg=NoNe": self._unsigned({"alg": "NoNe"}),
        }
        for form in ("pem", "jwk"):
            made[f"JWT with HS256 and our public key as {form}"] = self._hs256(form)
        for name, key_id in {
            "a path": "../../../../dev/null",
            "an absolute path": "/proc/sys/kernel/ostype",
            "SQL": "' UNION SELECT 'x' --",
            "an address": "https://elsewhere.example/keys.json",
            "a NUL": f"{self.key_id}\x00",
            "nothing": "",
        }.items():
            made[f"JWT with {name} for kid"] = other.signed(header={"kid": key_id})
        public = other.private.as_dict(private=False)
        made["JWT that brings its own key"] = other.signed(header={"jwk": public, "kid": "own"})
        made["JWT that says where its key is"] = other.signed(header={"jku": "https://elsewhere.example/keys.json"})
        return made

    def _pem(self, *, private: bool) -> bytes:
        return self.private.as_pem(private=private)

    def _unsigned(self, header: Mapping[str, Any]) -> str:
        return ".".join((_part({**header, "typ": "JWT", "kid": self.key_id}), _part(self.claims), ""))

    def _hs256(self, form: str) -> str:
        secret = self._pem(private=False) if form == "pem" else json.dumps(self.private.as_dict(private=False)).encode()
        head = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': self.key_id})}.{_part(self.claims)}"
        return f"{head}.{_text(hmac.new(secret, head.encode(), hashlib.sha256).digest())}"

    def _with_claims(self, token: str, changed: Mapping[str, Any]) -> str:
        header, _, signature = token.split(".")
        return f"{header}.{_part({**self.claims, **changed})}.{signature}"


async def _forge(database: Database, settings: Settings, account: Account) -> _Forge:
    """Around a token that was really given out."""
    client, secret_id = await make_client(database, account)
    keys = keys_of(settings)
    tokens = build_access_tokens(database, SystemClock(), keys, settings)
    scopes = environments_of(settings).by_name[PRODUCTION].scopes
    assert scopes, "with any audience accepted, none could be wrong"
    issued = await tokens.issue(client, secret_id=secret_id, audience=audience_of(min(scopes)))
    ring = KeyRing(database, keys.signing_keys, SystemClock(), rotate_every_s=86400.0)
    key_id, private = await ring.signing_key()
    return _Forge(key_id, private, jwt.decode(issued.access_token, options={"verify_signature": False}))


def _part(value: Mapping[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
