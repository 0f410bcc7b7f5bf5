"""Identifiers: UUIDs of version 7 (RFC 9562), which sort by time of creation, typed per kind so that two cannot be swapped."""

from __future__ import annotations

import secrets
import threading
import time
from typing import NewType
from uuid import UUID

AccountId = NewType("AccountId", UUID)
UserId = NewType("UserId", UUID)
MessageId = NewType("MessageId", UUID)
AskId = NewType("AskId", UUID)
NetworkKey = NewType("NetworkKey", UUID)
SessionKey = NewType("SessionKey", UUID)
SolutionKey = NewType("SolutionKey", UUID)
RunId = NewType("RunId", UUID)
JobId = NewType("JobId", UUID)
# What clients of the flexibility API know as integers.
AssetId = NewType("AssetId", int)
SensorId = NewType("SensorId", int)
SourceId = NewType("SourceId", int)

# Until accounts can be made, and afterwards for the open reconfiguration dialect, one account is kept.
OPEN_ACCOUNT_ID = AccountId(UUID("00000000-0000-7000-8000-000000000001"))

_lock = threading.Lock()
_last_ms_and_counter = [0, 0]


def uuid7() -> UUID:
    """A new UUID of version 7; within one process later ones are greater (a 12-bit counter breaks ties)."""
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        last_ms, counter = _last_ms_and_counter
        if now_ms > last_ms:
            counter = secrets.randbits(11)
        else:
            now_ms, counter = last_ms, counter + 1
            if counter >= 1 << 12:
                now_ms, counter = now_ms + 1, 0
        _last_ms_and_counter[:] = now_ms, counter
    value = (now_ms & ((1 << 48) - 1)) << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | secrets.randbits(62)
    return UUID(int=value)
