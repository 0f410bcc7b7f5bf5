"""Where no route is, the API answers whose paths are nearest, in its own form."""

from __future__ import annotations

import pytest

from tests.integration.gateway.conftest import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "path",
    ["/api/networks", "/api/networks/n/nothing", "/api/sessions/s/nothing", "/api/server/nothing", "/api/cim/nothing"],
)
async def test_below_its_own_paths_the_reconfiguration_api_answers_in_text(served: Served, path: str) -> None:
    got = await served.call("GET", path)
    assert (got.status, got.kind) == (404, "text/plain; charset=utf-8")
    assert "FlexMeasures-Version" not in got.headers


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/api/v3_0/nothing", "/api/network", "/api/ops/nothing", "/api/v2_0/x"]
)
async def test_below_all_other_paths_of_api_the_flexibility_api_answers_in_json(served: Served, path: str) -> None:
    got = await served.call("GET", path)
    assert (got.status, got.kind, got.json["status"]) == (404, "application/json", 404)
    assert got.headers["FlexMeasures-Version"] == "1.0.0"


async def test_the_gateway_serves_both(served: Served) -> None:
    assert (await served.call("GET", "/api/server")).json == {"networks": [], "sessions": []}
    assert (await served.call("GET", "/api/")).json["versions"] == ["v3_0"]
    users = await served.call("GET", "/api/v3_0/users")
    assert (users.status, users.json["status"]) == (401, "UNAUTHORIZED")
