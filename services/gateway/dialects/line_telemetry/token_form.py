"""The form of a request for a token: read, and taken apart into who asks for what. Pure but for the reading."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_plus

from services.gateway.dialects.line_telemetry.token_errors import InvalidRequest, InvalidScope, UnsupportedGrantType
from services.gateway.http.binding import BodyTooLarge
from services.gateway.http.bodies import UTF8_NAMES, BodyDescription, IncomingBody, read_whole
from services.gateway.http.url_encoded import FORM_TYPE, MOST_BYTES, MOST_FIELDS

GRANT_TYPE = "client_credentials"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Who asks for a token, and for which scopes."""

    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...]
    used_basic: bool


class TokenForm:
    """The body of the token endpoint as fields by name. A field without value counts as left out (RFC 6749, section 3.2)."""

    async def read(self, incoming: IncomingBody) -> Mapping[str, str]:
        """The fields.

        Raises:
            InvalidRequest: the body is no such form, too long, or has a field twice.
        """
        is_form = incoming.media_type == FORM_TYPE and incoming.charset in UTF8_NAMES
        if not is_form or "Content-Encoding" in incoming.headers:
            raise InvalidRequest(f"The body must be a form ({FORM_TYPE}).")
        try:
            return parse_form(await read_whole(incoming, MOST_BYTES))
        except BodyTooLarge as error:
            raise InvalidRequest(error.message) from error

    def describe(self) -> BodyDescription:
        """As OAuth2 has it."""
        texts = {
            "grant_type": GRANT_TYPE,
            "client_id": "The client; not with HTTP Basic.",
            "client_secret": "Its secret; not with HTTP Basic.",
            "scope": "One or more, separated by spaces; each ends in /.default.",
        }
        properties = {name: {"type": "string", "description": text} for name, text in texts.items()}
        return BodyDescription(
            FORM_TYPE, {"type": "object", "properties": properties, "required": ["grant_type", "scope"]}
        )


def parse_form(body: bytes) -> Mapping[str, str]:
    """The fields of a form.

    Raises:
        InvalidRequest: it is no such form, or has a field twice.
    """
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise InvalidRequest("The form cannot be read.") from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise InvalidRequest("The form has a field twice.")
        if "\x00" in value:
            raise InvalidRequest("The form holds a NUL character.")
        fields[name] = value
    return {name: value for name, value in fields.items() if value}


def token_request(fields: Mapping[str, str], authorization: str) -> TokenRequest:
    """What is asked for by a form and an ``Authorization`` header (empty if there was none).

    Raises:
        InvalidRequest, UnsupportedGrantType, InvalidScope: as their names say.
    """
    grant_type = fields.get("grant_type")
    if grant_type is None:
        raise InvalidRequest("The field grant_type is missing.")
    if grant_type != GRANT_TYPE:
        raise UnsupportedGrantType
    client_id, client_secret, used_basic = _credentials(fields, authorization)
    scopes = tuple(fields.get("scope", "").split())
    if not scopes:
        raise InvalidScope
    return TokenRequest(client_id, client_secret, scopes, used_basic)


def _credentials(fields: Mapping[str, str], authorization: str) -> tuple[str, str, bool]:
    scheme, _, text = authorization.strip().partition(" ")
    if scheme.lower() == "basic":
        client_id, client_secret = _basic(text.strip())
        if "client_secret" in fields or fields.get("client_id", client_id) != client_id:
            raise InvalidRequest("The client must be named in one way only: in the form or by HTTP Basic.")
        return client_id, client_secret, True
    for name in ("client_id", "client_secret"):
        if name not in fields:
            raise InvalidRequest(f"The field {name} is missing.")
    return fields["client_id"], fields["client_secret"], False


def _basic(text: str) -> tuple[str, str]:
    """Name and secret of HTTP Basic, each encoded as in a form (RFC 6749, section 2.3.1)."""
    try:
        decoded = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise InvalidRequest("The Authorization header cannot be read.") from None
    name, has_secret, secret = decoded.partition(":")
    if not has_secret or not name or not secret or "\x00" in decoded:
        raise InvalidRequest("The Authorization header names no client, or no secret.")
    return unquote_plus(name), unquote_plus(secret)
