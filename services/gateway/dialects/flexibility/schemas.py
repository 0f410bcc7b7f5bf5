"""What clients of this API get."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

# With an offset in figures, as FlexMeasures writes it, where pydantic would write a Z.
Moment = Annotated[datetime, PlainSerializer(lambda moment: moment.isoformat(timespec="seconds"), return_type=str)]
JsonText = Annotated[str, Field(description="A JSON object, as text.")]


class AnswerModel(BaseModel):
    """Something that a client gets."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class ErrorAnswer(AnswerModel):
    """A request that failed."""

    message: str
    status: int
    """The HTTP status."""


class StatedAnswer(AnswerModel):
    """A request that failed for a reason that has a name."""

    message: str
    status: str


class RejectedAnswer(AnswerModel):
    """A request that was rejected, and the name of the reason."""

    result: str = "Rejected"
    status: str
    message: str


class InvalidAnswer(AnswerModel):
    """A request in the wrong form."""

    message: dict[str, dict[str, object]]
    """Lists of texts by location (``json``, ``query``, ``path``) and field; nested fields nest."""
    result: str = "Rejected"
    status: str = "UNPROCESSABLE_ENTITY"


class UnplacedInvalidAnswer(AnswerModel):
    """A request in the wrong form, as a few routes tell it: by field, without a location."""

    message: dict[str, list[str] | dict[str, object]]
    result: str = "Rejected"
    status: str = "UNPROCESSABLE_ENTITY"


class SignInErrors(AnswerModel):
    """A sign-in that failed."""

    errors: list[str]
    status: int


class AuthToken(AnswerModel):
    """A token for the ``Authorization`` header of further requests."""

    auth_token: str
    user_id: int
    status: int = 200


class Versions(AnswerModel):
    """Which versions of the API there are."""

    flexmeasures_version: str
    message: str
    versions: list[str]
    status: int = 200


class Service(AnswerModel):
    """One endpoint."""

    name: str
    """Method, and path below ``/api/v3_0``."""
    description: str
    url: str


class Services(AnswerModel):
    """All endpoints of a version."""

    message: str
    services: list[Service]
    status: str = "PROCESSED"
    version: str = "3.0"


class Ready(AnswerModel):
    """Whether requests can be worked on."""

    database_sql: bool
    message_broker: bool
    status: int


class OpenApiDocument(AnswerModel):
    """A description of this API (OpenAPI 3.1)."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, object]
    paths: dict[str, object]


class Done(AnswerModel):
    """Something was done, in words."""

    message: str
    status: int = 200


class AccountInfo(AnswerModel):
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


class PageModel(AnswerModel):
    """A page of a list."""

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


class AccountPage(PageModel):
    """A page of accounts."""

    data: list[CountedAccount]


class AccountName(AnswerModel):
    """Which account a user belongs to."""

    id: int
    name: str


class UserInfo(AnswerModel):
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


class UserPage(PageModel):
    """A page of users."""

    data: list[ListedUser]


class AccountEvent(AnswerModel):
    """Something that was done in an account."""

    event: str
    event_datetime: Moment
    active_user_id: int | None
    """Who did it; null for what was done on the command line, by a program, or by nobody who was signed in."""


class UserEvent(AccountEvent):
    """Something that a user did, or that was done to them."""

    active_user_name: str | None


class UserEventPage(PageModel):
    """A page of what happened."""

    data: list[UserEvent]
