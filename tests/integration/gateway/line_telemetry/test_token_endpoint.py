"""Signing in, as the contract has it: paths, form, answers, and what a refusal gives away (nothing)."""

from __future__ import annotations

import base64
from datetime import timedelta
from uuid import UUID

import jwt
import pytest

from services.gateway.auth.identity import NOBODY
from services.gateway.auth.rate_limits import Window
from services.gateway.dialects.line_telemetry.token_endpoint import TOKENS_PER_MINUTE
from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import account_store, audit, client_store, credential_administration
from tests.support.apis import Got
from tests.support.eventually import eventually
from tests.support.line_telemetry import (
    AUDIENCE,
    CLIENT_SECRET,
    CLIENT_SECRET_HASH,
    DEVELOPER_PATH,
    DEVELOPER_SCOPE,
    FORM,
    SCOPE,
    TOKEN_PATH,
    LineTelemetry,
    form_of,
    make_client,
    serving_line_telemetry,
)
from tests.support.principals import TESTER

pytestmark = pytest.mark.asyncio(loop_scope="module")


def unverified(got: Got) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(got.json["access_token"], options={"verify_signature": False})
    return claims


def without_id(got: Got) -> dict[str, object]:
    return {name: value for name, value in got.json.items() if name != "correlation_id"}


# ------------------------------------------------------------------ success


async def test_a_token_comes_with_exactly_the_members_of_the_contract(served: LineTelemetry) -> None:
    client = await make_client(served.database)
    before = int(served.clock.now().timestamp())
    got = await served.sign_in(client)
    after = int(served.clock.now().timestamp())
    assert got.status == 200
    assert got.headers["Content-Type"].startswith("application/json")
    assert got.headers["Cache-Control"] == "no-store"
    body = got.json
    assert set(body) == {"access_token", "token_type", "expires_in", "not_before", "expires_on", "resource"}
    assert (body["token_type"], body["expires_in"], body["resource"]) == ("Bearer", 3600, AUDIENCE)
    assert before <= body["not_before"] <= after
    assert body["expires_on"] == body["not_before"] + 3600


async def test_the_claims_are_those_of_the_contract(served: LineTelemetry) -> None:
    owner = "0c6d64f3-2f57-4b39-93a3-9a9d7b1c0a11"
    client = await make_client(served.database, region="us", roles=("api_consumer", "ingest"), grid_owners=(owner,))
    got = await served.sign_in(client)
    header, claims = jwt.get_unverified_header(got.json["access_token"]), unverified(got)
    assert header["alg"] == "RS256"
    assert header["kid"]
    issued = got.json["not_before"]
    assert UUID(str(claims.pop("jti")))
    assert str(claims.pop("iss")).endswith("/v2.0/")
    assert claims == {
        "aud": AUDIENCE,
        "sub": client.client_id,
        "azp": client.client_id,
        "iat": issued,
        "nbf": issued,
        "exp": issued + 3600,
        "ver": "1.0",
        "region": "US",
        "roles": ["api_consumer", "ingest"],
        "grid_owners": [owner],
        "env": "production",
    }


async def test_grid_owners_are_left_out_where_they_are_looked_up_later(served: LineTelemetry) -> None:
    assert "grid_owners" not in unverified(await served.sign_in(await make_client(served.database)))


async def test_each_token_has_an_id_of_its_own(served: LineTelemetry) -> None:
    client = await make_client(served.database)
    assert len({unverified(await served.sign_in(client))["jti"] for _ in range(3)}) == 3


@pytest.mark.parametrize(
    "path",
    [
        TOKEN_PATH,
        f"/tfp{TOKEN_PATH}",
        "/oauth2/v2.0/token",
        TOKEN_PATH.replace("hpadb2cprod", "HPADB2Cprod"),
        TOKEN_PATH.replace("b2c_1a", "B2C_1A"),
    ],
)
async def test_every_path_is_the_same_endpoint(served: LineTelemetry, path: str) -> None:
    client = await make_client(served.database)
    assert (await served.ask(form_of(client.client_id), path=path)).status == 200


