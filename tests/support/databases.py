"""Databases for tests: a migrated template once per run, and copies of it that are emptied for the next test or dropped.

To make a database and to drop it again each have the server write out what it holds, which takes longer than most tests.
"""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from shared.db import migrate
from tests.support.postgres_server import run_apart

PREFIX = "busbar_test_"
# Whatever makes a database what it is, but for the rows of its tables.
SCHEMA = """
WITH spaces AS (
    SELECT oid FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'
), relations AS (
    SELECT c.* FROM pg_class c JOIN spaces ON c.relnamespace = spaces.oid
), lines (line) AS (
    SELECT concat_ws(' ', 'relation', oid::regclass, relkind, relowner::regrole, relacl, relrowsecurity, relforcerowsecurity,
        reloptions) FROM relations
    UNION ALL
    SELECT concat_ws(' ', 'column', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull,
        attisdropped, attidentity, attacl, pg_get_expr(adbin, adrelid))
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND attrelid IN (SELECT oid FROM relations)
    UNION ALL
    SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
    WHERE connamespace IN (SELECT oid FROM spaces)
    UNION ALL
    SELECT concat_ws(' ', 'index', pg_get_indexdef(oid)) FROM relations WHERE relkind = 'i'
    UNION ALL
    SELECT concat_ws(' ', 'policy', policy) FROM pg_policies AS policy
    UNION ALL
    SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT concat_ws(' ', 'function', pg_get_functiondef(oid), proacl) FROM pg_proc
    WHERE pronamespace IN (SELECT oid FROM spaces) AND prokind IN ('f', 'p')
    UNION ALL
    SELECT concat_ws(' ', 'schema', nspname, nspacl) FROM pg_namespace WHERE oid IN (SELECT oid FROM spaces)
    UNION ALL
    SELECT concat_ws(' ', 'setting', setrole, setconfig) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT line FROM lines ORDER BY line
"""
TABLES = """
SELECT oid::regclass::text AS name FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1
"""
SEQUENCES = "SELECT format('%I.%I', schemaname, sequencename) AS name, last_value FROM pg_sequences ORDER BY 1"


@dataclass(frozen=True)
class Contents:
    """All that a new database has: how it is made, the rows that migrations put there, where sequences are."""

    schema: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]
    sequences: dict[str, int | None]


class TestDatabases:
    """Makes and drops databases on one server. Their names carry the run's process id, so that a later run finds leftovers."""

    __test__ = False

    def __init__(self, admin_url: str, *, process_id: int | None = None) -> None:
        self.admin_url = admin_url
        self._run = f"{PREFIX}p{process_id or os.getpid()}_{secrets.token_hex(3)}"
        self._numbers = itertools.count(1)
        self._template: str | None = None
        self._new: Contents | None = None
        self._spare: list[str] = []

    def url_of(self, name: str) -> str:
        """Address of a database on the server."""
        return urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{name}"))

    def create(self) -> str:
        """A database with all tables and what is in them at first; its address."""
        if self._spare:
            return self._spare.pop()
        if self._template is None:
            self._template = self._make_template()
        name = f"{self._run}_{next(self._numbers)}"
        self._execute([f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"'])
        return self.url_of(name)

    def create_empty(self) -> str:
        """A new database without any table; its address."""
        name = f"{self._run}_{next(self._numbers)}"
        self._execute([f'CREATE DATABASE "{name}" TEMPLATE template0'])
        return self.url_of(name)

    def drop(self, url: str) -> None:
        """Drop a database, whoever is still connected."""
        self._execute([_drop(urlsplit(url).path[1:])])

    def give_back(self, url: str) -> None:
        """Let the next test have a database of ``create``; it is dropped if it cannot be made as good as new."""
        new = self._new
        if new is not None and run_apart(lambda: _renewed(url, new)) == new:
            self._spare.append(url)
        else:
            self.drop(url)

    def drop_all(self) -> None:
        """Drop everything of this run."""
        self._execute(_drop(name) for name in self.names() if name.startswith(self._run))

    def drop_leftovers(self) -> None:
        """Drop what runs have left behind that were killed (their process is no more)."""
        self._execute(_drop(name) for name in self.names() if not psutil.pid_exists(_pid_of(name)))

    def _make_template(self) -> str:
        name = f"{self._run}_template"
        self._execute([f'CREATE DATABASE "{name}" TEMPLATE template0'])
        run_apart(lambda: migrate.upgrade(self.url_of(name)))
        self._new = run_apart(lambda: contents_of(self.url_of(name)))
        return name

    def names(self) -> list[str]:
        """All test databases on the server, of every run."""

        async def ask() -> list[str]:
            connection = await asyncpg.connect(self.admin_url, timeout=10)
            try:
                rows = await connection.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", PREFIX)
            finally:
                await connection.close()
            return [row["datname"] for row in rows]

        return run_apart(ask)

    def _execute(self, statements: Iterable[str]) -> None:
        async def execute() -> None:
            connection = await asyncpg.connect(self.admin_url, timeout=10, command_timeout=60)
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        run_apart(execute)


async def contents_of(url: str) -> Contents:
    """What a database has now."""
    connection = await asyncpg.connect(url, timeout=10, command_timeout=60)
    try:
        return await _contents(connection)
    finally:
        await connection.close()


async def _renewed(url: str, new: Contents) -> Contents:
    """What a used database has after everybody is sent away and what tests have put there is taken out."""
    connection = await asyncpg.connect(url, timeout=10, command_timeout=60)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        async with connection.transaction():
            # Neither triggers nor the order of foreign keys matter when everything goes.
            await connection.execute("SET LOCAL session_replication_role = replica")
            for name in [row["name"] for row in await connection.fetch(TABLES)]:
                if name not in new.rows:
                    await connection.execute(f"DROP TABLE {name} CASCADE")
                else:
                    await connection.execute(f"DELETE FROM {name} AS t WHERE NOT t::text = ANY($1)", new.rows[name])
            for row in await connection.fetch(SEQUENCES):
                wanted = new.sequences.get(row["name"])
                if row["last_value"] != wanted:
                    await connection.execute(
                        "SELECT setval($1::text::regclass, $2, $3)", row["name"], wanted or 1, wanted is not None
                    )
        return await _contents(connection)
    finally:
        await connection.close()


async def _contents(connection: asyncpg.Connection) -> Contents:
    schema = tuple(row["line"] for row in await connection.fetch(SCHEMA))
    rows = {}
    for name in [row["name"] for row in await connection.fetch(TABLES)]:
        found = await connection.fetch(f"SELECT t::text AS line FROM {name} AS t ORDER BY 1")
        rows[name] = tuple(row["line"] for row in found)
    return Contents(schema, rows, {row["name"]: row["last_value"] for row in await connection.fetch(SEQUENCES)})


def _drop(name: str) -> str:
    return f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'


def _pid_of(name: str) -> int:
    digits = name.removeprefix(f"{PREFIX}p").partition("_")[0]
    return int(digits) if digits.isdigit() else -1
