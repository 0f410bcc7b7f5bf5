"""The sign of output sensors: what a flex-model writes its consumption to is consumption positive, and its production the other way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility import sensor_store
from services.gateway.dialects.flexibility.permissions import Caller, may_work_on
from services.gateway.dialects.flexibility.wire import json_text
from shared.flexibility.fields import id_of

ATTRIBUTE = "consumption_is_positive"
IS_POSITIVE: Mapping[str, bool] = {"consumption": True, "production": False}


async def tell_signs(connection: AsyncConnection, caller: Caller, flex_model: Mapping[str, Any]) -> None:
    """Say on the output sensors of a flex-model how their power is meant, as far as the caller may work on them."""
    outputs = {name: _output_of(flex_model, name) for name in IS_POSITIVE}
    await tell(
        connection, caller, {number: IS_POSITIVE[name] for name, number in outputs.items() if number is not None}
    )


async def tell(connection: AsyncConnection, caller: Caller, wanted: Mapping[int, bool]) -> None:
    """Say on sensors whether consumption is what they hold as positive, as far as the caller may work on them."""
    found = await sensor_store.find_sensors(connection, wanted.keys()) if wanted else {}
    # In the order of their ids, so that no two requests wait for each other.
    for number, row in sorted(found.items()):
        attributes = orjson.loads(row.attributes)
        if may_work_on(caller, row.owner) and attributes.get(ATTRIBUTE) is not wanted[number]:
            told = json_text(attributes | {ATTRIBUTE: wanted[number]})
            await sensor_store.update_sensor(connection, row.account_id, number, {"attributes": told})


def _output_of(flex_model: Mapping[str, Any], name: str) -> int | None:
    output = flex_model.get(name)
    return id_of(output.get("sensor")) if isinstance(output, Mapping) else None
