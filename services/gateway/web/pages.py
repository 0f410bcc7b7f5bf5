"""The pages and their files, read once at the start and served from memory."""

from __future__ import annotations

import importlib.resources
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.gateway import documents
from services.gateway.auth.gate import Forbidden, Gate, TooManyRequests, Unauthenticated
from services.gateway.http.call import HTML, JSON, Call, Reply, text_reply
from services.gateway.http.faults import retry_headers
from services.gateway.http.openapi import served_under
from services.gateway.http.routes import READ, Answer, Dialect, Route, plain_route, status_of
from services.gateway.web.swagger import swagger_html
from shared.errors import BusbarError, Conflict, DependencyUnavailable, InvalidInput, NotFound

# Swagger UI sets styles from its scripts and has its pictures in them; nothing else comes from anywhere but here.
PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
# Whoever comes first by a file is given their cookie with it, which a cache for many must not hand to others.
FILE_HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # for one that is opened by itself
}

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
}
SWAGGER_UI_PACKAGE = "drf_spectacular_sidecar"
SWAGGER_UI_FILES = (
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "favicon-32x32.png",
)


@dataclass(frozen=True)
class Pages:
    """Everything that is served, by name."""

    html: Mapping[str, bytes]
    assets: Mapping[str, bytes]
    swagger_ui: Mapping[str, bytes]
    json_api_document: bytes
    cim_api_document: bytes


def read_pages() -> Pages:
    """Read all files; takes some milliseconds."""
    static = importlib.resources.files("services.gateway.web.static")
    swagger_ui = swagger_ui_folder()
    return Pages(
        html={
            "index.html": (static / "index.html").read_bytes(),
            "docs.html": (static / "docs.html").read_bytes(),
            "swagger.html": swagger_html(
                "Network reconfiguration",
                document="v1_json/swagger.json JSON API|v1_cim/swagger.json CIM API",
                root="../",
            ),
        },
        assets={name: (static / name).read_bytes() for name in ("busbar.css", "swagger.js")},
        swagger_ui={name: (swagger_ui / name).read_bytes() for name in SWAGGER_UI_FILES},
        json_api_document=documents.openapi_json("reconfiguration").encode(),
        cim_api_document=documents.openapi_json("reconfiguration_cim").encode(),
    )


def swagger_ui_folder() -> Path:
    """Where Swagger UI's files are. The package that carries them is found and not imported: it would import Django."""
    found = importlib.util.find_spec(SWAGGER_UI_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise NotFound(f"The package {SWAGGER_UI_PACKAGE} with the files of Swagger UI is not installed.")
    return Path(found.submodule_search_locations[0]) / "static" / SWAGGER_UI_PACKAGE / "swagger-ui-dist"


async def home(pages: Pages, _: Call[None, None]) -> Reply:
    """The home page."""
    return Reply(200, pages.html["index.html"], HTML, PAGE_HEADERS)


async def list_apis(pages: Pages, _: Call[None, None]) -> Reply:
    """The list of APIs."""
    return Reply(200, pages.html["docs.html"], HTML, PAGE_HEADERS)


async def to_swagger(_: Pages, call: Call[None, None]) -> Reply:
    """The address that PGO's users know."""
    return Reply(302, headers={"Location": call.head.led_to("/swagger/index.html")})


async def swagger_page(pages: Pages, _: Call[None, None]) -> Reply:
    """The interactive documentation."""
    return Reply(200, pages.html["swagger.html"], HTML, PAGE_HEADERS)


async def json_api_document(pages: Pages, call: Call[None, None]) -> Reply:
    """The OpenAPI document of the JSON API."""
    return _document(pages.json_api_document, call.head.prefix)


async def cim_api_document(pages: Pages, call: Call[None, None]) -> Reply:
    """The OpenAPI document of the CIM API."""
    return _document(pages.cim_api_document, call.head.prefix)


def _document(document: bytes, prefix: str) -> Reply:
    return Reply(200, served_under(document, prefix), JSON, {"Cache-Control": "no-cache"})


async def swagger_file(pages: Pages, call: Call[None, None]) -> Reply:
    """One of Swagger UI's files."""
    return _file(pages.swagger_ui, call.ids["file"])


async def asset(pages: Pages, call: Call[None, None]) -> Reply:
    """One of our own files."""
    return _file(pages.assets, call.ids["file"])


def _file(files: Mapping[str, bytes], name: str) -> Reply:
    if name not in files:
        raise NotFound("There is nothing at this path.")
    return Reply(200, files[name], CONTENT_TYPES[Path(name).suffix], FILE_HEADERS)


def docs_page(title: str) -> Reply:
    """The documentation of an API that has it two levels below the root, beside its document."""
    return Reply(200, swagger_html(title, document="openapi.json", root="../../"), HTML, PAGE_HEADERS)


def web_dialect(pages: Pages, gate: Gate, *, is_open: bool) -> Dialect:
    """The routes of the pages. Unless whoever comes is let in, the home page is for those who have signed in."""
    home_page = plain_route("GET", "/", home, "Home", "Pages", _PAGE, is_public=is_open)
    return Dialect("web", pages, (home_page, *_ROUTES), reply_to_error, gate, scope=READ)


def reply_to_error(error: BusbarError, _: Mapping[str, int]) -> Reply:
    """The reply of a page for an error; whoever has to sign in first is sent there by the gate's Location."""
    if isinstance(error, Unauthenticated):
        return Reply(303)
    status = status_of(error, STATUSES)
    text = error.message if status != 500 else "Something went wrong inside the server."
    return text_reply(text, status=status, headers=retry_headers(error))


STATUSES: Mapping[str, int] = {
    Forbidden.code: 403,
    InvalidInput.code: 400,
    NotFound.code: 404,
    Conflict.code: 409,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    TooManyRequests.code: 429,
    DependencyUnavailable.code: 503,
}

_PAGE = (Answer(200, "The page.", "text/html"),)
_FILE = (Answer(200, "The file."), Answer(404, "There is none.", "text/plain"))

# Any: routes differ in their queries and bodies.
_ROUTES: tuple[Route[Pages, Any, Any], ...] = (
    plain_route("GET", "/docs", list_apis, "The APIs", "Pages", _PAGE, is_public=True),
    plain_route(
        "GET", "/swagger", to_swagger, "To the documentation", "Pages", (Answer(302, "There."),), is_public=True
    ),
    plain_route("GET", "/swagger/index.html", swagger_page, "Documentation", "Pages", _PAGE, is_public=True),
    plain_route(
        "GET", "/swagger/v1_json/swagger.json", json_api_document, "OpenAPI", "Pages", _FILE[:1], is_public=True
    ),
    plain_route("GET", "/swagger/v1_cim/swagger.json", cim_api_document, "OpenAPI", "Pages", _FILE[:1], is_public=True),
    plain_route("GET", "/swagger/{file}", swagger_file, "Swagger UI", "Pages", _FILE, is_public=True),
    plain_route("GET", "/assets/{file}", asset, "Files of pages", "Pages", _FILE, is_public=True),
)
