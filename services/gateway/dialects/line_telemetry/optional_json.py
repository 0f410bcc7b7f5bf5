"""A JSON body that may be left out, where its every member may be."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel

from services.gateway.http.bodies import BodyDescription, IncomingBody, JsonBody

M = TypeVar("M", bound=BaseModel)


class OptionalJsonBody(Generic[M]):
    """A model without required members: a request without body means all its defaults."""

    def __init__(self, declared: type[M]) -> None:
        self._declared = declared
        self._given = JsonBody(declared)

    async def read(self, incoming: IncomingBody) -> M:
        """The value."""
        has_none = incoming.headers.get("Content-Length", "0") == "0" and "Transfer-Encoding" not in incoming.headers
        return self._declared() if has_none else await self._given.read(incoming)

    def describe(self) -> BodyDescription:
        """As the model."""
        return self._given.describe()
