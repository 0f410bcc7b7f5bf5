"""How a transaction says to the database whose rows it reaches; row-level security holds it to that (ADR 14).

Services act as one role, which owns nothing and is bound by the policies. Migrations act as the owner of the tables.
"""

from __future__ import annotations

from uuid import UUID

from shared.db.unit_of_work import EVERY_ACCOUNT, Reach

SERVICE_ROLE = "busbar_service"
# What the policies read. Where it is not set, no row is visible and none can be written.
ACCOUNT_SETTING = "busbar.account_id"


def begin_statement(
    reach: Reach, *, is_read_only: bool, statement_timeout: str | None = None, is_durable: bool = True
) -> str:
    """Begin a transaction that reaches these rows: one string, so that it is one way to the server. It all ends with the transaction.

    ``is_read_only`` also makes it one consistent snapshot. ``statement_timeout`` is the server's limit, if not the connection's. The
    commit of one that is not ``is_durable`` does not wait for the disk.
    """
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if is_read_only else "BEGIN"
    timeout = "" if statement_timeout is None else f"; SET LOCAL statement_timeout = {int(statement_timeout)}"
    flush = "" if is_durable else "; SET LOCAL synchronous_commit = off"
    return f"{begin}; SET LOCAL {ACCOUNT_SETTING} = '{_told(reach)}'{timeout}{flush}"


def _told(reach: Reach) -> str:
    if reach is EVERY_ACCOUNT:
        return EVERY_ACCOUNT.value
    if not isinstance(reach, UUID):
        raise TypeError(f"a transaction reaches an account or EVERY_ACCOUNT, not a {type(reach).__name__}")
    # SET takes no parameters. The text of a UUID has nothing in it that would end the quotes. Rows bring the driver's own kind of it.
    return str(UUID(int=reach.int))
