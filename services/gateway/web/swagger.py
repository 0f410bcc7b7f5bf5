"""The page on which an API is tried out: Swagger UI with that API's OpenAPI document."""

from __future__ import annotations

import importlib.resources
from string import Template


def swagger_html(title: str, *, document: str, root: str) -> bytes:
    """The page. ``document`` is the address of the OpenAPI document, ``root`` that of the home page, both relative to the page.

    Several documents to choose from are separated by ``|``, each with a blank and its name behind its address.
    """
    page = importlib.resources.files("services.gateway.web.static") / "swagger.html"
    text = Template(page.read_text("utf-8")).substitute(title=title, document=document, root=root)
    return text.encode()
