"""What PGO's users find beside its API, at the addresses that they know: examples, its browser application, and where that signs in.

The browser application is PGO's own. An operator who has it puts its files into a folder; they are read once at the start.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.gateway.auth.gate import Gate
from services.gateway.http.call import HTML, JSON, Call, Reply
from services.gateway.http.routes import Answer, Dialect, Route, plain_route
from services.gateway.web.pages import FILE_HEADERS, PAGE_HEADERS, reply_to_error
from shared.errors import BusbarError, NotFound

WEB_APPLICATION = "/index_webapp.html"
ASSET_FOLDERS = ("js", "css", "fonts")
MAX_FRONTEND_BYTES = 64 << 20
# The application is somebody else's, and whoever runs the server chose it: it may style itself, and evaluate scripts as the
# template compilers and plotting libraries of such applications do, but it loads nothing from anywhere but here.
APPLICATION_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
}
# A worker is bound by the policy that comes with its file.
SCRIPT_HEADERS = {**FILE_HEADERS, "Content-Security-Policy": APPLICATION_HEADERS["Content-Security-Policy"]}
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".map": JSON,
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".eot": "application/vnd.ms-fontobject",
    ".svg": "image/svg+xml",
}


class UnusableFrontend(BusbarError):
    """The folder of the browser application has no index.html, or is too large."""

    code = "unusable_frontend"
    exit_status = 2


@dataclass(frozen=True)
class PgoPlaces:
    """Everything that is served, by name."""

    examples: Mapping[str, bytes]
    application: Reply
    assets: Mapping[str, bytes]  # by folder and name, such as js/app.js


def read_places(frontend: Path | None) -> PgoPlaces:
    """Read all files.

    Raises:
        UnusableFrontend: the folder is not what it should be.
    """
    static = importlib.resources.files("services.gateway.web.static")
    examples = {file.name: file.read_bytes() for file in (static / "examples").iterdir() if file.name.endswith(".json")}
    if frontend is None:
        page = Reply(200, (static / "webapp.html").read_bytes(), HTML, PAGE_HEADERS)
        return PgoPlaces(examples, page, {})
    index = frontend / "index.html"
    if not index.is_file():
        raise UnusableFrontend(f"there is no index.html in {frontend}, which BUSBAR_PGO_FRONTEND_DIR names")
    files = [
        (f"{folder}/{file.name}", file)
        for folder in ASSET_FOLDERS
        if (frontend / folder).is_dir()
        for file in sorted((frontend / folder).iterdir())
        if file.is_file() and file.suffix in CONTENT_TYPES
    ]
    if sum(file.stat().st_size for _, file in files) > MAX_FRONTEND_BYTES:
        raise UnusableFrontend(f"the files in {frontend} take more than {MAX_FRONTEND_BYTES >> 20} MiB")
    application = Reply(200, index.read_bytes(), HTML, APPLICATION_HEADERS)
    return PgoPlaces(examples, application, {name: file.read_bytes() for name, file in files})


async def example(places: PgoPlaces, call: Call[None, None]) -> Reply:
    """One of the example documents."""
    name = call.ids["file"]
    if name not in places.examples:
        raise NotFound("There is no example of that name.")
    return Reply(200, places.examples[name], JSON, FILE_HEADERS)


async def application(places: PgoPlaces, _: Call[None, None]) -> Reply:
    """The browser application, or where it would be."""
    return places.application


async def application_asset(places: PgoPlaces, call: Call[None, None]) -> Reply:
    """A file of the browser application."""
    name = f"{call.ids['folder']}/{call.ids['file']}"
    if name not in places.assets:
        raise NotFound("There is nothing at this path.")
    suffix = Path(name).suffix
    return Reply(200, places.assets[name], CONTENT_TYPES[suffix], SCRIPT_HEADERS if suffix == ".js" else FILE_HEADERS)


async def to_application(_: PgoPlaces, __: Call[None, None]) -> Reply:
    """PGO's application links here to sign in and out, which a proxy does where there is one.

    The application lives at the root of its origin, under whatever prefix the API is asked: it has its own paths in its code.
    """
    return Reply(302, headers={"Location": WEB_APPLICATION})


def pgo_places_dialect(places: PgoPlaces, gate: Gate) -> Dialect:
    """The routes."""
    return Dialect("pgo_places", places, ROUTES, reply_to_error, gate)


_NONE = Answer(404, "There is none.", "text/plain")
_THERE = (Answer(302, "There."),)

# Any: routes differ in their queries and bodies.
ROUTES: tuple[Route[PgoPlaces, Any, Any], ...] = (
    plain_route(
        "GET",
        "/examples/{file}",
        example,
        "An example document",
        "PGO",
        (Answer(200, "It.", "application/json"), _NONE),
        is_public=True,
    ),
    plain_route(
        "GET",
        WEB_APPLICATION,
        application,
        "The browser application",
        "PGO",
        (Answer(200, "It.", "text/html"),),
        is_public=True,
    ),
    plain_route(
        "GET",
        "/pgo-web-frontend/{folder}/{file}",
        application_asset,
        "A file of it",
        "PGO",
        (Answer(200, "It."), _NONE),
        is_public=True,
    ),
    plain_route("GET", "/.auth/sign-in", to_application, "To the application", "PGO", _THERE, is_public=True),
    plain_route("GET", "/.auth/sign-out", to_application, "To the application", "PGO", _THERE, is_public=True),
)
