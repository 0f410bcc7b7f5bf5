"""Feeders as the bytes that tasks take."""

from __future__ import annotations

from typing import Any

import orjson

from services.optimizer.tasks import networks
from services.optimizer.tasks.values import LoadedNetwork, SessionInput
from tests.support.feeders import Feeder


def as_bytes(document: dict[str, Any]) -> bytes:  # Any: JSON
    return orjson.dumps(document)


def loaded(feeder: Feeder) -> LoadedNetwork:
    found = networks.load(as_bytes(feeder.network))
    assert isinstance(found, LoadedNetwork)
    return found


def session_input(feeder: Feeder, *, with_start: bool = True) -> SessionInput:
    network = loaded(feeder)
    return SessionInput(
        network_id="net",
        network=network.document,
        connectivity_is_ok=network.connectivity["ok"],
        demands=as_bytes(feeder.demands),
        start_configuration=as_bytes(feeder.start) if with_start else None,
        allow_unspecified_demands=False,
    )
