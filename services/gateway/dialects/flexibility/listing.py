"""Lists as this API gives them: plain, or a page at a time with counts, once a page is asked for."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable

from services.gateway.dialects.flexibility.listing_store import Slice
from services.gateway.dialects.flexibility.request_schemas import Paging
from services.gateway.dialects.flexibility.validation import QUERY, invalid_field
from services.gateway.http.call import Reply
from shared.errors import NotFound

# More rows than this take longer to write than the event loop may be held; measured at 50 µs for an asset.
MOST_AT_ONCE = 100


class PastTheEnd(NotFound):
    """The list has fewer pages."""

    code = "past_the_end"

    def __init__(self) -> None:
        super().__init__("There is no such page.")


def slice_of(paging: Paging, *, sort_by: str | None, is_always_paged: bool = False) -> Slice:
    """The part of a list that was asked for.

    Raises:
        Invalid: the filter has a quote that does not end.
    """
    ordered = Slice(_words_of(paging.filter), sort_by, paging.sort_dir == "desc")
    if paging.page is None and not is_always_paged:
        return ordered
    offset = ((paging.page or 1) - 1) * paging.per_page
    return Slice(ordered.words, ordered.sort_by, ordered.is_descending, offset, paging.per_page)


def check_is_there(part: Slice, filtered: int) -> None:
    """Make sure that a page of a list of this length has something on it; the first may be empty.

    Raises:
        PastTheEnd: it has not.
    """
    if part.offset and part.offset >= filtered:
        raise PastTheEnd


async def reply_of(size: int, make: Callable[[], Reply]) -> Reply:
    """What ``make`` gives for so many rows; in a thread where they are many."""
    return make() if size <= MOST_AT_ONCE else await asyncio.to_thread(make)


def _words_of(text: str | None) -> tuple[str, ...]:
    try:
        return tuple(word for word in shlex.split(text or "") if word)
    except ValueError:
        raise invalid_field(QUERY, "filter", "A quote is not closed.") from None
