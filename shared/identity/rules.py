"""What names, addresses, roles and the like may be; each refusal names the value and what is accepted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from zoneinfo import available_timezones

from shared.errors import InvalidInput

MAX_NAME_LENGTH = 200
# The longest that a mail server takes (RFC 5321, with its erratum 1690).
MAX_EMAIL_LENGTH = 254
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def check_name(name: str, *, field: str) -> None:
    """Make sure that a name is a line of 1 to 200 characters.

    Raises:
        InvalidInput: it is not.
    """
    if not name or len(name) > MAX_NAME_LENGTH or name != name.strip() or not name.isprintable():
        raise InvalidInput(
            f"'{name[:MAX_NAME_LENGTH]!s}' cannot be a {field}: use 1 to {MAX_NAME_LENGTH} printable characters "
            "without blanks at either end.",
            field=field,
        )


def check_email(email: str) -> None:
    """Make sure that a text looks like an e-mail address.

    Raises:
        InvalidInput: it does not.
    """
    if len(email) > MAX_EMAIL_LENGTH or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise InvalidInput(
            f"'{email[:MAX_EMAIL_LENGTH]}' is no e-mail address; expected one such as planner@depot.example.",
            field="email",
        )


def check_each(given: Iterable[str], accepted: tuple[str, ...], *, field: str) -> None:
    """Make sure that all values are among those accepted.

    Raises:
        InvalidInput: one is not.
    """
    for value in given:
        if value not in accepted:
            raise InvalidInput(f"There is no {field} '{value}'; accepted are: {', '.join(accepted)}.", field=field)


def check_timezone(name: str) -> None:
    """Make sure that a time zone exists.

    Raises:
        InvalidInput: it does not.
    """
    if name not in _timezones():
        raise InvalidInput(f"Timezone {name} doesn't exist.", field="timezone")


def check_expiry(expires_at: datetime | None, now: datetime) -> None:
    """Make sure that what is to be made will be of use for a while.

    Raises:
        InvalidInput: it would have expired already.
    """
    if expires_at is not None and expires_at <= now:
        raise InvalidInput(
            f"'{expires_at.isoformat()}' is past; the expiry must lie in the future.", field="expires_at"
        )


@cache
def _timezones() -> set[str]:
    return available_timezones()


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in the order of their first mention."""
    return tuple(dict.fromkeys(names))
