"""The identity commands as an operator or a script types them: on a server, beside a running ``busbar up``, and on a folder at rest."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import CommandLine
from tests.support.databases import TestDatabases
from tests.support.stack import BUSBAR, ROOT, ServiceProcess, busbar_up, clean_environment

PASSWORD = "correct horse battery 7"


def run(environment: dict[str, str], *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BUSBAR, *arguments],
        env=clean_environment() | environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
    )


def printed(environment: dict[str, str], *arguments: str, stdin: str = "") -> Any:
    """What a command that must succeed prints with --json: one document, and nothing else."""
    done = run(environment, *arguments, "--json", stdin=stdin)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def server(database_url: str) -> Iterator[CommandLine]:
    with CommandLine({"BUSBAR_DATABASE_URL": database_url}) as made:
        yield made


def test_an_operator_makes_finds_changes_and_deletes_everything(server: CommandLine) -> None:
    account = server.printed("account", "create", "Depot BV")
    assert (account["name"], type(account["account_id"])) == ("Depot BV", int)
    user = server.printed(
        *("user", "create", "planner@depot.example", "--account", "Depot BV"),
        *("--role", "admin", "--role", "consultant", "--password-stdin"),
        stdin=PASSWORD + "\n",
    )
    assert (user["email"], user["roles"], type(user["user_id"])) == (
        "planner@depot.example",
        ["admin", "consultant"],
        int,
    )
    key = server.printed(
        "key", "create", "planner@depot.example", "--name", "ci", "--scope", "read", "--expires-in", "90d"
    )
    assert key["api_key"].startswith(f"bb_{key['key_id']}_")
    assert key["scopes"] == ["read"] and key["expires_at"] > key["created_at"]
    client = server.printed(
        *("client", "create", "scada", "--account", "Depot BV", "--role", "ingest", "--region", "us"),
        *("--environment", "developer", "--grid-owner", "g1", "--grid-owner", "g2"),
    )
    assert len(client["client_secret"]) == 43
    assert (client["region"], client["environment"], client["grid_owners"]) == ("us", "developer", ["g1", "g2"])

    added = server.printed("client", "secret", "add", client["client_id"], "--expires-in", "24h")
    assert added["client_secret"] != client["client_secret"]
    third = server.run("client", "secret", "add", client["client_id"], "--json")
    assert (third.returncode, third.stdout) == (1, "") and "2 active secrets" in third.stderr
    assert server.printed("client", "secret", "delete", client["client_id"], added["secret_id"])
    assert len(server.printed("client", "secret", "list", client["client_id"])) == 1

    names = {"account": "Depot BV", "user": user["email"], "key": key["key_id"], "client": client["client_id"]}
    for kind, name in reversed(names.items()):
        assert server.printed(kind, "disable", name)["is_active"] is False
        assert [row["is_active"] for row in server.printed(kind, "list")][-1] is False
        assert server.printed(kind, "enable", name)["is_active"] is True
    assert [row["key_id"] for row in server.printed("key", "list", "--user", user["email"])] == [key["key_id"]]
    for kind in ("user", "key", "client"):
        assert len(server.printed(kind, "list", "--account", "Depot BV")) == 1
        assert server.printed(kind, "list", "--account", "open") == []

    events = server.printed("audit", "--account", "Depot BV", "--since", "1h")
    assert {event["account_id"] for event in events} == {account["account_id"]}
    assert all(event["subject"].startswith("cli:") for event in events)
    assert events[-1]["event"] == "account:created"
    assert server.printed("audit", "--limit", "1") == events[:1]
    for secret in (PASSWORD, key["api_key"], client["client_secret"]):
        assert secret not in json.dumps(events)

    for kind, name in reversed(names.items()):
        assert server.printed(kind, "delete", name)
        again = server.run(kind, "delete", name, "--json")
        assert (again.returncode, again.stdout) == (1, "") and name in again.stderr
    assert [row["name"] for row in server.printed("account", "list")] == ["open"]
    assert server.printed("audit", "--limit", "1")[0]["account_id"] is None


def test_a_person_reads_lines_with_whole_ids(server: CommandLine) -> None:
    made = server.run("account", "create", "Depot BV")
    assert "name: Depot BV\n" in made.stdout
    without = server.run("user", "create", "planner@depot.example", "--account", "Depot BV")
    assert without.returncode == 0
    assert "user password" in without.stderr and "username: planner" in without.stdout
    key = server.run("key", "create", "planner@depot.example", "--name", "ci").stdout
    key_id = next(line.removeprefix("key_id: ") for line in key.splitlines() if line.startswith("key_id: "))
    heading, row = server.run("key", "list").stdout.splitlines()
    assert heading.split()[0] == "key_id" and row.split()[0] == key_id
    assert len(server.run("audit").stdout.splitlines()) == 4


def test_what_cannot_be_is_refused_in_one_line_and_changes_nothing(server: CommandLine) -> None:
    server.printed("account", "create", "Depot BV")
    create = ("user", "create", "planner@depot.example", "--account")
    refused: list[tuple[tuple[str, ...], str, int, str]] = [
        (("account", "create", "Depot BV"), "", 1, "Depot BV"),
        ((*create, "Nowhere"), "", 1, "Nowhere"),
        ((*create, "Depot BV", "--role", "root"), "", 2, "account-admin"),
        ((*create, "Depot BV", "--password-stdin"), "short\n", 2, "at least 12"),
        ((*create, "Depot BV", "--password-stdin"), "my planner password\n", 2, "name"),
        ((*create, "Depot BV", "--password-stdin"), "", 2, "standard input"),
        (("user", "create", "planner", "--account", "Depot BV"), "", 2, "planner"),
        (("user", "password", "planner@depot.example"), "", 2, "--password-stdin"),
        (("user", "disable", "planner@depot.example"), "", 1, "planner@depot.example"),
        (("key", "create", "planner@depot.example", "--name", "x", "--expires-in", "soon"), "", 2, "90d"),
        (("client", "create", "scada", "--account", "Depot BV", "--role", "root"), "", 2, "api_consumer"),
        (("client", "secret", "delete", "nobody", "no-uuid"), "", 2, "no-uuid"),
        (("account", "delete", "open"), "", 1, "open"),
    ]
    for arguments, stdin, status, word in refused:
        outcome = server.run(*arguments, "--json", stdin=stdin)
        assert (outcome.returncode, outcome.stdout) == (status, ""), (arguments, outcome.stderr)
        assert word in outcome.stderr and "Traceback" not in outcome.stderr, arguments
    assert server.printed("user", "list") == []


def test_a_database_that_was_not_migrated_is_left_alone(databases: TestDatabases) -> None:
    url = databases.create_empty()
    try:
        done = run({"BUSBAR_DATABASE_URL": url}, "account", "list", "--json")
    finally:
        databases.drop(url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "busbar migrate" in done.stderr


def test_on_a_folder_at_rest_commands_take_turns_and_leave_nothing_running(tmp_path: Path) -> None:
    folder = {"BUSBAR_DATA_DIR": str(tmp_path / "data")}
    names = ["A", "B"]
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda name: printed(folder, "account", "create", name), names))
    assert sorted(account["name"] for account in made) == names
    option = ("account", "list", "--data-dir", str(tmp_path / "data"))
    assert sorted(row["name"] for row in printed({}, *option)) == [*names, "open"]
    assert not (tmp_path / "data" / "postgres" / "data" / "postmaster.pid").exists()


@pytest.mark.timeout(300)
def test_beside_a_running_busbar_up_commands_work_at_once(tmp_path: Path) -> None:
    up: ServiceProcess = busbar_up(
        tmp_path / "data", tmp_path / "up.log", ADMIN_EMAIL="admin@suite.example", ADMIN_PASSWORD=PASSWORD
    )
    folder = {"BUSBAR_DATA_DIR": str(tmp_path / "data")}
    try:
        up.start(wait=False)
        # Also while it is still making its database.
        with ThreadPoolExecutor(2) as pool:
            early = list(pool.map(lambda name: printed(folder, "account", "create", name), ["Early", "Bird"]))
        assert {account["name"] for account in early} == {"Early", "Bird"}
        up.wait_until_ready()
        postmaster = (tmp_path / "data" / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0]
        (admin,) = printed(folder, "user", "list")
        assert (admin["email"], admin["roles"], admin["account_name"]) == (
            "admin@suite.example",
            ["admin"],
            "Administration",
        )
        assert (tmp_path / "data" / "secret-key").stat().st_mode & 0o777 == 0o600
        printed(folder, "user", "password", "admin@suite.example", "--password-stdin", stdin=PASSWORD + "8\n")
        assert printed(folder, "audit", "--limit", "1")[0]["event"] == "user:password:changed"
        # The commands have left the server that they joined alone.
        os.kill(int(postmaster), 0)
        assert up.is_ready()
        log = up.log.read_text("utf-8")
        assert PASSWORD not in log
        assert (tmp_path / "data" / "secret-key").read_text().strip() not in log
    finally:
        up.close()


def test_a_gateway_without_a_secret_key_or_with_half_an_administrator_does_not_start(tmp_path: Path) -> None:
    key, email, weak = (
        "BUSBAR_SECRET_KEY=" + "k" * 32,
        "BUSBAR_ADMIN_EMAIL=a@b.example",
        "BUSBAR_ADMIN_PASSWORD=passwordpassword",
    )
    refused = [
        ([], "BUSBAR_SECRET_KEY"),
        (["BUSBAR_SECRET_KEY=only-31-characters-and-not-more"], "at least 32"),
        ([key, email], "BUSBAR_ADMIN_PASSWORD"),
        ([key, email, weak], "common"),
    ]
    nowhere = {"BUSBAR_DATABASE_URL": "postgresql://u@127.0.0.1:1/x", "BUSBAR_BROKER_URL": "amqp://u@127.0.0.1:1/"}
    with CommandLine(nowhere) as shell:
        for lines, word in refused:
            file = tmp_path / "settings.env"
            file.write_text("\n".join(lines))
            for command in ("up", "gateway"):
                done = shell.run(command, "--port", "0", "--env-file", str(file))
                assert (done.returncode, done.stdout) == (2, ""), (command, lines)
                assert word in done.stderr and "Traceback" not in done.stderr
                assert "passwordpassword" not in done.stderr and "only-31" not in done.stderr
