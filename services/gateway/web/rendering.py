"""Pages from templates: every value is escaped, and nothing of them is kept by caches or shown inside other sites."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.gateway.auth.identity import RequestHead
from services.gateway.http.call import HTML, Reply

FOLDER = Path(__file__).parent / "templates"

PERSONAL_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    # Not no-referrer: browsers would then say of a form of ours that it comes from nowhere (Origin: null).
    "Referrer-Policy": "same-origin",
}


class Renderer:
    """Renders templates."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, auto_reload=False
        )

    def page(self, name: str, head: RequestHead, *, status: int = 200, **values: object) -> Reply:
        """A page that shows something of somebody, with links for whoever sent a request."""
        text = self._templates.get_template(f"{name}.html.jinja2").render(led_to=head.led_to, **values)
        return Reply(status, text.encode("utf-8", "replace"), HTML, PERSONAL_PAGE_HEADERS)


def redirect(head: RequestHead, path: str) -> Reply:
    """To another page, by GET."""
    return Reply(303, headers={"Location": head.led_to(path), "Cache-Control": "no-store"})
