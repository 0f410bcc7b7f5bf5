"""The objects of this API as they travel, in both directions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
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

# With an offset in figures, as FlexMeasures writes it, where pydantic would write a Z.
Moment = Annotated[datetime, PlainSerializer(lambda moment: moment.isoformat(timespec="seconds"), return_type=str)]
JsonText = Annotated[str, Field(description="A JSON object, as text.")]
SortDirection = Literal["asc", "desc"]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class _Parameters(BaseModel):
    # What FlexMeasures does not know in the query of a list it passes over.
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


def _left_out(*, unused: object) -> Any:  # Any: the type of the field
    """For what may be missing and then changes nothing; handlers look at ``model_fields_set``, and nobody at the value."""

    def without_default(schema: JsonDict) -> None:
        schema.pop("default", None)

    return Field(default=unused, json_schema_extra=without_default)


class ErrorAnswer(_Answer):
    """A request that failed."""

    message: str
    status: int
    """The HTTP status."""


class StatedAnswer(_Answer):
    """A request that failed for a reason that has a name."""

    message: str
    status: str


class RejectedAnswer(_Answer):
    """A request that was rejected, and the name of the reason."""

    result: str = "Rejected"
    status: str
    message: str


class InvalidAnswer(_Answer):
    """A request in the wrong form."""

    message: dict[str, dict[str, object]]
    """Lists of texts by location (``json``, ``query``, ``path``) and field; nested fields nest."""
    result: str = "Rejected"
    status: str = "UNPROCESSABLE_ENTITY"


class SignInErrors(_Answer):
    """A sign-in that failed."""

    errors: list[str]
    status: int


class Credentials(_Body):
    """Who wants a token."""

    email: Text
    password: str


class AuthToken(_Answer):
    """A token for the ``Authorization`` header of further requests."""

    auth_token: str
    user_id: int
    status: int = 200


class Versions(_Answer):
    """Which versions of the API there are."""

    flexmeasures_version: str
    message: str
    versions: list[str]
    status: int = 200


class Service(_Answer):
    """One endpoint."""

    name: str
    """Method, and path below ``/api/v3_0``."""
    description: str
    url: str


class Services(_Answer):
    """All endpoints of a version."""

    message: str
    services: list[Service]
    status: str = "PROCESSED"
    version: str = "3.0"


class Ready(_Answer):
    """Whether requests can be worked on."""

    database_sql: bool
    message_broker: bool
    status: int


class OpenApiDocument(_Answer):
    """A description of this API (OpenAPI 3.1)."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, object]
    paths: dict[str, object]


class Done(_Answer):
    """Something was done, in words."""

    message: str
    status: int = 200


class AccountInfo(_Answer):
    """An organisation."""

    id: int
    name: str
    account_roles: list[int]
    attributes: JsonText
    consultancy_account_id: int | None
    logo_url: str | None
    primary_color: str | None
    secondary_color: str | None
    plan_id: int | None


class AccountAnswer(AccountInfo):
    """One organisation."""

    status: int = 200


class CountedAccount(AccountInfo):
    """An organisation as a page of a list shows it."""

    user_count: int
    asset_count: int


class _Page(_Answer):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    # Two aliases and not one, so that type checkers know the fields by their names.
    num_records: int = Field(
        validation_alias="num-records",
        serialization_alias="num-records",
        description="How many there are without the filter.",
    )
    filtered_records: int = Field(
        validation_alias="filtered-records",
        serialization_alias="filtered-records",
        description="How many there are with it.",
    )
    status: int = 200


class AccountPage(_Page):
    """A page of accounts."""

    data: list[CountedAccount]


class AccountName(_Answer):
    """Which account a user belongs to."""

    id: int
    name: str


class UserInfo(_Answer):
    """A user."""

    id: int
    email: str
    username: str
    account_id: int
    active: bool
    timezone: str
    last_login_at: Moment | None
    last_seen_at: Moment | None


class ListedUser(UserInfo):
    """A user as lists show them."""

    account: AccountName
    flexmeasures_roles: list[str]
    """Their names."""


class CreatedUser(UserInfo):
    """A user that was just made."""

    flexmeasures_roles: list[int]
    """1 admin, 2 admin-reader, 3 account-admin, 4 consultant."""


class UserAnswer(CreatedUser):
    """One user."""

    status: int = 200


class UserPage(_Page):
    """A page of users."""

    data: list[ListedUser]


class AccountEvent(_Answer):
    """Something that was done in an account."""

    event: str
    event_datetime: Moment
    active_user_id: int | None
    """Who did it; null for what was done on the command line, by a program, or by nobody who was signed in."""


class UserEvent(AccountEvent):
    """Something that a user did, or that was done to them."""

    active_user_name: str | None


class UserEventPage(_Page):
    """A page of what happened."""

    data: list[UserEvent]


class Paging(_Parameters):
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


class NewAccount(_Body):
    """An account to be made."""

    name: Name
    attributes: Attributes = Field(default_factory=dict)
    logo_url: Url | None = None
    primary_color: Colour | None = None
    secondary_color: Colour | None = None
    plan_id: Annotated[int, Field(ge=1, le=LARGEST_PLAN)] | None = None
    consultancy_account_id: Number | None = None


class AccountPatch(_Body):
    """What is to change of an account; fields that are left out stay."""

    name: Name = _left_out(unused="")
    attributes: Attributes = Field(default_factory=dict)
    logo_url: Url | None = None
    primary_color: Colour | None = None
    secondary_color: Colour | None = None
    plan_id: Annotated[int, Field(ge=1, le=LARGEST_PLAN)] | None = None
    consultancy_account_id: Number | None = None


class NewUser(_Body):
    """A user to be made."""

    email: Email
    username: Name | None = None
    account_id: Number


class UserPatch(_Body):
    """What is to change of a user; fields that are left out stay."""

    email: Email = _left_out(unused="")
    username: Name = _left_out(unused="")
    active: bool = _left_out(unused=True)
    timezone: Text = _left_out(unused="UTC")
    flexmeasures_roles: list[int] = Field(default_factory=list, max_length=20)
    """1 admin, 2 admin-reader, 3 account-admin, 4 consultant; these and no others afterwards."""
