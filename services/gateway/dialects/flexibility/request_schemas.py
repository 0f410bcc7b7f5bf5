"""What clients of this API send: bodies, and the parameters of lists."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from services.gateway.dialects.flexibility.fields import (
    LARGEST_PAGE,
    LARGEST_PLAN,
    Attributes,
    Colour,
    Email,
    Name,
    Number,
    Text,
    Url,
)

SortDirection = Literal["asc", "desc"]


class BodyModel(BaseModel):
    """A body, in which every field is known."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ParametersModel(BaseModel):
    """The parameters of a list."""

    # What FlexMeasures does not know in the query of a list it passes over.
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


def left_out(*, unused: object) -> Any:  # Any: the type of the field
    """For what may be missing and then changes nothing; handlers look at ``model_fields_set``, and nobody at the value."""

    def without_default(schema: JsonDict) -> None:
        schema.pop("default", None)

    return Field(default=unused, json_schema_extra=without_default)


class Credentials(BodyModel):
    """Who wants a token."""

    email: Text
    password: str


class Paging(ParametersModel):
    """Which part of a list."""

    page: Number | None = None
    """From 1; without it the whole list comes, in a plain form."""
    per_page: Annotated[int, Field(ge=1, le=LARGEST_PAGE)] = Field(default=10, alias="per-page")
    filter: Text | None = Field(default=None, max_length=500)
    """Words that must all occur; quotes keep words together. A number is also looked for at the beginning of ids."""
    sort_dir: SortDirection | None = Field(default=None, alias="sort-dir")


class ListAccounts(Paging):
    """Which accounts, and in which order."""

    role: Text | None = None
    """Only accounts with this role."""
    sort_by: Literal["id", "name", "assets", "users"] | None = Field(default=None, alias="sort-by")


class ListUsers(Paging):
    """Which users, and in which order."""

    account: Number | None = None
    """Those of this account instead of the caller's own."""
    include_inactive: bool = False
    sort_by: Literal["username", "email", "lastLogin", "lastSeen"] | None = Field(default=None, alias="sort-by")


class ListUserEvents(Paging):
    """Which events, and in which order."""

    sort_by: Literal["event_datetime"] | None = Field(default=None, alias="sort-by")


class NewAccount(BodyModel):
    """An account to be made."""

    name: Name
    attributes: Attributes = Field(default_factory=dict)
    logo_url: Url | None = None
    primary_color: Colour | None = None
    secondary_color: Colour | None = None
    plan_id: Annotated[int, Field(ge=1, le=LARGEST_PLAN)] | None = None
    consultancy_account_id: Number | None = None


class AccountPatch(BodyModel):
    """What is to change of an account; fields that are left out stay."""

    name: Name = left_out(unused="")
    attributes: Attributes = Field(default_factory=dict)
    logo_url: Url | None = None
    primary_color: Colour | None = None
    secondary_color: Colour | None = None
    plan_id: Annotated[int, Field(ge=1, le=LARGEST_PLAN)] | None = None
    consultancy_account_id: Number | None = None


class NewUser(BodyModel):
    """A user to be made."""

    email: Email
    username: Name | None = None
    account_id: Number


class UserPatch(BodyModel):
    """What is to change of a user; fields that are left out stay."""

    email: Email = left_out(unused="")
    username: Name = left_out(unused="")
    active: bool = left_out(unused=True)
    timezone: Text = left_out(unused="UTC")
    flexmeasures_roles: list[int] = Field(default_factory=list, max_length=20)
    """1 admin, 2 admin-reader, 3 account-admin, 4 consultant; these and no others afterwards."""
