"""Where in a JSON text a value stands, and what stands at a place in it: needed only to word an error.

Regular expressions pass over everything that does not lie on the way, so that a faulty text of hundreds of megabytes
takes seconds; they are possessive, so that the matcher neither backtracks nor remembers, and nothing recurses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson

from services.optimizer.reconfiguration.wording import shown

JsonPath = tuple[str | int, ...]

_STRING = r'"(?:[^"\\]++|\\.)*+"'
_ATOM = rf'[^"\[\]{{}}]++|{_STRING}'
# An object or a list with up to three levels inside it, as far as most documents of the services go.
_SHALLOW = rf"[\[{{](?:{_ATOM})*+[\]}}]"
for _ in range(3):
    _SHALLOW = rf"[\[{{](?:{_ATOM}|{_SHALLOW})*+[\]}}]"

_PASSED = re.compile(rf'(?:[^"\[\]{{}}]++|{_STRING}(?!\s*+:)|{_SHALLOW})++', re.DOTALL)
_NESTED = re.compile(rf"{_STRING}|{_SHALLOW}", re.DOTALL)
_NAME = re.compile(rf"({_STRING})\s*+:\s*+", re.DOTALL)
_VALUE = re.compile(rf'{_STRING}|{_SHALLOW}|[^\s"\[\]{{}},:]++', re.DOTALL)
_TO_BRACKET = re.compile(rf"(?:{_ATOM}|{_SHALLOW})*+[\[\]{{}}]", re.DOTALL)
_BLANK = re.compile(r"\s*+")
_BLANK_AND_COMMA = re.compile(r"\s*+,?\s*+")
_PLAIN_NAME = re.compile(r"[^\s.'/\"\[\]()\\]+")


def path_text(path: Sequence[str | int]) -> str:
    """A path with dots and brackets: ``nodes[0].id``, ``['a b'].c``."""
    pieces: list[str] = []
    for step in path:
        if isinstance(step, int):
            pieces.append(f"[{step}]")
        elif _PLAIN_NAME.fullmatch(step):
            pieces.append(f".{step}" if pieces else step)
        else:
            pieces.append(f"['{step}']")
    return shown("".join(pieces))


def line_and_position(text: str, offset: int) -> tuple[int, int]:
    """Line, and character in that line, of an offset into the text; both count from one."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def path_at(text: str, offset: int) -> JsonPath:
    """The path of what begins at ``offset`` in a text that is JSON up to there."""
    # For each open bracket an index, or a name, which is None before the first name and after each comma.
    keys: list[str | int | None] = []
    position = 0
    while position < offset:
        if passed := _PASSED.match(text, position, offset):
            if keys:
                keys[-1] = _key_after(passed.group(), keys[-1])
            position = passed.end()
        elif name := _NAME.match(text, position, offset):
            if keys and not isinstance(keys[-1], int):
                keys[-1] = _unescaped(name[1])
            position = name.end()
        elif text[position] in "[{":
            keys.append(0 if text[position] == "[" else None)
            position += 1
        elif text[position] in "]}" and keys:
            keys.pop()
            position += 1
        else:
            break  # a string that does not end before the offset
    return tuple(key for key in keys if key is not None)


def _key_after(passed: str, key: str | int | None) -> str | int | None:
    """The key that follows a stretch of values and commas at one level."""
    commas = _NESTED.sub("", passed).count(",")
    if isinstance(key, int):
        return key + commas
    return None if commas else key


def offset_of(text: str, path: JsonPath) -> int:
    """Where the value at ``path``, with names in any case, begins in a text that has it; of several the last one counts."""
    position = _end_of(_BLANK, text, 0)
    for step in path:
        position = (
            _offset_of_item(text, position, step) if isinstance(step, int) else _offset_of_member(text, position, step)
        )
    return position


def _offset_of_item(text: str, position: int, index: int) -> int:
    """Where the entry with this index begins in the list that begins at ``position``."""
    position = _end_of(_BLANK, text, position + 1)
    for _ in range(index):
        position = _end_of(_BLANK_AND_COMMA, text, _value_end(text, position))
    return position


def _offset_of_member(text: str, position: int, name: str) -> int:
    """Where the last value of this name begins in the object that begins at ``position``."""
    found = position
    position = _end_of(_BLANK, text, position + 1)
    while member := _NAME.match(text, position):
        position = member.end()
        if _unescaped(member[1]).lower() == name.lower():
            found = position
        position = _end_of(_BLANK_AND_COMMA, text, _value_end(text, position))
    return found


def _value_end(text: str, position: int) -> int:
    """Where the value that begins at ``position`` ends."""
    if value := _VALUE.match(text, position):
        return value.end()
    depth = 0
    while bracket := _TO_BRACKET.match(text, position):
        position = bracket.end()
        depth += 1 if text[position - 1] in "[{" else -1
        if depth == 0:
            break
    return position


def _end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where a pattern that matches anything, even nothing, ends."""
    found = pattern.match(text, position)
    return found.end() if found else position


def _unescaped(string: str) -> str:
    """What a JSON string stands for; what is between its quotes where it is malformed."""
    if "\\" in string:
        try:
            return str(orjson.loads(string))
        except orjson.JSONDecodeError:
            pass
    return string[1:-1]
