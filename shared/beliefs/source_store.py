"""The SQL of sources: who states values. Found or made by what they are; those of one name, type and model are versions of one another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.flexibility import sources
from shared.identity.reach import account_id_of
from shared.ids import AccountId, SourceId

USER, SCHEDULER, FORECASTER, REPORTER = "user", "scheduler", "forecaster", "reporter"


@dataclass(frozen=True, slots=True)
class NewSource:
    """Who states something. ``attributes`` tell sources apart that are otherwise alike, such as the configuration of a forecaster."""

    name: str
    type: str
    model: str | None = None
    version: str | None = None
    user_number: int | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """A source as it is kept. ``account_id`` is None for one of the installation."""

    source_id: SourceId
    account_id: AccountId | None
    name: str
    type: str
    model: str | None
    version: str | None
    user_number: int | None


_COLUMNS = (
    sources.c.source_id,
    sources.c.account_id,
    sources.c.name,
    sources.c.type,
    sources.c.model,
    sources.c.version,
    sources.c.user_number,
)


async def source_id_of(connection: AsyncConnection, account_id: AccountId | None, source: NewSource) -> SourceId:
    """The id of this source of an account (None: of the installation, which takes a transaction that reaches every account)."""
    fingerprint = _fingerprint(account_id, source)
    wanted = select(sources.c.source_id).where(sources.c.fingerprint == fingerprint)
    found = (await connection.execute(wanted)).scalar_one_or_none()
    if found is None:
        row = {
            "account_id": account_id,
            "name": source.name,
            "type": source.type,
            "model": source.model,
            "version": source.version,
            "user_number": source.user_number,
            "attributes": dict(source.attributes),
            "fingerprint": fingerprint,
        }
        # Somebody else may make it at the same moment: then theirs is waited for and found.
        await connection.execute(insert(sources).values(**row).on_conflict_do_nothing())
        found = (await connection.execute(wanted)).scalar_one()
    return SourceId(found)


async def sources_of(
    connection: AsyncConnection, account_ids: Collection[AccountId], *, only_latest: bool
) -> list[Source]:
    """The sources of accounts and of the installation; ``only_latest`` leaves out the older versions of each family."""
    statement = select(*_COLUMNS).where(_is_of(account_ids)).order_by(sources.c.source_id)
    found = [_source(row) for row in await connection.execute(statement)]
    if not only_latest:
        return found
    newest: dict[object, Source] = {}
    for source in found:
        family = (source.account_id, source.name, source.type, source.model)
        if family not in newest or version_key(source.version) >= version_key(newest[family].version):
            newest[family] = source
    return sorted(newest.values(), key=lambda source: source.source_id)


def version_key(version: str | None) -> tuple[tuple[int, int, str], ...]:
    """What versions are ordered by: part by part, numbers as numbers and before words; none at all comes first."""
    parts = [] if version is None else version.lstrip("vV").replace("-", ".").split(".")
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def _is_of(account_ids: Collection[AccountId]) -> Any:  # Any: an SQL condition
    return or_(sources.c.account_id.in_(list(account_ids)), sources.c.account_id.is_(None))


def _fingerprint(account_id: AccountId | None, source: NewSource) -> bytes:
    parts = [str(account_id), source.name, source.type, source.model, source.version, source.user_number]
    told = json.dumps([*parts, source.attributes], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).digest()


def _source(row: Any) -> Source:  # Any: a row of _COLUMNS
    account_id = None if row.account_id is None else account_id_of(row.account_id)
    return Source(row.source_id, account_id, row.name, row.type, row.model, row.version, row.user_number)
