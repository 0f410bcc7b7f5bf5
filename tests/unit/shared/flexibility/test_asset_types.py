from __future__ import annotations

from shared.flexibility.asset_types import ASSET_TYPES, PROCESS_TYPES, STORAGE_TYPES, asset_type_named, asset_type_of_id


def test_types_have_the_ids_that_clients_know() -> None:
    assert [(one.type_id, one.name) for one in ASSET_TYPES] == [
        (1, "solar"),
        (2, "wind"),
        (3, "one-way_evse"),
        (4, "two-way_evse"),
        (5, "battery"),
        (6, "building"),
        (7, "process"),
        (8, "heat-storage"),
    ]


def test_a_type_is_found_by_id_and_by_name() -> None:
    assert asset_type_of_id(5) is ASSET_TYPES[4]
    assert asset_type_named("battery") is ASSET_TYPES[4]
    assert asset_type_of_id(9) is None
    assert asset_type_named("nuclear") is None


def test_storages_and_processes_are_types() -> None:
    assert all(asset_type_named(name) for name in STORAGE_TYPES)
    assert "process" in PROCESS_TYPES
