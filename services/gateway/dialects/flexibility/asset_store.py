"""The SQL with which this API reads assets: one, lists of those that the caller may read, and trees of them.

What finds one asset does so for whoever asks, and its user asks ``permissions`` before anything of it is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility.asset_change_store import JSON_FIELDS
from services.gateway.dialects.flexibility.json_column import as_text
from services.gateway.dialects.flexibility.listing_store import (
    Listing,
    Slice,
    is_readable_by,
    matches,
    ordered,
    owner_of,
    part_of,
)
from services.gateway.dialects.flexibility.permissions import Caller, Owner
from shared.db.models.flexibility import assets, sensors
from shared.db.models.identity import accounts
from shared.flexibility.planning_defaults import DEEPEST_TREE
from shared.ids import AccountId, AssetId


@dataclass(frozen=True, slots=True)
class AssetRow:
    """An asset. ``owner`` and its account are None where it is public. Free fields are JSON as text."""

    asset_id: AssetId
    owner: Owner | None
    account_number: int | None
    account_name: str | None
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

    @property
    def account_id(self) -> AccountId | None:
        """The account that it belongs to, if it is not public."""
        return None if self.owner is None else self.owner.account_id


@dataclass(frozen=True, slots=True)
class ChildRow:
    """What an asset tells of one directly below it."""

    asset_id: int
    parent_asset_id: int
    account_number: int | None
    name: str
    asset_type: str


@dataclass(frozen=True, slots=True)
class NamedSensor:
    """What an asset tells of a sensor of it."""

    sensor_id: int
    asset_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Scope:
    """Which assets a list is of: of one account, of all that the caller may read, or of none; public ones too, or not.

    With ``root`` only those of its tree, down to ``depth`` generations below it.
    """

    account_id: AccountId | None = None
    is_of_all_accounts: bool = False
    with_public: bool = False
    root: int | None = None
    depth: int | None = None
    asset_type: str | None = None


_ORDERS: Mapping[str, ColumnElement[Any]] = {
    "id": assets.c.asset_id,
    "name": func.lower(assets.c.name),
    "owner": func.lower(accounts.c.name),
}


async def find_asset(connection: AsyncConnection, asset_id: int) -> AssetRow | None:
    """An asset, whoever asks; whether they may know is for the caller of this to decide."""
    row = (await connection.execute(_ONE, {"wanted": asset_id})).one_or_none()
    return None if row is None else _asset(row)


async def find_assets(connection: AsyncConnection, asset_ids: Collection[int]) -> dict[int, AssetRow]:
    """Those of some assets that there are, by their ids, whoever asks."""
    rows = await connection.execute(_assets(assets.c.asset_id.in_(asset_ids)))
    return {row.asset_id: _asset(row) for row in rows}


async def list_assets(connection: AsyncConnection, caller: Caller, part: Slice, scope: Scope) -> Listing[AssetRow]:
    """The assets within a scope that the caller may read."""
    conditions = [_is_within(caller, scope)]
    if scope.root is not None:
        tree = tree_below(scope.root, DEEPEST_TREE if scope.depth is None else scope.depth)
        conditions.append(assets.c.asset_id.in_(select(tree.c.asset_id)))
    if scope.asset_type is not None:
        conditions.append(assets.c.asset_type == scope.asset_type)
    found_by = matches(part.words, assets.c.asset_id, [assets.c.name, accounts.c.name])
    order = ordered(_ORDERS[part.sort_by or "id"], assets.c.asset_id, part)
    return await part_of(connection, _assets(and_(*conditions)), found_by, order, part, _asset)


async def list_tree(connection: AsyncConnection, root: int) -> list[AssetRow]:
    """An asset and everything below it, whoever asks: each one after its parent."""
    tree = tree_below(root, DEEPEST_TREE)
    statement = _assets(assets.c.asset_id == tree.c.asset_id).order_by(tree.c.depth, assets.c.asset_id)
    return [_asset(row) for row in await connection.execute(statement)]


async def is_below(connection: AsyncConnection, asset_id: int, root: int) -> bool:
    """Whether an asset is another one, or somewhere below it."""
    tree = tree_below(root, DEEPEST_TREE)
    statement = select(func.count()).select_from(tree).where(tree.c.asset_id == asset_id)
    return bool((await connection.execute(statement)).scalar_one())


async def children_of(connection: AsyncConnection, asset_ids: Collection[int]) -> Mapping[int, Sequence[ChildRow]]:
    """The assets directly below each of some, in the order of their ids. They belong to the same account."""
    columns = (assets.c.asset_id, assets.c.parent_asset_id, accounts.c.number, assets.c.name, assets.c.asset_type)
    statement = (
        select(*columns)
        .select_from(_with_account)
        .where(assets.c.parent_asset_id.in_(asset_ids))
        .order_by(assets.c.asset_id)
    )
    found: dict[int, list[ChildRow]] = {asset_id: [] for asset_id in asset_ids}
    for row in await connection.execute(statement):
        child = ChildRow(row.asset_id, row.parent_asset_id, row.number, row.name, row.asset_type)
        found[child.parent_asset_id].append(child)
    return found


async def sensors_of(connection: AsyncConnection, asset_ids: Collection[int]) -> Mapping[int, Sequence[NamedSensor]]:
    """The sensors of each of some assets, in the order of their ids."""
    columns = (sensors.c.sensor_id, sensors.c.asset_id, sensors.c.name)
    statement = select(*columns).where(sensors.c.asset_id.in_(asset_ids)).order_by(sensors.c.sensor_id)
    found: dict[int, list[NamedSensor]] = {asset_id: [] for asset_id in asset_ids}
    for row in await connection.execute(statement):
        found[row.asset_id].append(NamedSensor(row.sensor_id, row.asset_id, row.name))
    return found


async def names_beside(
    connection: AsyncConnection, *, account_id: AccountId | None, parent_asset_id: int | None
) -> set[str]:
    """The names below a parent, or where there is none at the top of an account, or of what is public."""
    if parent_asset_id is not None:
        condition = assets.c.parent_asset_id == parent_asset_id
    else:
        condition = and_(assets.c.parent_asset_id.is_(None), assets.c.account_id.is_not_distinct_from(account_id))
    return set((await connection.execute(select(assets.c.name).where(condition))).scalars())


def _is_within(caller: Caller, scope: Scope) -> ColumnElement[bool]:
    kinds: list[ColumnElement[bool]] = []
    if scope.is_of_all_accounts:
        kinds.append(and_(assets.c.account_id.is_not(None), is_readable_by(caller)))
    elif scope.account_id is not None:
        kinds.append(and_(assets.c.account_id == scope.account_id, is_readable_by(caller)))
    if scope.with_public:
        kinds.append(assets.c.account_id.is_(None))
    return or_(false(), *kinds)


def tree_below(root: int | BindParameter[int], depth: int) -> CTE:
    """The ids of an asset and of those at most so many generations below it (column ``asset_id``), with their ``depth``."""
    top = select(assets.c.asset_id, literal(0).label("depth")).where(assets.c.asset_id == root)
    tree = top.cte("tree", recursive=True)
    below = assets.alias("below")
    next_generation = select(below.c.asset_id, tree.c.depth + 1).where(
        below.c.parent_asset_id == tree.c.asset_id, tree.c.depth < depth
    )
    return tree.union_all(next_generation)


_with_account = assets.outerjoin(accounts, assets.c.account_id == accounts.c.account_id)


def _assets(condition: ColumnElement[bool]) -> Select[Any]:  # Any: the columns of an AssetRow
    columns = [column for column in assets.c if column.name not in JSON_FIELDS]
    texts = [as_text(assets.c[name]).label(name) for name in JSON_FIELDS]
    account = (
        accounts.c.number.label("account_number"),
        accounts.c.name.label("account_name"),
        accounts.c.consultancy_account_id,
    )
    return select(*columns, *texts, *account).select_from(_with_account).where(condition)


# Built once: it is part of nearly every request.
_ONE = _assets(assets.c.asset_id == bindparam("wanted"))


def _asset(row: Row[Any]) -> AssetRow:
    return AssetRow(
        asset_id=AssetId(row.asset_id),
        owner=None if row.account_id is None else owner_of(row.account_id, row.consultancy_account_id),
        account_number=row.account_number,
        account_name=row.account_name,
        name=row.name,
        asset_type=row.asset_type,
        parent_asset_id=row.parent_asset_id,
        latitude=row.latitude,
        longitude=row.longitude,
        description=row.description,
        external_id=row.external_id,
        attributes=row.attributes,
        flex_context=row.flex_context,
        flex_model=row.flex_model,
        sensors_to_show=row.sensors_to_show,
        sensors_to_show_as_kpis=row.sensors_to_show_as_kpis,
    )