async def test_the_developer_tenant_is_another_environment(served: LineTelemetry) -> None:
    client = await make_client(served.database, environment="developer")
    got = await served.ask(form_of(client.client_id, scope=DEVELOPER_SCOPE), path=DEVELOPER_PATH)
    claims = unverified(got)
    assert (claims["env"], claims["aud"]) == ("developer", "f2fd8894-ae2e-4965-8318-e6c6781b5b80")
    production = await served.sign_in(await make_client(served.database))
    assert claims["iss"] != unverified(production)["iss"]


async def test_http_basic_will_do(served: LineTelemetry) -> None:
    client = await make_client(served.database)
    basic = base64.b64encode(f"{client.client_id}:{CLIENT_SECRET}".encode()).decode()
    fields = {"grant_type": "client_credentials", "scope": SCOPE}
    got = await served.ask(fields, headers={"Authorization": f"Basic {basic}"})
    assert got.status == 200


async def test_several_accepted_scopes_may_be_asked_for(served: LineTelemetry) -> None:
    client = await make_client(served.database)
    got = await served.sign_in(client, scope=f"{SCOPE} {SCOPE}")
    assert (got.status, got.json["resource"]) == (200, AUDIENCE)


async def test_a_token_is_on_record(served: LineTelemetry) -> None:
    client = await make_client(served.database)
    await served.token(client)
    async with served.database.reading(EVERY_ACCOUNT) as connection:
        events = await audit.list_events(connection, client.account_id)
    issued = next(event for event in events if event.event == "client:token:issued")
    assert (issued.subject, issued.object_id, issued.address) == (client.subject, client.client_id, "127.0.0.1")


async def test_a_failed_sign_in_is_on_record_with_the_clients_account(served: LineTelemetry) -> None:
    client = await make_client(served.database)
    assert (await served.ask(form_of(client.client_id, client_secret="guessed"))).status == 401
    async with served.database.reading(EVERY_ACCOUNT) as connection:
        events = await audit.list_events(connection, client.account_id)
    (failed,) = [event for event in events if event.event == "client:sign-in:failed"]
    assert (failed.subject, failed.object_id, failed.address) == (client.subject, client.client_id, "127.0.0.1")
    assert "guessed" not in repr(failed)


async def test_a_guess_at_an_unknown_client_is_on_record_under_nobodys_account(served: LineTelemetry) -> None:
    assert (await served.ask(form_of("guessed-id"))).status == 401
    async with served.database.reading(EVERY_ACCOUNT) as connection:
        events = await audit.list_events(connection, NOBODY.account_id, subject="client:unknown")
    assert {(event.event, event.object_id, event.address) for event in events} == {
        ("client:sign-in:failed", "unknown", "127.0.0.1")
    }


# ------------------------------------------------------------------ what is wrong with the request

WRONG_FORMS = {
    "no grant type": ({"grant_type": ""}, 400, "invalid_request"),
    "other grant type": ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    "no client id": ({"client_id": ""}, 400, "invalid_request"),
    "no secret": ({"client_secret": ""}, 400, "invalid_request"),
    "no scope": ({"scope": ""}, 400, "invalid_scope"),
    "scope of nobody": ({"scope": "https://elsewhere.example/x/.default"}, 400, "invalid_scope"),
    "scope of the other environment": ({"scope": DEVELOPER_SCOPE}, 400, "invalid_scope"),
    "scope without .default": ({"scope": SCOPE.removesuffix("/.default")}, 400, "invalid_scope"),
    "one good scope and a bad one": ({"scope": f"{SCOPE} openid"}, 400, "invalid_scope"),
    "a NUL": ({"client_id": "a\x00b"}, 400, "invalid_request"),
    "a client of nobody": ({"client_id": "nobody"}, 401, "invalid_client"),
    "an endless client id": ({"client_id": "n" * 5000}, 401, "invalid_client"),
}


