"""The fields of an asset as they are stored: types by name, free fields as text, and configuration that was checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility import asset_store, sensor_store
from services.gateway.dialects.flexibility.access import no_asset_text, no_sensor_text
from services.gateway.dialects.flexibility.asset_change_store import JSON_FIELDS, AssetValues
from services.gateway.dialects.flexibility.asset_request_schemas import AssetPatch, NewAsset
from services.gateway.dialects.flexibility.errors import NotPermitted
from services.gateway.dialects.flexibility.fields import LARGEST
from services.gateway.dialects.flexibility.permissions import Caller, may_read_thing
from services.gateway.dialects.flexibility.references import assets_named, sensors_named, sensors_shown
from services.gateway.dialects.flexibility.sensor_store import SensorRow
from services.gateway.dialects.flexibility.validation import JSON_BODY, Invalid, Messages, invalid_field
from services.gateway.dialects.flexibility.wire import json_text
from shared.flexibility.asset_types import asset_type_of_id
from shared.flexibility.errors import FlexConfigInvalid
from shared.flexibility.facts import SensorFacts, Sensors
from shared.flexibility.reading import read_flex_context, read_flex_model

GRAPHS = ("sensors_to_show", "sensors_to_show_as_kpis")


async def checked_values(connection: AsyncConnection, caller: Caller, body: NewAsset | AssetPatch) -> AssetValues:
    """What was given, or for a new asset also what was left out, under our names.

    Raises:
        Invalid: there is no such type, or something is wrong with the configuration. NotPermitted: it names somebody else's sensor or asset.
    """
    names = body.model_fields_set if isinstance(body, AssetPatch) else type(body).model_fields.keys()
    given = body.model_dump(include=set(names) - {"generic_asset_type_id", "account_id"})
    if "generic_asset_type_id" in names:
        given["asset_type"] = _type_name(body.generic_asset_type_id)
    await _check_free_fields(connection, caller, given)
    texts = {name: json_text(given[name]) for name in JSON_FIELDS if name in given}
    return cast("AssetValues", given | texts)  # the fields of both bodies are named as ours


def _type_name(number: int) -> str:
    kind = asset_type_of_id(number)
    if kind is None:
        raise invalid_field(JSON_BODY, "generic_asset_type_id", f"No asset type found with ID {number}.")
    return kind.name


async def _check_free_fields(connection: AsyncConnection, caller: Caller, given: Mapping[str, Any]) -> None:
    named = {name: sensors_named(given[name]) for name in CONFIGURATION if name in given}
    shown = {name: sensors_shown(given[name]) for name in GRAPHS if name in given}
    found = await _sensors(connection, caller, frozenset().union(*named.values(), *shown.values()))
    errors: Messages = {}
    for name, numbers in shown.items():
        if unknown := sorted(numbers - found.keys()):
            errors[name] = [no_sensor_text(number) for number in unknown]
    facts = {number: _facts_of(row) for number, row in found.items()}
    for name, read in CONFIGURATION.items():
        if name not in given:
            continue
        try:
            read(given[name], facts)
        except FlexConfigInvalid as error:
            errors[name] = error.errors
    for name in (*CONFIGURATION, *GRAPHS):
        unknown = await _unknown_assets(connection, caller, assets_named(given.get(name)))
        if unknown and name not in errors:
            errors[name] = [no_asset_text(number) for number in unknown]
    if errors:
        raise Invalid(JSON_BODY, errors)


async def _sensors(connection: AsyncConnection, caller: Caller, numbers: frozenset[int]) -> dict[int, SensorRow]:
    """Those of the sensors that there are.

    Raises:
        NotPermitted: the caller may not read one of them.
    """
    storable = [number for number in numbers if 0 < number <= LARGEST]
    found = await sensor_store.find_sensors(connection, storable) if storable else {}
    if not all(may_read_thing(caller, row.owner) for row in found.values()):
        raise NotPermitted
    return found


async def _unknown_assets(connection: AsyncConnection, caller: Caller, numbers: frozenset[int]) -> list[int]:
    """Those of the assets that there are not.

    Raises:
        NotPermitted: the caller may not read one of the others.
    """
    storable = [number for number in numbers if 0 < number <= LARGEST]
    found = await asset_store.find_assets(connection, storable) if storable else {}
    if not all(may_read_thing(caller, row.owner) for row in found.values()):
        raise NotPermitted
    return sorted(numbers - found.keys())


def _facts_of(row: SensorRow) -> SensorFacts:
    return SensorFacts(
        sensor_id=row.sensor_id,
        asset_id=row.asset_id,
        name=row.name,
        unit=row.unit,
        resolution_s=row.event_resolution_s,
        timezone=row.timezone,
        attributes=orjson.loads(row.attributes),
    )


def _read_context(raw: Mapping[str, Any], sensors: Sensors) -> None:
    read_flex_context(raw, sensors=sensors, is_stored=True)


def _read_model(raw: Mapping[str, Any], sensors: Sensors) -> None:
    read_flex_model(raw, sensors=sensors, is_stored=True)


CONFIGURATION: Mapping[str, Callable[[Mapping[str, Any], Sensors], None]] = {
    "flex_context": _read_context,
    "flex_model": _read_model,
}
