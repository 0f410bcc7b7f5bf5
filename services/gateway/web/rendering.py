"""Pages from templates: every value is escaped, and nothing of them is kept by caches or shown inside other sites."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

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
    """Renders templates. ``path_base`` stands before all paths in them."""

    def __init__(self, path_base: str) -> None:
        self.path_base = path_base
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, auto_reload=False
        )

    def page(self, name: str, *, status: int = 200, **values: object) -> Reply:
        """A page that shows something of somebody."""
        text = self._templates.get_template(f"{name}.html.jinja2").render(base=self.path_base, **values)
        return Reply(status, text.encode("utf-8", "replace"), HTML, PERSONAL_PAGE_HEADERS)

    def redirect(self, path: str) -> Reply:
        """To another page, by GET."""
        return Reply(303, headers={"Location": f"{self.path_base}{path}", "Cache-Control": "no-store"})
