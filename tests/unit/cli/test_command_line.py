"""The command line: statuses, one-line errors, nothing heavy imported before it is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.stack import ROOT, clean_environment


def busbar(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BUSBAR_")}
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", *arguments],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_every_command() -> None:
    done = busbar("--help")
    assert done.returncode == 0
    for command in (
        "up",
        "gateway",
        "optimizer",
        "telemetry",
        "migrate",
        "config",
        "doctor",
        "demo",
        "openapi",
        "dlq",
        "account",
        "user",
        "key",
        "client",
        "audit",
        "optimise",
        "import",
    ):
        assert command in done.stdout


def test_an_unknown_setting_stops_the_start_and_names_the_nearest() -> None:
    done = busbar("config", BUSBAR_DATABASE_ULR="postgresql://nowhere")
    assert done.returncode == 2
    assert "BUSBAR_DATABASE_ULR" in done.stderr and "BUSBAR_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_single_service_without_servers_is_wrong_usage() -> None:
    for service in ("optimizer", "telemetry"):
        done = busbar(service)
        assert done.returncode == 2
        assert "BUSBAR_DATABASE_URL" in done.stderr
        assert "Traceback" not in done.stderr


def test_settings_are_shown_with_their_origin_and_without_secrets(tmp_path: Path) -> None:
    done = busbar(
        "config",
        "--json",
        BUSBAR_PORT="8123",
        BUSBAR_DATA_DIR=str(tmp_path),
        BUSBAR_DATABASE_URL="postgresql://busbar:s3cret-canary@db/busbar",
    )
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["BUSBAR_PORT"]["value"] == "8123"
    assert "BUSBAR_PORT" in rows["BUSBAR_PORT"]["origin"] or "environment" in rows["BUSBAR_PORT"]["origin"]
    assert "s3cret-canary" not in done.stdout


def test_an_unknown_dialect_is_wrong_usage() -> None:
    done = busbar("openapi", "telegraphy")
    assert done.returncode == 2
    assert "reconfiguration" in done.stderr


def test_the_command_line_imports_nothing_heavy_to_print_its_help() -> None:
    code = (
        "import sys; import services.cli.main; "
        "print([m for m in ('numpy','numba','scipy','aiohttp','sqlalchemy','aio_pika','argon2','alembic','rich.live') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_needs_the_optimizer_says_so_where_it_is_not_installed(tmp_path: Path) -> None:
    """As in the gateway's image."""
    program = tmp_path / "without.py"
    program.write_text("import sys\nsys.modules['numpy'] = None\nfrom services.cli.main import main\nmain()\n")
    for command in (["import", "matpower", "case.m"], ["optimise", "n.json", "d.json"]):
        done = subprocess.run(
            [sys.executable, str(program), *command],
            check=False,
            env=clean_environment() | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert (
            done.stderr == f"busbar: busbar {command[0]} needs the packages of the optimizer; numpy is not installed\n"
        )
