"""Whose a credential is: what a request pays for it, beside what PyJWT pays for the bare check of a signature.

The peer checks an RS256 token of the same form as ours and nothing else: no revocation, no account, no scopes. Ours says who
asks, and whether that has been revoked in the last two seconds; the first question in that time goes to the database.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks.report import Row
from services.gateway.auth.access_tokens import Claims, SignedClaims
from services.gateway.auth.auth import Auth, build_auth
from services.gateway.auth.rate_limits import Window
from shared.clock import SystemClock
from shared.db.embedded import EmbeddedPostgres
from shared.db.engine import PostgresDatabase
from shared.db.migrate import upgrade
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import administration, credential_administration
from shared.identity.passwords import PasswordHasher, hash_now
from shared.identity.principals import Actor
from shared.identity.secret_key import derive
from shared.settings import Settings

CHECKS = 3_000
LOOKUPS = 300
ACTOR = Actor("cli:benchmark")


def run() -> Sequence[Row]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> Sequence[Row]:
    postgres = EmbeddedPostgres(folder / "data")
    url = await postgres.start()
    try:
        await upgrade(url)
        database = PostgresDatabase(url, application_name="benchmark")
        clock = SystemClock()
        auth = build_auth(database, clock, derive(os.urandom(32).hex()), NoTokens(), Settings(), None, PasswordHasher())
        try:
            token, key = await _credentials(database, auth)
            return await _rows(auth, token, key)
        finally:
            await auth.stop()
            await database.close()
    finally:
        await postgres.stop(within_s=5.0)


async def _rows(auth: Auth, token: str, key: str) -> Sequence[Row]:
    bare_s = _median_s_of_bare_check()
    known_s = {
        name: await _median_s(CHECKS, lambda credential=credential: auth.verifier.identify(credential))  # type: ignore[misc]
        for name, credential in (("user token", token), ("API key", key))
    }

    async def looked_up() -> object:
        auth.verifier.forget()
        return await auth.verifier.identify(token)

    lookup_s = await _median_s(LOOKUPS, looked_up)
    hour = Window(0, 3600)
    counted_s = await _median_s(LOOKUPS, lambda: auth.limiter.take("benchmark", hour))
    together_s = await _median_s(
        20, lambda: asyncio.gather(*(auth.limiter.take("benchmark", hour) for _ in range(100)))
    )
    together_s /= 100
    meaning = "time of ours to time of the peer's"
    peer = f"PyJWT, RS256: {_ms(bare_s)}"
    return [
        *(
            Row(f"{name}, seen within two seconds", _ms(seconds), peer, seconds / bare_s, meaning, "< 1 ms")
            for name, seconds in known_s.items()
        ),
        Row("user token, looked up in the database", _ms(lookup_s), peer, lookup_s / bare_s, meaning),
        Row("request counted in a shared window, alone", _ms(counted_s), peer, counted_s / bare_s, meaning),
        Row("request counted with 99 others", _ms(together_s), peer, together_s / bare_s, meaning),
    ]


def _median_s_of_bare_check() -> float:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = {"sub": "client", "aud": "audience", "iss": "issuer", "exp": int(time.time()) + 3600, "roles": ["read"]}
    token = jwt.encode(claims, private, algorithm="RS256", headers={"kid": "1"})
    public = private.public_key()
    taken = []
    for _ in range(CHECKS):
        began = time.perf_counter()
        jwt.decode(token, public, algorithms=["RS256"], audience="audience", issuer="issuer")
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


async def _median_s(times: int, ask: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        found = await ask()
        taken.append(time.perf_counter() - began)
        assert found is not None
    return statistics.median(taken)


async def _credentials(database: PostgresDatabase, auth: Auth) -> tuple[str, str]:
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        account = await administration.create_account(work, ACTOR, "Benchmark")
        user = await administration.create_user(
            work, ACTOR, account, "a@b.example", username="a", password_hash=hash_now("irrelevant here")
        )
        made = await credential_administration.create_key(work, ACTOR, user, name="benchmark")
    return await auth.sign_in.issue_token(user), made.api_key


class NoTokens:
    """There are no clients here."""

    async def signed_claims(self, token: str) -> SignedClaims | None:  # noqa: ARG002  # the port's signature
        """None is ours."""
        return None

    async def in_force(self, signed: SignedClaims) -> Claims | None:  # noqa: ARG002  # the port's signature
        """None is in force."""
        return None


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3f} ms"
