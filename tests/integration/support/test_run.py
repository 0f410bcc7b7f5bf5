"""`make test` on a machine where nothing listens: servers come, pytest's result goes through, and nothing is left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.processes import accepts_connections

ROOT = Path(__file__).parents[3]


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BUSBAR_TEST_")} | more
    return subprocess.run(
        [sys.executable, "-m", "tests.support.run", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_own_servers_are_started_used_and_stopped() -> None:
    done = run("--own-servers", "-q", "tests/integration/support/test_databases.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout.splitlines()[-1])
    ports = re.findall(r"starting (\w+) on port (\d+)", done.stderr)
    assert [name for name, _ in ports] == ["PostgresServer", "RabbitMqServer"]
    assert not any(accepts_connections("127.0.0.1", int(port)) for _, port in ports)


def test_a_failing_test_fails_the_run(tmp_path: Path) -> None:
    failing = tmp_path / "test_failing.py"
    failing.write_text("def test_it(): assert 1 == 2\n")
    done = run("-q", str(failing))
    assert done.returncode == 1
    assert "1 failed" in done.stdout


def test_a_run_without_tests_is_no_success(tmp_path: Path) -> None:
    assert run("-q", "-k", "no_test_has_this_name", "tests/unit/support").returncode == 5


def test_an_address_that_leads_nowhere_is_named() -> None:
    done = run("-q", "tests/unit/support", BUSBAR_TEST_BROKER_URL="amqp://guest:guest@127.0.0.1:1/")
    assert done.returncode == 1
    assert "BUSBAR_TEST_BROKER_URL" in done.stderr
