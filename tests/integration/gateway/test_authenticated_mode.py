"""The reconfiguration API where nobody gets in without a credential, and what a credential changes in open mode."""

from __future__ import annotations

import pytest

from shared.identity.principals import User
from tests.integration.gateway.conftest import Served
from tests.support.principals import make_account, make_key, make_user

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORIGIN = {"Origin": "https://pages.example"}


async def bearer(served: Served, user: User | None = None) -> dict[str, str]:
    """A key of a user; a new one of a new account unless one is named."""
    database = served.process.database
    user = user or await make_user(database, await make_account(database))
    return {"Authorization": f"Bearer {await make_key(database, user)}"}


@pytest.mark.parametrize("cookie", [{}, {"Cookie": "X-PgoUserId=commonUser"}])
async def test_without_a_credential_the_answer_is_401_in_plain_text(closed: Served, cookie: dict[str, str]) -> None:
    for method, path in (("GET", "/api/server"), ("GET", "/api/networks/n"), ("DELETE", "/api/sessions/s")):
        got = await closed.call(method, path, headers=cookie)
        assert (got.status, got.kind) == (401, "text/plain; charset=utf-8")
        assert got.headers["WWW-Authenticate"] == "Bearer"
        assert "Set-Cookie" not in got.headers
        assert got.text == "Sign in first: send a credential, as in Authorization: Bearer <API key>."


async def test_a_wrong_credential_is_told_apart_in_the_challenge_only(closed: Served) -> None:
    got = await closed.call("GET", "/api/server", headers={"Authorization": "Bearer bb_none"})
    assert (got.status, got.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert "bb_none" not in got.text


async def test_pages_of_other_origins_can_read_the_refusal(closed: Served) -> None:
    got = await closed.call("GET", "/api/server", headers=ORIGIN)
    assert (got.status, got.headers["Access-Control-Allow-Origin"]) == (401, ORIGIN["Origin"])


async def test_networks_belong_to_the_account_and_subject_of_the_credential(closed: Served) -> None:
    database = closed.process.database
    account = await make_account(database)
    ann, bob = await make_user(database, account), await make_user(database, account)
    keys = [await bearer(closed, user) for user in (ann, bob)]
    for key in keys:
        assert (await closed.load("north", headers=key)).status == 201  # each a name of their own
    second_of_ann = await bearer(closed, ann) | {"Cookie": "X-PgoUserId=somebody"}
    got = await closed.call("GET", "/api/server", headers=second_of_ann)
    assert got.json["networks"] == ["north"]
    assert "Set-Cookie" not in got.headers
    assert (await closed.call("GET", "/api/server", headers=await bearer(closed))).json["networks"] == []


async def test_a_read_only_key_reads_and_changes_nothing(closed: Served) -> None:
    database = closed.process.database
    user = await make_user(database, await make_account(database))
    key = {"Authorization": f"Bearer {await make_key(database, user, scopes=['read'])}"}
    assert (await closed.call("GET", "/api/server", headers=key)).status == 200
    refused = await closed.load("n", headers=key)
    assert refused.status == 403
    assert "reconfiguration" in refused.text


async def test_in_open_mode_a_credential_leads_to_its_own_account(served: Served) -> None:
    await served.load("ours")
    key = await bearer(served)
    got = await served.call("GET", "/api/server", headers=key)
    assert got.json["networks"] == []
    assert "Set-Cookie" not in got.headers
    assert (await served.call("GET", "/api/server")).json["networks"] == ["ours"]
    assert (await served.call("GET", "/api/server", headers={"Authorization": "Bearer x"})).status == 401


async def test_the_metrics_count_refusals_by_reason(closed: Served) -> None:
    await closed.call("GET", "/api/server")
    page = (await closed.call("GET", "/metrics")).text
    assert 'busbar_gateway_refused_requests_total{reason="credential_missing"}' in page


async def test_health_is_for_everybody(closed: Served) -> None:
    assert (await closed.call("GET", "/health/ready")).status == 200
