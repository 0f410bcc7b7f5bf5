"""The JSON objects of this API. Every answer is one object: ``response`` on success, ``errors`` on failure, never both."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Failure(_Schema):
    """What is wrong; at least one text, most important first."""

    errors: list[str]


class ProfileKey(_Schema):
    """An API key of the user, without its secret."""

    id: str
    name: str
    created: str
    """RFC 3339 with milliseconds."""
    last_used: str
    """The same; empty if it was never used."""


class Limits(_Schema):
    """What is allowed; 0 is no limit."""

    requests_per_hour: int
    requests_per_day: int
    json_body_bytes: int


class Profile(_Schema):
    """Who asks."""

    id: int
    username: str
    email: str
    account: str
    """The name of the organisation."""
    scopes: list[str]
    """What the credential of this request reaches."""
    api_keys: list[ProfileKey]
    limits: Limits


class ProfileResponse(_Schema):
    """A profile."""

    response: Profile


class Done(_Schema):
    """It is done."""

    response: bool
