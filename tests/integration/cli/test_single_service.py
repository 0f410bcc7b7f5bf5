"""A single service on a real database."""

from __future__ import annotations

import subprocess
import sys

from tests.support.databases import TestDatabases
from tests.support.processes import free_port
from tests.support.stack import SECRET_KEY, clean_environment


def test_a_service_does_not_start_on_a_database_that_is_not_migrated(databases: TestDatabases) -> None:
    url = databases.create_empty()
    environment = clean_environment() | {
        "BUSBAR_DATABASE_URL": url,
        "BUSBAR_SECRET_KEY": SECRET_KEY,
        "BUSBAR_BROKER_URL": f"amqp://guest:guest@127.0.0.1:{free_port()}/",
    }
    command = [sys.executable, "-m", "services.cli.main", "gateway", "--port", "0"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    finally:
        databases.drop(url)
    assert done.returncode == 2, done.stderr
    assert "busbar migrate" in done.stderr
    assert "Traceback" not in done.stderr
