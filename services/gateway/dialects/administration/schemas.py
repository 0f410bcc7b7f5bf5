"""What requests to this API bring. What they get back is in ``shared/identity/documents.py``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from shared.identity.audit import LIST_AT_MOST
from shared.identity.principals import PRODUCTION, SCOPES

# Beyond these years a moment with an offset may be none in UTC, or none that the database can hold.
FIRST_YEAR, LAST_YEAR = 1970, 2999


def _within_years(moment: datetime) -> datetime:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"expected a year from {FIRST_YEAR} to {LAST_YEAR}")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_within_years)]
GridOwner = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class NewAccount(_Request):
    """An account to make."""

    name: str
    roles: list[str] = []


class NewUser(_Request):
    """A user to make."""

    email: str
    account_id: int | None = None
    """The own account if left out."""
    username: str | None = None
    """The part of the e-mail address before the @ if left out."""
    roles: list[str] = []
    password: str | None = Field(default=None, repr=False)
    """Without one the user cannot sign in until one is set."""


class NewPassword(_Request):
    """Another password."""

    password: str = Field(repr=False)


class NewKey(_Request):
    """An API key to make."""

    user_id: int
    name: str
    scopes: list[str] = list(SCOPES)
    expires_at: Moment | None = None
    """With its offset from UTC; left out: it does not expire."""


class NewOAuthClient(_Request):
    """An OAuth2 client to make."""

    name: str
    roles: list[str]
    account_id: int | None = None
    """The own account if left out."""
    region: str = "eu"
    environment: str = PRODUCTION
    grid_owners: list[GridOwner] | None = None
    """Null: looked up at each request."""


class NewSecret(_Request):
    """Another secret for a client."""

    expires_at: Moment | None = None
    """With its offset from UTC; left out: it does not expire."""


class OfAccount(BaseModel):
    """Which account to list; all that are within reach if none is named."""

    account_id: int | None = None


class OfUser(OfAccount):
    """The same, and which user."""

    user_id: int | None = None


class OfAudit(OfAccount):
    """Which events to list."""

    since: Moment | None = None
    """Only those at this moment or later."""
    limit: int = Field(default=100, ge=1, le=LIST_AT_MOST)
    offset: int = Field(default=0, ge=0, le=1_000_000)
