"""How a Python value travels between a service and its child: pickled, with large byte strings beside the pickle, uncopied.

Only a process's own children speak this; nothing from outside is ever unpickled.

On the wire: the number of frames (u32), the length of each (u64), then the frames. The first is the pickle.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Sequence
from typing import Any

COUNT = struct.Struct("<I")
LENGTH = struct.Struct("<Q")

# Byte strings from this size on are not copied into the pickle.
_APART_FROM = 64 * 1024


def encode(value: object) -> list[bytes]:
    """The pieces to write, in order."""
    sink = io.BytesIO()
    pickler = _Pickler(sink)
    pickler.dump(value)
    frames = [sink.getvalue(), *pickler.apart]
    header = COUNT.pack(len(frames)) + b"".join(LENGTH.pack(len(frame)) for frame in frames)
    return [header, *frames]


def decode(frames: Sequence[bytes]) -> Any:  # Any: whatever the other side sent
    """The value of the frames that were read."""
    return _Unpickler(frames).load()


class _Pickler(pickle.Pickler):
    """Takes large byte strings out of the pickle and remembers them in order."""

    def __init__(self, sink: io.BytesIO) -> None:
        super().__init__(sink, protocol=5)
        self.apart: list[bytes] = []

    def persistent_id(self, obj: object) -> int | None:
        if type(obj) is not bytes or len(obj) < _APART_FROM:
            return None
        self.apart.append(obj)
        return len(self.apart)


class _Unpickler(pickle.Unpickler):
    """Puts the large byte strings back."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        super().__init__(io.BytesIO(frames[0]))
        self._frames = frames

    def persistent_load(self, pid: int) -> bytes:
        return self._frames[pid]
