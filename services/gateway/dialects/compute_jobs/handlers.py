"""Handlers: what of each request goes where, and the object that comes back."""

from __future__ import annotations

from datetime import UTC, datetime

from services.gateway.auth.gate import Forbidden
from services.gateway.auth.identity import Identity
from services.gateway.dialects.compute_jobs.schemas import Done, Limits, Profile, ProfileKey, ProfileResponse
from services.gateway.dialects.compute_jobs.service import ComputeJobs
from services.gateway.http.call import JSON, Call, Reply, json_reply
from services.gateway.http.faults import UnknownPath
from services.gateway.http.openapi import served_under
from shared.identity.key_store import list_keys
from shared.identity.principals import SCOPES, ApiKey, User
from shared.identity.user_store import find_user_by_number

DOCS_PATH = "/api/v2/docs"
LANGUAGE_LENGTH = 2


async def view_profile(app: ComputeJobs, call: Call[None, None]) -> Reply:
    """Who asks, and within which limits."""
    number = call.identity.user_number
    if number is None:
        raise Forbidden("A client has no profile: use the key of a user.")
    async with app.database.reading(call.identity.account_id) as connection:
        user = await find_user_by_number(connection, call.identity.account_id, number)
        if user is None:
            raise UnknownPath
        keys = await list_keys(connection, call.identity.account_id, user_id=user.user_id)
    return json_reply(ProfileResponse(response=_profile(app, user, keys, call.identity)))


async def delete_cache(_: ComputeJobs, __: Call[None, None]) -> Reply:
    """Nothing to do: there is no cache. Clients call it by habit before they read what they have just written."""
    return json_reply(Done(response=True))


async def show_openapi(app: ComputeJobs, call: Call[None, None]) -> Reply:
    """The OpenAPI document."""
    return Reply(200, served_under(app.openapi_json, call.head.prefix), JSON)


async def show_docs(app: ComputeJobs, _: Call[None, None]) -> Reply:
    """The interactive documentation."""
    return app.docs_page


async def to_docs(_: ComputeJobs, call: Call[None, None]) -> Reply:
    """The address that cloudHPC's users know, in any language."""
    language = call.ids["lang"]
    if len(language) != LANGUAGE_LENGTH or not (language.isascii() and language.isalpha()):
        raise UnknownPath
    return Reply(302, headers={"Location": call.head.led_to(DOCS_PATH)})


def _profile(app: ComputeJobs, user: User, keys: list[ApiKey], identity: Identity) -> Profile:
    return Profile(
        id=user.number,
        username=user.username,
        email=user.email,
        account=user.account_name,
        scopes=[scope for scope in SCOPES if scope in identity.scopes],
        api_keys=[
            ProfileKey(
                id=key.key_id, name=key.name, created=_moment(key.created_at), last_used=_moment(key.last_used_at)
            )
            for key in keys
        ],
        limits=Limits(
            requests_per_hour=app.limits.hourly_of(identity),
            requests_per_day=app.limits.daily,
            json_body_bytes=app.json_body_bytes,
        ),
    )


def _moment(moment: datetime | None) -> str:
    """As this API writes times; "no value" is the empty text."""
    if moment is None:
        return ""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
