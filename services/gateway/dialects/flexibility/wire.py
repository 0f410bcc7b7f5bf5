"""What this API sends: JSON in every reply, and the headers by which its clients know what they talk to.

FlexMeasures' client reads the body of whatever it gets as JSON before it looks at the status, and gives up on any other content
type, so that even an empty reply says that it is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

import orjson
from pydantic import BaseModel

from services.gateway.http.call import Reply

# The version of FlexMeasures whose API this is: its clients ask for it before they use what is newer.
SERVED_VERSION = "1.0.0"
API_VERSION = "v3_0"
V3_ROOT = f"/api/{API_VERSION}"

CONTENT_TYPE = "application/json"
HEADERS: Mapping[str, str] = {"FlexMeasures-Version": SERVED_VERSION}
V3_HEADERS: Mapping[str, str] = {**HEADERS, "API-Version": API_VERSION}


def object_reply(value: BaseModel, *, status: int = 200) -> Reply:
    """One object."""
    return Reply(status, value.model_dump_json(by_alias=True).encode(), CONTENT_TYPE)


def list_reply(values: Sequence[BaseModel], *, without: Collection[str] = ()) -> Reply:
    """A plain list, which carries no status of its own; some fields may be left out of each."""
    left_out = set(without)
    body = b",".join(value.model_dump_json(by_alias=True, exclude=left_out).encode() for value in values)
    return Reply(200, b"[" + body + b"]", CONTENT_TYPE)


def page_reply(page: BaseModel, *, without: Collection[str] = ()) -> Reply:
    """A page of a list; some fields may be left out of each of its data."""
    return Reply(
        200, page.model_dump_json(by_alias=True, exclude={"data": {"__all__": set(without)}}).encode(), CONTENT_TYPE
    )


def gone_reply() -> Reply:
    """Nothing, after a deletion; and still JSON."""
    return Reply(204, b"", CONTENT_TYPE)


def mapping_reply(value: Mapping[str, object], *, status: int) -> Reply:
    """An object whose keys are known only now, as those of a validation answer."""
    return Reply(status, orjson.dumps(value), CONTENT_TYPE)


def json_text(value: object) -> str:
    """JSON inside a text, as FlexMeasures' clients expect free attributes."""
    return json.dumps(value, ensure_ascii=False)