@pytest.mark.parametrize("name", WRONG_FORMS)
async def test_a_wrong_form_is_refused_with_the_code_of_the_contract(served: LineTelemetry, name: str) -> None:
    fields, status, error = WRONG_FORMS[name]
    client = await make_client(served.database)
    got = await served.ask(form_of(client.client_id, **fields))
    assert (got.status, got.json["error"]) == (status, error)
    assert set(got.json) == {"error", "error_description", "correlation_id"}
    assert got.json["correlation_id"] == got.headers["X-Request-Id"]
    assert got.headers["Cache-Control"] == "no-store"
    assert "WWW-Authenticate" not in got.headers


async def test_a_repeated_field_is_refused(served: LineTelemetry) -> None:
    client = await make_client(served.database)
    got = await served.ask([*form_of(client.client_id).items(), ("scope", SCOPE)])
    assert (got.status, got.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", f"{FORM}; charset=utf-16"]
)
async def test_only_a_form_is_read(served: LineTelemetry, kind: str) -> None:
    client = await make_client(served.database)
    got = await served.ask(form_of(client.client_id), headers={"Content-Type": kind})
    assert (got.status, got.json["error"]) == (400, "invalid_request")


async def test_a_huge_form_is_refused(served: LineTelemetry) -> None:
    got = await served.ask(form_of("x", client_secret="s" * 20_000))
    assert (got.status, got.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff:\xfe").decode(),
    ],
)
async def test_a_malformed_basic_header_is_refused(served: LineTelemetry, header: str) -> None:
    fields = {"grant_type": "client_credentials", "scope": SCOPE}
    got = await served.ask(fields, headers={"Authorization": header})
    assert (got.status, got.json["error"]) == (400, "invalid_request")


async def test_a_client_is_named_in_one_way_only(served: LineTelemetry) -> None:
    client = await make_client(served.database)
    basic = base64.b64encode(f"{client.client_id}:{CLIENT_SECRET}".encode()).decode()
    got = await served.ask(form_of(client.client_id), headers={"Authorization": f"Basic {basic}"})
    assert (got.status, got.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "path",
    [
        TOKEN_PATH.replace("hpadb2cprod", "somebody"),
        TOKEN_PATH.replace("b2c_1a_clientcredentialsflow", "b2c_1a_other"),
        TOKEN_PATH.replace(".onmicrosoft.com", ""),
        "/tfp" + TOKEN_PATH.replace("hpadb2cprod", "somebody"),
        "/hpadb2cprod.onmicrosoft.com/nothing/here",
    ],
)
async def test_an_unknown_tenant_or_policy_is_not_found(served: LineTelemetry, path: str) -> None:
    got = await served.ask(form_of("x"), path=path)
    assert (got.status, got.json["error"]) == (404, "invalid_request")


async def test_another_method_is_refused_in_the_same_form(served: LineTelemetry) -> None:
    got = await served.api.call("GET", TOKEN_PATH)
    assert (got.status, got.json["error"], got.headers["Allow"]) == (405, "invalid_request", "POST")


# ------------------------------------------------------------------ who is refused


async def refused_clients(database: PostgresDatabase) -> dict[str, dict[str, str]]:
    """A form for each reason to be refused."""
    good, disabled, without_account = [await make_client(database) for _ in range(3)]
    expired = await make_client(database)
    developer = await make_client(database, environment="developer")
    two_secrets = await make_client(database)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        await credential_administration.set_client_active(work, TESTER, disabled, is_active=False)
        await account_store.set_account_active(work.connection, without_account.account_id, is_active=False)
        for secret in await client_store.list_secrets(work.connection, EVERY_ACCOUNT, expired.client_id):
            await client_store.delete_secret(work.connection, expired.client_id, secret.secret_id)
        past = await audit.now(work.connection) - timedelta(seconds=1)
        await client_store.insert_secret(work.connection, expired, CLIENT_SECRET_HASH, expires_at=past)
        await client_store.insert_secret(work.connection, two_secrets, CLIENT_SECRET_HASH, expires_at=None)
    return {
        "unknown": form_of("0" * 32),
        "wrong secret": form_of(good.client_id, client_secret="wrong"),
        "wrong secret, two right ones": form_of(two_secrets.client_id, client_secret="wrong"),
        "disabled": form_of(disabled.client_id),
        "account disabled": form_of(without_account.client_id),
        "expired secret": form_of(expired.client_id),
        "other environment": form_of(developer.client_id),
    }


