"""The replies of this API to what was made and what was done."""

from __future__ import annotations

from pydantic import BaseModel

from services.gateway.http.call import Reply, json_reply

ROOT = "/admin/v1"


def created(document: BaseModel, path: str) -> Reply:
    """201 with the document and where it can be read again. ``path`` is below the API's root."""
    return json_reply(document, status=201).with_headers({"Location": f"{ROOT}/{path}"})


def done() -> Reply:
    """204: it is done, and there is nothing to say."""
    return Reply(204)
