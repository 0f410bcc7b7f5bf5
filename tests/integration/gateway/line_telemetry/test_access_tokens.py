"""Which tokens count: ours, unchanged, in their time and environment, of a client and a secret that are still there."""

from __future__ import annotations

import asyncio
import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import partial
from statistics import median
from typing import Any
from uuid import uuid4

import jwt as pyjwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import RSAKey
from sqlalchemy import text

from services.gateway.auth.key_ring import KeyRing
from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import client_store, credential_administration
from shared.identity.principals import Client
from shared.identity.secret_key import derive
from shared.identity.signing_key_rotation import rotate
from shared.identity.signing_keys import SigningKeyUnreadable
from tests.support.eventually import eventually
from tests.support.line_telemetry import AUDIENCE, LineTelemetry, make_client, serving_line_telemetry
from tests.support.principals import SECRET, TESTER, MovedClock

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = derive(SECRET).signing_keys
DAY_S = 86400.0
Changes = Mapping[str, Any]  # Any: what a forger writes into a token


async def ring_of(served: LineTelemetry) -> KeyRing:
    ring = KeyRing(served.database, KEYS, served.clock, rotate_every_s=30 * DAY_S)
    await ring.refresh()
    return ring


def taken_apart(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return pyjwt.get_unverified_header(token), pyjwt.decode(token, options={"verify_signature": False})


def signed(header: Changes, claims: Changes, key: RSAKey) -> str:
    """By hand, as libraries refuse to sign nonsense."""
    signing_input = f"{encoded(header)}.{encoded(claims)}"
    digest = SHA512() if header["alg"] == "RS512" else SHA256()
    private = key.raw_value
    assert isinstance(private, rsa.RSAPrivateKey)
    signature = private.sign(signing_input.encode(), PKCS1v15(), digest)
    return f"{signing_input}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


def encoded(part: Changes) -> str:
    return urlsafe_b64encode(orjson.dumps(dict(part))).decode().rstrip("=")


async def resigned(
    served: LineTelemetry, client: Client, header: Changes | None = None, claims: Changes | None = None
) -> str:
    """A token of this client, changed and signed with our own key: only the change can be why it is refused."""
    ours = taken_apart(await served.token(client))
    _, key = await (await ring_of(served)).signing_key()
    return signed({**ours[0], **(header or {})}, {**ours[1], **(claims or {})}, key)


async def test_our_own_token_counts(served: LineTelemetry) -> None:
    client = await make_client(served.database, roles=("api_consumer", "ingest"), grid_owners=("a", "b"))
    claims = await served.tokens.verify(await served.token(client))
    assert claims is not None
    assert (claims.client_id, claims.account_id, claims.region) == (client.client_id, client.account_id, "eu")
    assert claims.roles == {"api_consumer", "ingest"}
    assert claims.grid_owners == frozenset({"a", "b"})
    assert claims.environment == "production"
    assert (
        await served.tokens.verify(await resigned(served, client)) is not None
    )  # so that the forgeries below mean something


FORGERIES: dict[str, tuple[Changes, Changes]] = {
    "wrong issuer": ({}, {"iss": "https://elsewhere.example/v2.0/"}),
    "issuer of the other environment": ({}, {"env": "developer"}),
    "no issuer": ({}, {"iss": None}),
    "wrong audience": ({}, {"aud": str(uuid4())}),
    "audience as list": ({}, {"aud": ["x"]}),
    "unknown environment": ({}, {"env": "staging"}),
    "environment as list": ({}, {"env": ["production"]}),
    "client of nobody": ({}, {"sub": "nobody"}),
    "secret of nobody": ({}, {"jti": str(uuid4())}),
    "unknown key": ({"kid": "unknown"}, {}),
    "key as path": ({"kid": "../../../../dev/null"}, {}),
    "key as SQL": ({"kid": "' UNION SELECT '' --"}, {}),
    "key as number": ({"kid": 1}, {}),
    "key as list": ({"kid": ["a"]}, {}),
    "huge key": ({"kid": "k" * 5000}, {}),
    "key with a NUL": ({"kid": "a\x00b"}, {}),
    "unknown critical extension": ({"crit": ["exp"], "exp": 1}, {}),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_token_does_not_count(served: LineTelemetry, name: str) -> None:
    client = await make_client(served.database)
    assert await served.tokens.verify(await resigned(served, client, *FORGERIES[name])) is None


async def test_a_token_of_another_key_does_not_count(served: LineTelemetry) -> None:
    header, claims = taken_apart(await served.token(await make_client(served.database)))
    stranger = RSAKey.import_key(rsa.generate_private_key(65537, 2048))
    assert await served.tokens.verify(signed(header, claims, stranger)) is None
    with_jwk = header | {"jwk": stranger.as_dict(private=False), "jku": "https://elsewhere.example/keys"}
    assert await served.tokens.verify(signed(with_jwk, claims, stranger)) is None


async def test_the_algorithm_is_ours_to_choose(served: LineTelemetry) -> None:
    header, claims = taken_apart(await served.token(await make_client(served.database)))
    ring = await ring_of(served)
    key_id, private = await ring.signing_key()
    public = await ring.public_key(key_id)
    assert public is not None
    unsigned = f"{encoded(header | {'alg': 'none'})}.{encoded(claims)}."
    assert await served.tokens.verify(unsigned) is None
    raw = public.raw_value
    assert isinstance(raw, rsa.RSAPublicKey)
    pem = raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, pem.strip(), orjson.dumps(dict(public.as_dict(private=False)))):
        # By hand: libraries refuse to make such a thing.
        signing_input = f"{encoded(header | {'alg': 'HS256'})}.{encoded(claims)}"
        signature = urlsafe_b64encode(hmac.digest(secret, signing_input.encode(), "sha256")).decode().rstrip("=")
        assert await served.tokens.verify(f"{signing_input}.{signature}") is None
    assert await served.tokens.verify(signed(header | {"alg": "RS512"}, claims, private)) is None


@pytest.mark.parametrize(
    "garbage", ["a.b.c", "..", "e30.e30.e30", "e30.e30.", "x" * 9000, "é.é.é", "bnVsbA.bnVsbA.bnVsbA", "W10.W10.W10"]
)
async def test_garbage_does_not_count(served: LineTelemetry, garbage: str) -> None:
    assert await served.tokens.verify(garbage) is None


async def test_a_changed_token_does_not_count(served: LineTelemetry) -> None:
    head, body, signature = (await served.token(await make_client(served.database))).split(".")
    for place in range(0, len(body), 97):
        changed = body[:place] + ("A" if body[place] != "A" else "B") + body[place + 1 :]
        assert await served.tokens.verify(f"{head}.{changed}.{signature}") is None


# ------------------------------------------------------------------ when


async def test_times_count_to_the_second_with_a_leeway_of_one_minute(served: LineTelemetry) -> None:
    client = await make_client(served.database)
    now = int(served.clock.now().timestamp())
    # Two seconds on the good side are for the test to run in; the other side is exact.
    for changes, is_good in (
        ({"exp": now - 60 + 30}, True),
        ({"exp": now - 61}, False),
        ({"nbf": now + 60}, True),
        ({"nbf": now + 60 + 30}, False),
    ):
        token = await resigned(served, client, claims=changes)
        assert (await served.tokens.verify(token) is not None) is is_good, changes


async def test_a_token_ends_after_an_hour_and_the_leeway_and_a_new_one_counts(fresh: PostgresDatabase) -> None:
    client, clock = await make_client(fresh), MovedClock()
    async with serving_line_telemetry(fresh, clock=clock) as gateway:
        token = await gateway.token(client)
        clock.move(3600 + 30)
        assert await gateway.tokens.verify(token) is not None
        clock.move(30)
        assert await gateway.tokens.verify(token) is None
        got = await gateway.call("GET", "/access/v1/clients", token)
        assert (got.status, got.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
        assert await gateway.tokens.verify(await gateway.token(client)) is not None


async def test_to_verify_takes_less_than_a_millisecond(served: LineTelemetry) -> None:
    token = await served.token(await make_client(served.database))
    taken = []
    for _ in range(300):
        began = time.perf_counter()
        assert await served.tokens.verify(token) is not None
        taken.append(time.perf_counter() - began)
    assert median(taken) < 1e-3


# ------------------------------------------------------------------ what is revoked


async def is_refused(served: LineTelemetry, token: str) -> bool:
    return (await served.call("GET", "/access/v1/clients", token)).status == 401


async def test_a_client_that_is_deactivated_is_refused_within_five_seconds(served: LineTelemetry) -> None:
    client = await make_client(served.database, roles=("platform_admin",))
    token = await served.token(client)
    assert (await served.call("GET", "/access/v1/clients", token)).status == 200
    async with served.database.unit_of_work(EVERY_ACCOUNT) as work:
        await credential_administration.set_client_active(work, TESTER, client, is_active=False)
    await eventually(lambda: is_refused(served, token), within=5.0)


async def test_the_tokens_of_a_deleted_secret_end_and_those_of_the_other_stay(served: LineTelemetry) -> None:
    client = await make_client(served.database, roles=("platform_admin",))
    async with served.database.unit_of_work(EVERY_ACCOUNT) as work:
        first = (await client_store.list_secrets(work.connection, EVERY_ACCOUNT, client.client_id))[0]
    ended = await served.token(client)
    second = "another-secret-of-the-same-client-0123456"
    async with served.database.unit_of_work(EVERY_ACCOUNT) as work:
        await credential_administration.add_client_secret(work, TESTER, client, await served.hasher.hash(second))
    got = await served.sign_in(client, client_secret=second)
    async with served.database.unit_of_work(EVERY_ACCOUNT) as work:
        await credential_administration.delete_client_secret(work, TESTER, client, first.secret_id)
    await eventually(lambda: is_refused(served, ended), within=5.0)
    assert not await is_refused(served, got.json["access_token"])


async def test_a_role_that_is_taken_away_is_gone_from_the_token_too(served: LineTelemetry) -> None:
    client = await make_client(served.database, roles=("platform_admin", "api_consumer"))
    token = await served.token(client)
    async with served.database.unit_of_work(EVERY_ACCOUNT) as work:
        await credential_administration.update_client(work, TESTER, client, {"roles": ("api_consumer", "ingest")})

    async def roles() -> frozenset[str]:
        claims = await served.tokens.verify(token)
        assert claims is not None
        return claims.roles

    async def has_lost_it() -> bool:
        return await roles() == {"api_consumer"}

    await eventually(has_lost_it, within=5.0)


async def test_a_developers_token_is_none_in_production(served: LineTelemetry) -> None:
    client = await make_client(served.database, environment="developer", roles=("platform_admin",))
    issued = await served.tokens.issue(
        client, secret_id=await secret_id_of(served, client), audience="f2fd8894-ae2e-4965-8318-e6c6781b5b80"
    )
    claims = await served.tokens.verify(issued.access_token)
    assert claims is not None
    assert claims.environment == "developer"
    assert await is_refused(served, issued.access_token)


async def secret_id_of(served: LineTelemetry, client: Client) -> Any:
    async with served.database.reading(EVERY_ACCOUNT) as connection:
        return (await client_store.list_secrets(connection, EVERY_ACCOUNT, client.client_id))[0].secret_id


# ------------------------------------------------------------------ keys


async def test_no_request_fails_while_keys_are_replaced_on_two_gateways(served: LineTelemetry) -> None:
    client = await make_client(served.database, roles=("platform_admin",))
    async with serving_line_telemetry(served.database) as other:
        used: set[str] = set()
        stop = asyncio.Event()

        async def hammer(issuer: LineTelemetry, asked: LineTelemetry) -> int:
            count = 0
            while not stop.is_set():
                issued = await issuer.tokens.issue(client, secret_id=secret_id, audience=AUDIENCE)
                used.add(pyjwt.get_unverified_header(issued.access_token)["kid"])
                assert await asked.tokens.verify(issued.access_token) is not None
                got = await asked.call("GET", "/access/v1/clients", issued.access_token)
                assert got.status == 200, got.body
                count += 1
            return count

        secret_id = await secret_id_of(served, client)
        workers = [asyncio.create_task(hammer(*pair)) for pair in ((served, other), (other, served), (other, other))]
        for _ in range(3):
            made = await rotate(served.database, KEYS, signs_in_s=0.0)
            await eventually(partial(used.__contains__, made.key_id), within=20.0)
        stop.set()
        assert min(await asyncio.gather(*workers)) > 0


async def test_a_new_key_is_published_before_it_signs_and_the_old_one_is_believed_after(served: LineTelemetry) -> None:
    client, clock = await make_client(served.database), MovedClock()
    async with serving_line_telemetry(served.database, clock=clock) as gateway:
        old = await gateway.token(client)
        made = await rotate(served.database, KEYS)
        keys = (
            await gateway.api.call(
                "GET", "/hpadb2cprod.onmicrosoft.com/b2c_1a_clientcredentialsflow/discovery/v2.0/keys"
            )
        ).json
        old_id = pyjwt.get_unverified_header(old)["kid"]
        assert {old_id, made.key_id} <= {key["kid"] for key in keys["keys"]}
        assert pyjwt.get_unverified_header(await gateway.token(client))["kid"] == old_id
        clock.move(601)
        assert pyjwt.get_unverified_header(await gateway.token(client))["kid"] == made.key_id
        clock.move(2 * 3600)
        assert old_id in {key["kid"] for key in await gateway.tokens.published_keys()}


async def test_gateways_that_start_at_once_make_one_key(fresh: PostgresDatabase) -> None:
    rings = [KeyRing(fresh, KEYS, MovedClock(), rotate_every_s=30 * DAY_S) for _ in range(4)]
    await asyncio.gather(*(ring.refresh() for ring in rings))
    assert len({(await ring.signing_key())[0] for ring in rings}) == 1
    assert {len(await ring.published()) for ring in rings} == {1}


async def test_keys_of_another_secret_key_stop_the_start_until_a_new_one_is_made(fresh: PostgresDatabase) -> None:
    first = KeyRing(fresh, KEYS, MovedClock(), rotate_every_s=30 * DAY_S)
    await first.refresh()
    other = derive("another secret key of 32 characters and more").signing_keys
    changed = KeyRing(fresh, other, MovedClock(), rotate_every_s=30 * DAY_S)
    with pytest.raises(SigningKeyUnreadable, match="signing-key rotate --now"):
        await changed.start()
    made = await rotate(fresh, other, signs_in_s=0.0)
    await changed.refresh()
    assert (await changed.signing_key())[0] == made.key_id
    assert len(await changed.published()) == 2


async def test_a_key_that_has_signed_for_long_enough_is_followed_by_another(fresh: PostgresDatabase) -> None:
    ring = KeyRing(fresh, KEYS, MovedClock(), rotate_every_s=30 * DAY_S)
    await ring.refresh()
    old, _ = await ring.signing_key()
    async with fresh.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(text("UPDATE signing_keys SET signs_from = now() - interval '31 days'"))
    await ring.refresh()
    assert len(await ring.published()) == 2
    assert (await ring.signing_key())[0] == old
    await ring.refresh()
    assert len(await ring.published()) == 2
