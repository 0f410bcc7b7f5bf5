"""Forms as browsers send them without files (``application/x-www-form-urlencoded``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from services.gateway.http.binding import BindingFailed, UnsupportedMediaType
from services.gateway.http.bodies import BodyDescription, IncomingBody, read_whole

FORM_TYPE = "application/x-www-form-urlencoded"
MOST_BYTES = 16 * 1024
MOST_FIELDS = 50


@dataclass(frozen=True, slots=True)
class FormFields:
    """What was filled in, by name."""

    values: Mapping[str, Sequence[str]]

    def text(self, name: str) -> str:
        """The first value of a field; empty where it is missing."""
        return next(iter(self.values.get(name, ())), "")

    def all(self, name: str) -> Sequence[str]:
        """All values of a field, as of boxes that were ticked."""
        return self.values.get(name, ())


class UrlEncodedForm:
    """A small form of the named fields; others are passed over."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    async def read(self, incoming: IncomingBody) -> FormFields:
        """The fields."""
        if incoming.media_type != FORM_TYPE or "Content-Encoding" in incoming.headers:
            raise UnsupportedMediaType(f"The body must be a form (Content-Type: {FORM_TYPE}).")
        body = await read_whole(incoming, MOST_BYTES)
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
        except ValueError:
            raise BindingFailed({"$": ["The form cannot be read."]}) from None
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            if "\x00" in value:
                raise BindingFailed({"$": ["The form holds a NUL character."]})
            if name in self._names:
                values.setdefault(name, []).append(value)
        return FormFields(values)

    def describe(self) -> BodyDescription:
        """An object of texts."""
        properties = {name: {"type": "string"} for name in self._names}
        return BodyDescription(FORM_TYPE, {"type": "object", "properties": properties})
