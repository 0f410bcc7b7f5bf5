"""What PGO's users find beside its API: examples, documents of both APIs, its browser application where somebody has put it."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.gateway.web.pgo_places import UnusableFrontend, read_places
from tests.integration.gateway.conftest import Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

NETWORKS = (
    "doc-provider-consumer-example.json",
    "doc-provider-transformer-consumer-example.json",
    "doc-two-providers-consumer.json",
)


async def test_the_examples_are_documents_of_the_api(served: Served) -> None:
    for name in (*NETWORKS, "doc-example_forecast.json"):
        got = await served.call("GET", f"/examples/{name}")
        assert (got.status, got.json["@schema_version"]) == (200, 1)
        assert got.headers["Content-Type"] == "application/json; charset=utf-8"
    assert (await served.call("GET", "/examples/other.json")).status == 404
    assert (await served.call("GET", "/examples/..%2Fwebapp.html")).status == 404


async def test_each_api_has_its_document(served: Served) -> None:
    paths = {
        kind: (await served.call("GET", f"/swagger/v1_{kind}/swagger.json")).json["paths"] for kind in ("json", "cim")
    }
    assert not any("/cim" in path for path in paths["json"])
    assert paths["cim"]
    assert all(path.startswith("/api/cim/") for path in paths["cim"])


@pytest.mark.parametrize("direction", ["in", "out"])
async def test_signing_in_and_out_leads_to_the_application(served: Served, direction: str) -> None:
    got = await served.call("GET", f"/.auth/sign-{direction}")
    assert (got.status, got.headers["Location"]) == (302, "/index_webapp.html")


async def test_without_the_application_a_page_says_where_it_goes(served: Served) -> None:
    got = await served.call("GET", "/index_webapp.html")
    assert got.status == 200
    assert b"BUSBAR_PGO_FRONTEND_DIR" in got.body


async def test_an_application_in_its_folder_is_served_at_its_usual_addresses(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "js").mkdir()
    (tmp_path / "index.html").write_text("<p>the application</p>")
    (tmp_path / "js" / "app.js").write_text("go()")
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "picture.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("no")
    async with serving(database_url, pgo_frontend_dir=str(tmp_path)) as served:
        page = await served.call("GET", "/index_webapp.html")
        assert (page.body, page.headers["Cache-Control"]) == (b"<p>the application</p>", "no-cache")
        policy = page.headers["Content-Security-Policy"]
        assert "'unsafe-eval'" in policy, "templates may be compiled in the browser"
        assert "http" not in policy and "*" not in policy, "nothing comes from elsewhere"
        directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert directives["script-src"] == "'self' 'unsafe-inline' 'unsafe-eval'", (
            "scripts come from files, not from data"
        )
        assert (directives["object-src"], directives["base-uri"], directives["form-action"]) == (
            "'none'",
            "'self'",
            "'self'",
        )
        got = await served.call("GET", "/pgo-web-frontend/js/app.js")
        assert (got.body, got.headers["Content-Type"]) == (b"go()", "text/javascript; charset=utf-8")
        assert got.headers["Content-Security-Policy"] == policy, "a worker is bound by its file's"
        picture = await served.call("GET", "/pgo-web-frontend/css/picture.svg")
        assert picture.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        for path in ("js/other.js", "js/..%2Fsecret.txt", "%2E%2E/secret.txt"):
            assert (await served.call("GET", f"/pgo-web-frontend/{path}")).status == 404


async def test_a_folder_without_the_application_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableFrontend, match=r"no index\.html"):
        read_places(tmp_path)