async def test_refused_clients_cannot_tell_why_and_cost_the_same_work(
    served: LineTelemetry, shared_database: PostgresDatabase
) -> None:
    seen = {}
    for reason, form in (await refused_clients(shared_database)).items():
        before = served.hasher.verified
        got = await served.ask(form)
        headers = {name: value for name, value in got.headers.items() if name not in {"X-Request-ID", "Date"}}
        seen[reason] = (got.status, without_id(got), headers, served.hasher.verified - before)
    assert seen["unknown"][0] == 401
    assert seen["unknown"][1]["error"] == "invalid_client"
    assert seen["unknown"][3] == 2
    assert {reason: answer for reason, answer in seen.items() if answer != seen["unknown"]} == {}


async def test_a_refusal_over_basic_says_so(served: LineTelemetry) -> None:
    basic = base64.b64encode(b"nobody:nothing").decode()
    fields = {"grant_type": "client_credentials", "scope": SCOPE}
    got = await served.ask(fields, headers={"Authorization": f"Basic {basic}"})
    assert (got.status, got.headers["WWW-Authenticate"]) == (401, 'Basic realm="token"')


async def test_either_of_two_secrets_lets_a_client_in(served: LineTelemetry) -> None:
    client = await make_client(served.database)
    second = "another-secret-of-the-same-client-0123456"
    async with served.database.unit_of_work(EVERY_ACCOUNT) as work:
        await credential_administration.add_client_secret(work, TESTER, client, await served.hasher.hash(second))
    assert [(await served.sign_in(client, client_secret=s)).status for s in (CLIENT_SECRET, second)] == [200, 200]


# ------------------------------------------------------------------ how often


async def test_guessing_is_slowed_down_and_the_client_gets_in_later(fresh: PostgresDatabase) -> None:
    async with serving_line_telemetry(fresh) as served:
        client = await make_client(fresh)
        statuses = [(await served.sign_in(client, client_secret="guess")).status for _ in range(5)]
        assert statuses == [401] * 5
        while (refused := await served.sign_in(client, client_secret="guess")).status == 401:
            assert len(statuses) < 20
            statuses.append(401)
        assert (refused.status, refused.json["error"]) == (429, "temporarily_unavailable")
        served.clock.move(int(refused.headers["Retry-After"]))
        assert (await served.sign_in(client)).status == 200


async def test_an_address_gets_so_many_answers_a_minute(fresh: PostgresDatabase) -> None:
    assert Window(60, 60) == TOKENS_PER_MINUTE
    async with serving_line_telemetry(fresh, tokens_per_minute=Window(3, 60)) as served:
        client = await make_client(fresh)
        answers = [await served.sign_in(client) for _ in range(4)]
        assert [got.status for got in answers] == [200, 200, 200, 429]
        assert answers[3].json["error"] == "temporarily_unavailable"
        assert 1 <= int(answers[3].headers["Retry-After"]) <= 60
        served.clock.move(61)

        async def is_let_in() -> bool:
            return (await served.sign_in(client)).status == 200

        await eventually(is_let_in)


async def test_who_knows_no_secret_uses_up_nothing_of_a_client(fresh: PostgresDatabase) -> None:
    async with serving_line_telemetry(fresh, tokens_per_minute=Window(2, 60)) as served:
        client = await make_client(fresh)
        for _ in range(2):
            assert (await served.sign_in(client, client_secret="guess")).status == 401
        served.clock.move(61)
        await served.token(client)
