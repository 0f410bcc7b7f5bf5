"""Rights, for migrations: the role that services act as, and the policies that hold it to the rows within a transaction's reach.

A migration that makes a table with an account column calls ``protect``; one that drops such a table need not take it back.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from shared.errors import BusbarError

ROLE = "busbar_service"
POLICY = "reach"
PUBLIC_POLICY = "public_rows"
INSUFFICIENT_PRIVILEGE = "42501"

# Read once for a statement, not once for each row: hence the inner queries. Where nothing is set, or a transaction that had set it
# is over, the setting is null or empty: then neither part is true.
WITHIN_REACH = (
    "account_id = (SELECT nullif(nullif(current_setting('busbar.account_id', true), '*'), '')::uuid) "
    "OR (SELECT current_setting('busbar.account_id', true) = '*')"
)

# A role belongs to all databases of a cluster: another one may be migrated at the same moment, whose transaction is then waited for.
MAKE_ROLE = """
DO $$
DECLARE
    former_timeout text := current_setting('lock_timeout');
    knows_set boolean := current_setting('server_version_num')::int >= 160000;
BEGIN
    PERFORM set_config('lock_timeout', '60s', true);
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'busbar_service') THEN
        BEGIN
            CREATE ROLE busbar_service
                NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'busbar_service', CASE WHEN knows_set THEN 'SET' ELSE 'MEMBER' END) THEN
        BEGIN
            IF knows_set THEN
                EXECUTE 'GRANT busbar_service TO CURRENT_USER WITH SET TRUE, INHERIT FALSE';
            ELSE
                GRANT busbar_service TO CURRENT_USER;
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
    PERFORM set_config('lock_timeout', former_timeout, true);
END
$$
"""
ROLE_IS_BOUND = """
SELECT NOT (rolsuper OR rolbypassrls OR pg_has_role(oid, current_user, 'MEMBER')) FROM pg_roles
WHERE rolname = 'busbar_service'
"""


class ServiceRoleMissing(BusbarError):
    """The role that services act as is not there, or not the migrating role's to use, and the migrating role may not change that."""

    code = "service_role_missing"


class ServiceRoleUnbound(BusbarError):
    """The role that services act as is above the policies."""

    code = "service_role_unbound"


def make_service_role() -> None:
    """Make the role that services act as, unless the cluster has it, and let the migrating role act as it.

    Raises:
        ServiceRoleMissing: that takes rights which the migrating role does not have.
        ServiceRoleUnbound: somebody has made it, with rights that it must not have.
    """
    connection = op.get_bind()
    user = connection.scalar(text("SELECT quote_ident(current_user)"))
    try:
        connection.execute(text(MAKE_ROLE))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != INSUFFICIENT_PRIVILEGE:
            raise
        raise ServiceRoleMissing(
            f"services act as the database role {ROLE}, which {user} may not set up: have an administrator run "
            f"`CREATE ROLE {ROLE} NOLOGIN;` if it is missing and `GRANT {ROLE} TO {user};`, then migrate again"
        ) from error
    if not connection.scalar(text(ROLE_IS_BOUND)):
        raise ServiceRoleUnbound(
            f"the database role {ROLE} is above row-level security: it must be NOSUPERUSER, NOBYPASSRLS and no member of the owner"
        )


def protect(*tables: str) -> None:
    """Let services reach only those rows of tables with an account column that are within their transaction's reach."""
    for table in tables:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {POLICY} ON {table} TO {ROLE} USING ({WITHIN_REACH}) WITH CHECK ({WITHIN_REACH})")


def show_public_rows(*tables: str) -> None:
    """Let every transaction also read the rows of protected tables that belong to no account; writing them takes every account."""
    for table in tables:
        op.execute(f"CREATE POLICY {PUBLIC_POLICY} ON {table} FOR SELECT TO {ROLE} USING (account_id IS NULL)")


def unprotect(*tables: str) -> None:
    """Take ``protect`` back."""
    for table in tables:
        op.execute(f"DROP POLICY {POLICY} ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        op.execute(f"REVOKE ALL ON {table} FROM {ROLE}")


def current_schema(connection: Connection) -> str:
    """The schema that the tables are made in, quoted."""
    return str(connection.scalar(text("SELECT quote_ident(current_schema())")))
