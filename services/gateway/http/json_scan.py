"""Looks for one text at the top of a large JSON document as it streams by, without decoding or holding the document.

For a small fact that is needed before somebody else reads the whole; whether it is JSON at all, that reader says.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

# So much takes about a millisecond; in between, other requests have their turn.
_SLICE_BYTES = 16 << 10
# No name or text that is looked for is longer.
_LONGEST_TEXT = 64 << 10

_STRUCTURE = re.compile(rb'["{}\[\]:,]')
_STRING_STOP = re.compile(rb'["\\]')


async def find_text(pieces: AsyncIterator[bytes], name: str) -> str | None:
    """The text of a property of the object that a document is, its name in any case; None where there is none, or no text."""
    scan = _Scan(name)
    async for piece in pieces:
        for start in range(0, len(piece), _SLICE_BYTES):
            scan.feed(piece[start : start + _SLICE_BYTES])
            if scan.is_done:
                return scan.found
            await asyncio.sleep(0)
    return None


class _Scan:
    """Knows how deep it is, and what the string is that it is in."""

    def __init__(self, name: str) -> None:
        self.is_done = False
        self.found: str | None = None
        self._name = name.lower()
        self._depth = 0
        self._is_in_string = False
        self._is_escaped = False
        self._kept: bytearray | None = None  # of the string that it is in, where that matters
        self._text: str | None = None  # the last string at the top, since the last comma or colon
        self._is_value = False  # the value of the property that is looked for comes next

    def feed(self, data: bytes) -> None:
        """Take in what comes next."""
        position = 0
        while position < len(data) and not self.is_done:
            position = self._in_string(data, position) if self._is_in_string else self._in_structure(data, position)

    def _in_string(self, data: bytes, position: int) -> int:
        if self._is_escaped:
            self._is_escaped = False
            self._keep(data[position : position + 1])
            return position + 1
        stop = _STRING_STOP.search(data, position)
        end = stop.start() if stop else len(data)
        self._keep(data[position:end])
        if stop is None:
            return end
        if stop[0] == b"\\":
            self._is_escaped = True
            self._keep(b"\\")
        else:
            self._is_in_string = False
            self._end_string()
        return end + 1

    def _in_structure(self, data: bytes, position: int) -> int:
        found = _STRUCTURE.search(data, position)
        if found is None:
            return len(data)
        mark = found[0]
        if mark == b'"':
            self._is_in_string = True
            self._kept = bytearray() if self._depth == 1 else None
        elif mark in b"{[":
            self._depth += 1
            self.is_done = self._is_value or (self._depth == 1 and mark == b"[")
        elif mark in b"}]":
            self._depth -= 1
            self.is_done = self._depth == 0
        elif self._depth == 1:
            self.is_done = self._is_value and mark == b","  # a value that is no text
            self._is_value = mark == b":" and self._text is not None and self._text.lower() == self._name
            self._text = None
        return found.end()

    def _keep(self, data: bytes) -> None:
        if self._kept is not None:
            self._kept += data
            if len(self._kept) > _LONGEST_TEXT:
                self._kept = None

    def _end_string(self) -> None:
        if self._kept is not None:
            self._text = _decoded(bytes(self._kept))
        if self._is_value:
            self.found = self._text
            self.is_done = True


def _decoded(string: bytes) -> str | None:
    """What stands between quotes as a text that can be stored and sent; None where it cannot."""
    try:
        text = str(json.loads(b'"%b"' % string))
        text.encode()  # lone surrogates can be written in JSON, and nowhere else
    except ValueError:
        return None
    return None if "\0" in text else text
