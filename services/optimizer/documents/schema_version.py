"""The version that networks and demands must carry."""

from __future__ import annotations

from typing import Final

from services.optimizer.documents.json_reader import JsonObject

SCHEMA_VERSION_FIELD: Final = "@schema_version"
SCHEMA_VERSION: Final = 1


def check_schema_version(root: JsonObject) -> None:
    """Refuse a document of another version than the only one there is, or of none."""
    version = root.optional_number(SCHEMA_VERSION_FIELD)
    if version != SCHEMA_VERSION:
        found = "is missing" if version is None else f"is {version:g}"
        raise root.error(f"The {SCHEMA_VERSION_FIELD} must be {SCHEMA_VERSION} and {found}", SCHEMA_VERSION_FIELD)
