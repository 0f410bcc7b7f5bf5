"""What requests to the hub say in their query, and what negotiation answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class NegotiateQuery(BaseModel):
    """Which version of negotiation the client knows."""

    negotiateVersion: Annotated[int, Field(ge=0)] = 0  # noqa: N815  # the wire's name


class ConnectionQuery(BaseModel):
    """Which connection a request is for."""

    id: str | None = Field(default=None, max_length=200)


class AvailableTransport(BaseModel):
    """A transport, and whether it carries text or bytes."""

    transport: str
    transferFormats: list[str]  # noqa: N815


class Negotiated(BaseModel):
    """A connection that was made, for transports to attach to."""

    model_config = ConfigDict(frozen=True)

    negotiateVersion: int  # noqa: N815
    connectionId: str  # noqa: N815
    connectionToken: str | None = None  # noqa: N815
    availableTransports: list[AvailableTransport]  # noqa: N815


TRANSPORTS = [
    AvailableTransport(transport="WebSockets", transferFormats=["Text", "Binary"]),
    AvailableTransport(transport="ServerSentEvents", transferFormats=["Text"]),
    AvailableTransport(transport="LongPolling", transferFormats=["Text", "Binary"]),
]
