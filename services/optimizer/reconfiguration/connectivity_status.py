"""Whether a network can be operated radially at all, and what stands in the way. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectivityStatus:
    """What the connectivity check of a network found; everything is named by ids, ``None`` where there is nothing.

    ``unconnectable_buses`` are a remark and leave ``ok`` as it is.
    """

    ok: bool
    unbreakable_cycle: tuple[str, ...] | None = None  # line ids in path order
    unconnectable_buses: tuple[str, ...] | None = None  # node (and transformer) ids in network order
    invalid_transformers: tuple[str, ...] | None = None
