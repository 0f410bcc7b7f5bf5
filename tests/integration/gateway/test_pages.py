from __future__ import annotations

import json
import re
from urllib.parse import urljoin

import pytest

from services.gateway.documents import openapi_json
from services.gateway.main import Gateway
from shared.errors import BusbarError
from shared.process import open_process
from shared.settings import Settings
from tests.integration.gateway.conftest import Served, serving
from tests.unit.gateway.http.streams import part

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_home_page_is_never_taken_from_a_cache(served: Served) -> None:
    got = await served.call("GET", "/")
    assert (got.status, got.kind) == (200, "text/html; charset=utf-8")
    assert got.headers["Cache-Control"] == "no-cache"
    assert got.headers["Set-Cookie"].startswith("X-PgoUserId=commonUser")


async def test_swagger_leads_to_its_page(served: Served) -> None:
    for path in ("/swagger", "/swagger/"):
        got = await served.call("GET", path)
        assert (got.status, got.headers["Location"]) == (302, "/swagger/index.html")
    assert (await served.call("GET", "/swagger/index.html")).status == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/swagger/index.html"])
async def test_a_page_has_no_inline_script_and_everything_that_it_needs(served: Served, path: str) -> None:
    page = await served.call("GET", path)
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert re.search(r"<script(?![^>]*src=)", page.text) is None
    assert re.search(r"\son\w+=", page.text) is None
    for reference in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        target = await served.call("GET", urljoin(path, reference))
        assert target.status == 200, reference


async def test_the_openapi_document_is_served_as_it_is_committed(served: Served) -> None:
    got = await served.call("GET", "/swagger/v1_json/swagger.json")
    assert got.kind == "application/json; charset=utf-8"
    assert got.text == openapi_json("reconfiguration")


@pytest.mark.parametrize(
    "path", ["/swagger/nothing.js", "/assets/..%2Fpages.py", "/swagger/..", "/assets/", "/favicon.ico"]
)
async def test_no_other_file_is_served(served: Served, path: str) -> None:
    assert (await served.call("GET", path)).status == 404


async def test_health_and_metrics_are_served_without_a_cookie(served: Served) -> None:
    for path in ("/health/live", "/health/ready", "/metrics"):
        got = await served.call("GET", path)
        assert got.status == 200
        assert "Set-Cookie" not in got.headers
    ready = (await served.call("GET", "/health/ready")).json
    assert {name: found["state"] for name, found in ready["dependencies"].items()} == {
        "database": "well",
        "broker": "well",
    }


async def test_requests_are_counted_by_route_and_never_by_id(served: Served) -> None:
    await served.call("GET", "/api/networks/a-secret-name")
    page = (await served.call("GET", "/metrics")).text
    wanted = 'dialect="reconfiguration",route="GET /api/networks/{network_id}",status_class="4xx"'
    assert f"busbar_gateway_requests_total{{{wanted}}}" in page
    assert "a-secret-name" not in page


@pytest.mark.parametrize("path", ["/api/cim/nothing", "/api/sessions/s/solutions/a", "/nothing"])
async def test_what_is_not_there_is_404(served: Served, path: str) -> None:
    assert (await served.call("GET", path)).status == 404


async def test_a_path_prefix_is_stripped_and_not_required(database_url: str) -> None:
    async with serving(database_url, path_base="/opfsolver") as served:
        form = await served.form("/opfsolver/api/networks/n", *[])
        assert form.status == 400
        await served.load("n")
        for prefix in ("", "/opfsolver", "/OPFSolver"):
            assert (await served.call("GET", f"{prefix}/api/server")).json["networks"] == ["n"]


DOCUMENTS = (
    *(
        "/swagger/v1_json/swagger.json",
        "/swagger/v1_cim/swagger.json",
        "/api/v3_0/openapi.json",
        "/api/v2/openapi.json",
    ),
    *("/admin/v1/openapi.json", "/openapi/access/v1/openapi.json", "/openapi/access/v1/openapi.yaml"),
)


async def test_who_comes_by_the_path_prefix_is_led_to_places_under_it(database_url: str) -> None:
    async with serving(database_url, path_base="/opfsolver") as served:
        for prefix in ("", "/opfsolver", "/OPFSolver"):
            got = await served.call("GET", f"{prefix}/swagger")
            assert (got.status, got.headers["Location"]) == (302, f"{prefix}/swagger/index.html")
            assert (await served.call("GET", got.headers["Location"])).status == 200
            # The application lives at the root of its origin.
            for way in ("in", "out"):
                got = await served.call("GET", f"{prefix}/.auth/sign-{way}")
                assert (got.status, got.headers["Location"]) == (302, "/index_webapp.html")
            assert (await served.call("GET", f"{prefix}/account")).headers[
                "Location"
            ] == f"{prefix}/login?next=%2Faccount"
            form = (await served.call("GET", f"{prefix}/login")).body.decode()
            assert f'action="{prefix}/login"' in form and f'href="{prefix}/assets/busbar.css"' in form
            for path in DOCUMENTS:
                document = json.loads((await served.call("GET", f"{prefix}{path}")).body)
                # Where it names none, Swagger UI calls the root of the origin.
                assert document.get("servers") == ([{"url": prefix}] if prefix else None), path
        loaded = await served.form("/opfsolver/api/networks/n", part("networkDescription", "{}", "n.json"))
        assert (loaded.status, loaded.headers["Location"]) == (201, "/api/networks/n")


async def test_an_open_network_is_refused_at_the_start(database_url: str) -> None:
    settings = Settings(host="0.0.0.0", port=0, reconfiguration_open=True)
    async with open_process(settings, database_url=database_url, services=["gateway"], ops_port=0) as process:
        with pytest.raises(BusbarError, match="BUSBAR_ALLOW_OPEN_NETWORK"):
            Gateway(process)


async def test_an_allowed_open_network_shows_no_metrics(database_url: str) -> None:
    settings = {"host": "0.0.0.0", "reconfiguration_open": True, "allow_open_network": True}
    async with serving(database_url, **settings) as served:
        assert (await served.call("GET", "/metrics")).status == 404
        assert (await served.call("GET", "/health/ready")).status == 200
