"""``busbar migrate`` on a real database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.db import migrate
from tests.support.databases import TestDatabases
from tests.unit.cli.test_command_line import busbar


@pytest.fixture
def empty_url(databases: TestDatabases) -> Iterator[str]:
    url = databases.create_empty()
    yield url
    databases.drop(url)


def test_a_database_goes_up_and_down_to_the_revision_that_is_wanted(empty_url: str) -> None:
    for arguments, revision in (
        (("--to", "0001"), "0001"),
        (("--to", "base"), "none"),
        (("--to", "base"), "none"),
        ((), migrate.head()),
        (("--to", "0001"), "0001"),
    ):
        done = busbar("migrate", *arguments, BUSBAR_DATABASE_URL=empty_url)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"the database is at revision {revision}\n"


def test_an_unknown_revision_is_wrong_usage_and_nobody_is_asked_for_it() -> None:
    done = busbar("migrate", "--to", "9999", BUSBAR_DATABASE_URL="postgresql://busbar@127.0.0.1:1/none")
    assert done.returncode == 2
    assert "no revision '9999'" in done.stderr and "0001" in done.stderr
    assert "Traceback" not in done.stderr
