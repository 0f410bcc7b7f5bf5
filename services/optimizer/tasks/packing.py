"""Configurations as bytes: one bit for each line of each period, the most significant first, filled up with zeros."""

from __future__ import annotations

import numpy as np

from services.optimizer.reconfiguration.network import BoolArray


def pack(configurations: BoolArray) -> bytes:
    """The bits of (T, L) configurations."""
    return np.packbits(configurations).tobytes()


def unpack(packed: bytes, period_count: int, line_count: int) -> BoolArray:
    """The (T, L) configurations of packed bits."""
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=period_count * line_count)
    return bits.reshape(period_count, line_count).astype(bool)
