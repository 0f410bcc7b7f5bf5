"""What goes over the wire about clients and their secrets. Unknown members are refused; a body is checked without conversions."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from shared.identity.principals import CLIENT_ROLES, ENVIRONMENTS, Client, ClientSecret

# With so many a token still fits into what proxies and we take as a header.
MOST_GRID_OWNERS = 100

_TIMESTAMP = re.compile(r"(20\d\d|2100)-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z", re.ASCII)


def _timestamp(value: object) -> object:
    """The one form that this API knows, with up to seven digits behind the second, of which six count."""
    if value is None or isinstance(value, datetime):
        return value
    found = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"The value '{str(value)[:100]}' is not valid.")
    try:
        return datetime.strptime(found[0][:19], "%Y-%m-%dT%H:%M:%S").replace(
            tzinfo=UTC, microsecond=int((found[2] or ".0")[1:7].ljust(6, "0"))
        )
    except ValueError:
        raise ValueError(f"The value '{found[0]}' is not valid.") from None


def _shown(moment: datetime) -> str:
    """UTC to the millisecond, cut off, which is left out where it is zero."""
    moment = moment.astimezone(UTC)
    milliseconds = f".{moment.microsecond // 1000:03}" if moment.microsecond >= 1000 else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{milliseconds}Z"


def _one_of(names: tuple[str, ...]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"The value '{value[:100]}' is not valid; accepted are: {', '.join(names)}.")
        return value

    return AfterValidator(check)


def _distinct(values: list[Any]) -> list[Any]:
    # Any: roles and ids alike.
    if len(set(values)) != len(values):
        raise ValueError("A value is given twice.")
    return values


_SCHEMA = {"type": "string", "format": "date-time", "examples": ["2026-11-01T12:00:00.001Z"]}
Timestamp = Annotated[datetime, BeforeValidator(_timestamp), PlainSerializer(_shown), WithJsonSchema(_SCHEMA)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Role = Annotated[str, _one_of(CLIENT_ROLES), Field(json_schema_extra={"enum": list(CLIENT_ROLES)})]
Roles = Annotated[list[Role], Field(min_length=1), AfterValidator(_distinct)]
EnvironmentName = Annotated[str, _one_of(ENVIRONMENTS), Field(json_schema_extra={"enum": list(ENVIRONMENTS)})]
GridOwnerIds = Annotated[list[UUID], Field(max_length=MOST_GRID_OWNERS), AfterValidator(_distinct)]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewClientBody(_Given):
    """A client to be made."""

    name: Name
    region: str = Field(description="eu or us, as far as this deployment serves it.")
    environment: EnvironmentName
    roles: Roles
    grid_owner_ids: GridOwnerIds | None = Field(
        default=None, description="The grid owners that it may see; none: looked up when it asks."
    )


class ClientPatch(_Given):
    """What is to change of a client (RFC 7396). Region and environment stay as they are, as its tokens name them."""

    name: Name = ""
    roles: Roles = []
    grid_owner_ids: GridOwnerIds | None = None
    is_active: bool = True


class NewSecretBody(_Given):
    """A secret to be made."""

    expires_at: Timestamp | None = Field(default=None, description="Until when it is good; none: until it is deleted.")


class SecretView(BaseModel):
    """One of a client's secrets, without the secret."""

    secret_id: UUID
    created_at: Timestamp
    expires_at: Timestamp | None


class NewSecretView(SecretView):
    """A secret that was just made."""

    client_secret: str = Field(description="Shown this once and kept nowhere.")


class ClientSummary(BaseModel):
    """A client."""

    client_id: str
    name: str
    region: str
    environment: str
    roles: list[str]
    grid_owner_ids: list[str] | None
    is_active: bool
    created_at: Timestamp


class NewClientView(ClientSummary):
    """A client that was just made."""

    client_secret: str = Field(description="Shown this once and kept nowhere.")


class ClientView(ClientSummary):
    """A client with its secrets, expired ones too."""

    secrets: list[SecretView]


class ClientData(BaseModel):
    """One client."""

    data: ClientView


class NewClientData(BaseModel):
    """A client that was just made."""

    data: NewClientView


class ClientsData(BaseModel):
    """All clients of the account, in the order of their making."""

    data: list[ClientSummary]


class NewSecretData(BaseModel):
    """A secret that was just made."""

    data: NewSecretView


def members_of(client: Client) -> dict[str, Any]:
    """What is said of a client. Any: as the models above declare it."""
    return {
        "client_id": client.client_id,
        "name": client.name,
        "region": client.region,
        "environment": client.environment,
        "roles": list(client.roles),
        "grid_owner_ids": None if client.grid_owners is None else list(client.grid_owners),
        "is_active": client.is_active,
        "created_at": client.created_at,
    }


def secret_view(secret: ClientSecret) -> SecretView:
    """What is said of a secret."""
    return SecretView(secret_id=secret.secret_id, created_at=secret.created_at, expires_at=secret.expires_at)
