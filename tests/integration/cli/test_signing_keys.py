"""``busbar signing-key`` as an operator types it."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.support.command_line import CommandLine

SECRET_KEY = "0123456789abcdef" * 2


def test_keys_are_listed_and_replaced(database_url: str) -> None:
    with CommandLine({"BUSBAR_DATABASE_URL": database_url, "BUSBAR_SECRET_KEY": SECRET_KEY}) as server:
        assert server.printed("signing-key", "list") == []
        first = server.printed("signing-key", "rotate")
        second = server.printed("signing-key", "rotate")
        third = server.printed("signing-key", "rotate", "--now")
        assert datetime.fromisoformat(second["signs_from"]) - datetime.fromisoformat(second["created_at"]) == timedelta(
            minutes=10
        )
        listed = {key["key_id"]: key for key in server.printed("signing-key", "list")}
        assert set(listed) == {first["key_id"], second["key_id"], third["key_id"]}
        now = datetime.fromisoformat(third["signs_from"])
        for old in (first, second):
            assert datetime.fromisoformat(listed[old["key_id"]]["signs_until"]) == now
            assert datetime.fromisoformat(listed[old["key_id"]]["verifies_until"]) >= now + timedelta(hours=2)
        assert listed[third["key_id"]]["signs_until"] is None
        shown = server.run("signing-key", "list")
        assert shown.returncode == 0
        assert third["key_id"] in shown.stdout


def test_to_replace_a_key_takes_the_secret_key(database_url: str) -> None:
    with CommandLine({"BUSBAR_DATABASE_URL": database_url}) as server:
        refused = server.run("signing-key", "rotate")
        assert refused.returncode == 2
        assert "BUSBAR_SECRET_KEY" in refused.stderr
