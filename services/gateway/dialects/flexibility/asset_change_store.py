"""The SQL with which this API makes, changes and deletes assets."""

from __future__ import annotations

from typing import Any, TypedDict

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility.integrity import is_of_what_is_gone
from services.gateway.dialects.flexibility.json_column import as_json
from shared.db.models.flexibility import assets
from shared.errors import Conflict, InvalidInput
from shared.ids import AccountId

JSON_FIELDS = ("attributes", "flex_context", "flex_model", "sensors_to_show", "sensors_to_show_as_kpis")
# Whoever moves an asset in a tree holds this advisory lock until its commit: two moves together could make a circle.
MOVING_LOCK = 0x0A55E7


class AssetValues(TypedDict, total=False):
    """Fields of an asset that can be given and changed. Free ones are JSON as text."""

    name: str
    asset_type: str
    parent_asset_id: int | None
    latitude: float | None
    longitude: float | None
    description: str | None
    external_id: str | None
    attributes: str
    flex_context: str
    flex_model: str
    sensors_to_show: str
    sensors_to_show_as_kpis: str


async def insert_asset(connection: AsyncConnection, account_id: AccountId | None, values: AssetValues) -> int:
    """Add an asset to an account, or a public one, and return its id.

    Raises:
        Conflict: the name is taken among those beside it. InvalidInput: the parent is gone.
    """
    statement = insert(assets).values(account_id=account_id, **_columns(values))
    try:
        made: int = (await connection.execute(statement.returning(assets.c.asset_id))).scalar_one()
    except IntegrityError as error:
        raise _refusal(error, values) from error
    return made


async def update_asset(
    connection: AsyncConnection, account_id: AccountId | None, asset_id: int, values: AssetValues
) -> None:
    """Change fields of an asset of the account.

    Raises:
        Conflict: the name is taken among those beside it. InvalidInput: the parent is gone.
    """
    try:
        await connection.execute(update(assets).where(_is(account_id, asset_id)).values(**_columns(values)))
    except IntegrityError as error:
        raise _refusal(error, values) from error


async def delete_asset(connection: AsyncConnection, account_id: AccountId | None, asset_id: int) -> None:
    """Delete an asset of the account with everything below it: assets, sensors and data."""
    await connection.execute(delete(assets).where(_is(account_id, asset_id)))


async def take_turn_to_move(connection: AsyncConnection) -> None:
    """Wait until nobody else moves an asset; the turn ends with the transaction."""
    await connection.execute(select(func.pg_advisory_xact_lock(MOVING_LOCK)))


def _is(account_id: AccountId | None, asset_id: int) -> ColumnElement[bool]:
    return and_(assets.c.asset_id == asset_id, assets.c.account_id.is_not_distinct_from(account_id))


def _columns(values: AssetValues) -> dict[str, Any]:  # Any: a text is cast to JSON by the database
    given: dict[str, Any] = dict(values)
    return given | {name: as_json(given[name]) for name in JSON_FIELDS if name in given}


def _refusal(error: IntegrityError, values: AssetValues) -> InvalidInput | Conflict:
    if is_of_what_is_gone(error):
        return InvalidInput("The parent asset was deleted meanwhile.", field="parent_asset_id")
    name = values.get("name")
    named = "of that name" if name is None else f"named '{name}'"
    return Conflict(f"There is an asset {named} in the same place already.", field="name")
