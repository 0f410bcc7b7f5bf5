"""``busbar signing-key``: the keys that sign access tokens, listed and replaced."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.cli.acts import on_database
from shared.db.engine import PostgresDatabase
from shared.identity.secret_key import keys_of, with_secret_key
from shared.identity.signing_key_rotation import PUBLISHED_BEFORE_S, list_keys, rotate
from shared.identity.signing_keys import SigningKey
from shared.settings import Settings


def run_list(settings: Settings, *, as_json: bool) -> None:
    """Print the keys that sign, will sign or are still believed, the newest first."""
    keys = asyncio.run(on_database(settings, list_keys))
    _print([_described(key) for key in keys], as_json=as_json)


def run_rotate(settings: Settings, *, now: bool, as_json: bool) -> None:
    """Make a new key, that signs in ten minutes or now, and print it."""
    encryption_key = keys_of(with_secret_key(settings)).signing_keys

    async def act(database: PostgresDatabase) -> SigningKey:
        return await rotate(database, encryption_key, signs_in_s=0.0 if now else PUBLISHED_BEFORE_S)

    described = _described(asyncio.run(on_database(settings, act)))
    _print(described if as_json else [described], as_json=as_json)


def _described(key: SigningKey) -> dict[str, str | None]:
    return {
        "key_id": key.key_id,
        "created_at": key.created_at.isoformat(),
        "signs_from": key.signs_from.isoformat(),
        "signs_until": _moment(key.retired_at),
        "verifies_until": _moment(key.verifies_until),
    }


def _print(described: dict[str, Any] | Sequence[dict[str, Any]], *, as_json: bool) -> None:
    # Any: texts and nulls.
    if as_json:
        sys.stdout.write(json.dumps(described) + "\n")
        return
    for key in described if not isinstance(described, dict) else [described]:
        end = f" until {key['signs_until']}, believed until {key['verifies_until']}" if key["signs_until"] else ""
        sys.stdout.write(f"{key['key_id']}  signs from {key['signs_from']}{end}\n")


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
