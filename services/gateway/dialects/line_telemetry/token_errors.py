"""What can be wrong with a request for a token, as OAuth 2.0 words it (RFC 6749, section 5.2)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, Field

from services.gateway.http.call import JSON, Reply
from services.gateway.http.faults import retry_headers
from services.gateway.http.routes import status_of
from shared.errors import BusbarError, DependencyUnavailable, InvalidInput
from shared.observability.tracing import current_correlation_id

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class TokenErrorBody(BaseModel):
    """Why there is no token."""

    error: str = Field(description="A code of RFC 6749.")
    error_description: str
    correlation_id: str = Field(description="What the log knows the request by; also in the header X-Request-Id.")


class TokenRefused(BusbarError):
    """There is no token for this request."""

    code = "token_refused"
    error = "invalid_request"
    status = 400


class InvalidRequest(TokenRefused):
    """The form is malformed, lacks a field or has one twice."""

    code = "oauth_invalid_request"


class UnknownAuthority(TokenRefused):
    """There is no such tenant or policy."""

    code = "oauth_unknown_authority"
    status = 404

    def __init__(self) -> None:
        super().__init__("There is no such tenant or policy.")


class UnsupportedGrantType(TokenRefused):
    """Only client credentials are known here."""

    code = "oauth_unsupported_grant_type"
    error = "unsupported_grant_type"

    def __init__(self) -> None:
        super().__init__("The grant type must be client_credentials.")


class InvalidScope(TokenRefused):
    """The scope is missing, or not accepted."""

    code = "oauth_invalid_scope"
    error = "invalid_scope"

    def __init__(self) -> None:
        super().__init__("The scope is missing or not accepted; it must be the one of this API and end in /.default.")


class InvalidClient(TokenRefused):
    """Unknown, disabled, of the other environment, or with a secret that is wrong or has expired; nobody hears which."""

    code = "oauth_invalid_client"
    error = "invalid_client"
    status = 401

    def __init__(self, *, used_basic: bool) -> None:
        super().__init__("The client is unknown or its secret is not valid.")
        self.used_basic = used_basic


# Errors of other parts, as this endpoint words them; everything else about the form is an invalid request.
_STATUSES: Mapping[str, int] = {
    "method_not_allowed": 405,
    "unknown_path": 404,
    "too_many_requests": 429,
    InvalidInput.code: 400,
    DependencyUnavailable.code: 503,
}


def reply_to_error(error: BusbarError, statuses: Mapping[str, int]) -> Reply:
    """The reply for an error."""
    headers = NO_STORE | retry_headers(error)
    if isinstance(error, TokenRefused):
        if isinstance(error, InvalidClient) and error.used_basic:
            headers["WWW-Authenticate"] = 'Basic realm="token"'
        return _reply(error.status, error.error, error.message, headers)
    status = status_of(error, {**_STATUSES, **statuses})
    if status >= 500 and not isinstance(error, DependencyUnavailable):
        return _reply(status, "server_error", "Something went wrong inside the server.", headers)
    return _reply(
        status, "temporarily_unavailable" if status in {429, 503} else "invalid_request", error.message, headers
    )


def _reply(status: int, error: str, description: str, headers: Mapping[str, str]) -> Reply:
    body = TokenErrorBody(error=error, error_description=description, correlation_id=current_correlation_id())
    return Reply(status, body.model_dump_json().encode(), JSON, headers)
