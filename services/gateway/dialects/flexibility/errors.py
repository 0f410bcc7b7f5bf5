"""What can be wrong with a request to this API, and the status and body that its clients expect for it."""

from __future__ import annotations

from collections.abc import Mapping

from services.gateway.auth.gate import Forbidden, TooManyRequests, Unauthenticated
from services.gateway.dialects.flexibility.schemas import ErrorAnswer, RejectedAnswer, StatedAnswer
from services.gateway.dialects.flexibility.validation import Invalid
from services.gateway.dialects.flexibility.wire import mapping_reply, object_reply
from services.gateway.http.binding import BodyTooLarge
from services.gateway.http.call import Reply
from services.gateway.http.faults import InternalError, MethodNotAllowed, retry_headers
from shared.errors import BusbarError, DependencyUnavailable, InvalidInput, NotFound

# Clients compare these two with what FlexMeasures says.
UNAUTHENTICATED_TEXT = "You could not be properly authenticated for this content or functionality."
FORBIDDEN_TEXT = "You cannot be authorized for this content or functionality."


class UnknownAccount(NotFound):
    """There is no account of that number."""

    code = "account_not_found"

    def __init__(self, number: object) -> None:
        super().__init__(f"Account {number} not found")


class UnknownUser(NotFound):
    """There is no user of that number, or none that the caller may know of."""

    code = "user_not_found"

    def __init__(self, number: object) -> None:
        super().__init__(f"User {number} not found")


class UnknownAsset(NotFound):
    """There is no asset of that id."""

    code = "asset_not_found"

    def __init__(self, number: object) -> None:
        super().__init__(f"No asset found with ID {number}.")


class UnknownSensor(NotFound):
    """There is no sensor of that id, as the routes of its data tell it."""

    code = "sensor_not_found"

    def __init__(self, number: object) -> None:
        super().__init__(f"Sensor {number} not found")


class AccountOrAsset(InvalidInput):
    """An account and an asset of another one were asked for together."""

    code = "account_or_asset"

    def __init__(self) -> None:
        super().__init__("Please provide either an account or an asset ID, not both")


class NotPermitted(BusbarError):
    """The caller is who they say, and may not do this."""

    code = "not_permitted"

    def __init__(self) -> None:
        super().__init__(FORBIDDEN_TEXT)


class ReferenceNotPermitted(NotPermitted):
    """A request names a sensor that the caller may not read, or not have written; the message says where."""

    code = "reference_not_permitted"

    def __init__(self, what: str, path: str, sensor_id: int) -> None:
        super().__init__()
        self.message = f"{FORBIDDEN_TEXT} You may not {what} sensor {sensor_id}, which is referenced in {path}."


def reply_to_error(error: BusbarError, _: Mapping[str, int]) -> Reply:
    """The reply for an error. Every kind of error has one form in this API, whichever route it comes from."""
    if isinstance(error, Invalid):
        body = {"message": error.messages, "result": "Rejected", "status": "UNPROCESSABLE_ENTITY"}
        return mapping_reply(body, status=422)
    if isinstance(error, Unauthenticated):
        return object_reply(StatedAnswer(message=UNAUTHENTICATED_TEXT, status="UNAUTHORIZED"), status=401)
    if isinstance(error, DependencyUnavailable):
        reply = object_reply(StatedAnswer(message=error.message, status="ERROR"), status=503)
        return reply.with_headers(retry_headers(error))
    if rejected := _REJECTED.get(type(error)):
        status, code = rejected
        message = FORBIDDEN_TEXT if isinstance(error, Forbidden) else error.message
        return object_reply(RejectedAnswer(status=code, message=message), status=status)
    status = next((status for kind, status in _PLAIN if isinstance(error, kind)), 500)
    message = InternalError().message if status == 500 else error.message
    return object_reply(ErrorAnswer(message=message, status=status), status=status)


_REJECTED: Mapping[type[BusbarError], tuple[int, str]] = {
    Forbidden: (403, "INVALID_SENDER"),
    NotPermitted: (403, "INVALID_SENDER"),
    ReferenceNotPermitted: (403, "INVALID_SENDER"),
    BodyTooLarge: (413, "PAYLOAD_TOO_LARGE"),
    TooManyRequests: (429, "TOO_MANY_REQUESTS"),
}
_PLAIN: tuple[tuple[type[BusbarError], int], ...] = (
    (NotFound, 404),
    (MethodNotAllowed, 405),
    (AccountOrAsset, 422),
    (InvalidInput, 400),
)
