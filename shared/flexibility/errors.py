"""What is wrong with a flex configuration, gathered by field as the API tells it: nested objects with lists of texts as leaves."""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import InvalidInput

# {"flex-model": {"0": {"soc-min": ["…"]}}}: positions in lists are keys too; what concerns several fields stands under _schema.
ErrorTree = dict[str, "list[str] | ErrorTree"]
Path = tuple[str, ...]

SCHEMA = "_schema"


class FlexConfigInvalid(InvalidInput):
    """A flex-model or flex-context is wrong; ``errors`` says where and why. ``message`` is the first of them."""

    code = "flex_config_invalid"

    def __init__(self, errors: ErrorTree) -> None:
        path, text = _first(errors)
        super().__init__(f"{'.'.join(path)}: {text}" if path else text, field=".".join(path) or None)
        self.errors = errors


class Problems:
    """Gathers what is wrong, so that one answer tells all of it."""

    def __init__(self, path: Path = (), errors: ErrorTree | None = None) -> None:
        self._path = path
        self._errors: ErrorTree = {} if errors is None else errors

    def at(self, *path: str | int) -> Problems:
        """The same gathering, one or more steps further down."""
        return Problems((*self._path, *map(str, path)), self._errors)

    def add(self, text: str) -> None:
        """Notes a problem at this place."""
        node = self._errors
        *above, last = self._path or (SCHEMA,)
        for key in above:
            below = node.setdefault(key, {})
            if isinstance(below, list):
                # A field that is wrong as a whole and in its parts: the whole goes under _schema.
                below = node[key] = {SCHEMA: below}
            node = below
        texts = node.setdefault(last, [])
        if isinstance(texts, dict):
            texts = texts.setdefault(SCHEMA, [])
        if isinstance(texts, list) and text not in texts:
            texts.append(text)

    def add_here(self, text: str) -> None:
        """Notes a problem of several fields of this object together."""
        self.at(SCHEMA).add(text)

    def take(self, others: ErrorTree, *path: str) -> None:
        """Notes all that was gathered elsewhere."""
        for key, below in others.items():
            if isinstance(below, dict):
                self.take(below, *path, key)
            else:
                for text in below:
                    self.at(*path, key).add(text)

    @property
    def tree(self) -> ErrorTree:
        """All that was noted, from the top."""
        return self._errors

    def raise_if_any(self) -> None:
        """Ends the reading if anything was noted.

        Raises:
            FlexConfigInvalid: with all of it.
        """
        if self._errors:
            raise FlexConfigInvalid(self._errors)


def _first(errors: Mapping[str, list[str] | ErrorTree]) -> tuple[Path, str]:
    for key, below in errors.items():
        path = () if key == SCHEMA else (key,)
        if isinstance(below, list):
            return path, below[0]
        rest, text = _first(below)
        return (*path, *rest), text
    return (), "The flex configuration is invalid."
