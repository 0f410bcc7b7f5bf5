from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from shared.settings import Settings, SettingsError
from shared.settings_reading import NOT_YET, LoadedSettings, describe, load

CANARY = "canary-9f2c"


def loaded(env: Mapping[str, str] | None = None, **overrides: object) -> LoadedSettings:
    return load({"HOME": "/home/somebody"} | dict(env or {}), None, overrides)


def complaint(env: Mapping[str, str], env_file: Path | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(env, env_file, {})
    assert caught.value.exit_status == 2
    return caught.value.message


def test_everything_has_a_default_that_works_on_a_laptop() -> None:
    settings = loaded().settings
    assert (settings.host, settings.port, settings.ops_port) == ("127.0.0.1", 8000, None)
    assert (settings.database_url, settings.broker_url) == (None, None)
    assert settings.data_dir == Path("/home/somebody/.local/share/busbar")
    assert (settings.lease_ttl_s, settings.heartbeat_s, settings.ask_deadline_s) == (6.0, 2.0, 30.0)
    assert (settings.max_json_body_bytes, settings.max_document_bytes) == (1_048_576, 1_073_741_824)
    assert (settings.worker_memory_bytes, settings.enumeration_limit) == (4_294_967_296, 2_000_000)
    assert settings.optimizer_processes >= 1
    assert settings.optimizer_threads_per_run == (2 if settings.optimizer_processes > 2 else 1)
    assert (settings.reconfiguration_open, settings.allow_open_network, settings.pgo_multi_user) == (None, False, False)


def test_the_data_folder_follows_the_desktop_standard() -> None:
    assert loaded({"XDG_DATA_HOME": "/data"}).settings.data_dir == Path("/data/busbar")


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    env_file = tmp_path / "busbar.env"
    env_file.write_text("# ports\nBUSBAR_PORT=1111\nexport BUSBAR_OPS_PORT='2222'\nBUSBAR_HOST=\"::1\"\nOTHER=x\n")
    found = load({"BUSBAR_PORT": "3333", "BUSBAR_LOG_LEVEL": "debug"}, env_file, {"log_level": "error"})
    assert (found.settings.port, found.settings.ops_port, found.settings.host) == (3333, 2222, "::1")
    assert found.settings.log_level == "error"
    origins = {name: found.origins[name] for name in ("port", "ops_port", "log_level", "broker_prefix")}
    assert origins == {
        "port": "environment",
        "ops_port": f"file {env_file}",
        "log_level": "command line",
        "broker_prefix": "default",
    }


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("BUSBAR_DATABASE_ULR", "BUSBAR_DATABASE_URL"),
        ("BUSBAR_prot", "BUSBAR_PORT"),
        ("BUSBAR_SECRET_KEY_FIL", "BUSBAR_SECRET_KEY_FILE"),
        ("BUSBAR_PORT_FILE", "BUSBAR_PORT"),
        ("BUSBAR_", "BUSBAR_"),
    ],
)
def test_an_unknown_name_stops_the_start_and_suggests_the_nearest(wrong: str, right: str) -> None:
    said = complaint({wrong: "1"})
    assert f"no setting {wrong}; did you mean {right}" in said


def test_documented_names_of_parts_to_come_do_not_stop_the_start_and_are_told(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("BUSBAR_STORAGE_ROOT=/data\nBUSBAR_STORAGE_BACKEND=\n")
    env = {"BUSBAR_MAX_OBJECT_BYTES": "10"}
    found = load(env, tmp_path / "env", {})
    assert found.without_effect == ("BUSBAR_MAX_OBJECT_BYTES", "BUSBAR_STORAGE_ROOT")
    assert found.settings == load({}, None, {}).settings


def test_limits_of_triggers_are_numbers_or_none_and_plans_have_their_own() -> None:
    found = loaded({"BUSBAR_FLEXIBILITY_TRIGGERS_PER_5_MINUTES": "unlimited"}).settings
    assert found.flexibility_triggers_per_5_minutes == 0
    found = loaded({"BUSBAR_FLEXIBILITY_PLANS": "2=2000/100, 3=unlimited/0"}).settings
    assert found.flexibility_plans == {2: (2000, 100), 3: (0, 0)}
    assert found.flexibility_triggers_per_5_minutes == 10
    for wrong in ("2", "2=5", "x=1/2", "2=1/many", "2=-1/2"):
        assert "BUSBAR_FLEXIBILITY_PLANS" in complaint({"BUSBAR_FLEXIBILITY_PLANS": wrong})


def test_a_name_is_either_a_setting_or_still_to_come() -> None:
    assert {f"BUSBAR_{name.upper()}" for name in Settings.model_fields}.isdisjoint(NOT_YET)
    assert loaded({"BUSBAR_PORT": "1"}).without_effect == ()


def test_an_unknown_name_in_a_file_stops_the_start_too(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("BUSBAR_HOTS=x\n")
    assert "BUSBAR_HOST" in complaint({}, tmp_path / "env")


def test_names_of_the_tests_are_no_settings() -> None:
    assert loaded({"BUSBAR_TEST_DATABASE_URL": "postgresql://x"}).settings.database_url is None


def test_an_empty_value_is_as_good_as_none() -> None:
    found = loaded({"BUSBAR_DATABASE_URL": "", "BUSBAR_PORT": ""})
    assert (found.settings.database_url, found.settings.port) == (None, 8000)
    assert found.origins["database_url"] == "default"


def test_all_faults_are_named_at_once_by_their_names_in_the_environment() -> None:
    said = complaint({"BUSBAR_PORT": "70000", "BUSBAR_LOG_FORMAT": "xml", "BUSBAR_LEASE_TTL_S": "nan"})
    assert [name for name in ("BUSBAR_PORT", "BUSBAR_LOG_FORMAT", "BUSBAR_LEASE_TTL_S") if name not in said] == []


def test_secrets_are_never_printed(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(f"{CANARY}-key\r\n")
    found = loaded(
        {
            "BUSBAR_DATABASE_URL": f"postgresql://busbar:{CANARY}@db:5432/busbar?sslmode=require&sslpassword={CANARY}",
            "BUSBAR_BROKER_URL": f"amqp://busbar:{CANARY}@mq/%2Fgrid",
            "BUSBAR_ADMIN_PASSWORD": CANARY,
            "BUSBAR_SECRET_KEY_FILE": str(key_file),
        }
    )
    assert found.settings.secret_key == SecretStr(f"{CANARY}-key")
    shown = {name: value for name, value, _, _ in describe(found)}
    assert CANARY not in str(shown) + repr(found) + str(found.settings)
    assert shown["BUSBAR_DATABASE_URL"] == "postgresql://busbar:****@db:5432/busbar?sslmode=require&sslpassword=****"
    assert shown["BUSBAR_BROKER_URL"] == "amqp://busbar:****@mq/%2Fgrid"
    assert (shown["BUSBAR_ADMIN_PASSWORD"], shown["BUSBAR_SECRET_KEY"]) == ("****", "****")
    assert found.origins["secret_key"] == f"environment, file {key_file}"


def test_a_complaint_does_not_repeat_a_secret(tmp_path: Path) -> None:
    assert CANARY not in complaint({"BUSBAR_DATABASE_URL": f"mysql://busbar:{CANARY}@db/x"})
    assert CANARY not in complaint({"BUSBAR_DATABASE_URL": f"postgresql://u:{CANARY}@db/x", "BUSBAR_PORT": "x"})


def test_a_secret_given_twice_or_in_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    given = {"BUSBAR_SECRET_KEY": "a", "BUSBAR_SECRET_KEY_FILE": str(tmp_path / "absent")}
    assert "twice" in complaint(given)
    assert "absent" in complaint({"BUSBAR_SECRET_KEY_FILE": str(tmp_path / "absent")})
    assert "no settings file" in complaint({}, tmp_path / "absent")


@pytest.mark.parametrize(("text", "is_on"), [("True", True), ("False", False), ("", False)])
def test_multi_user_mode_has_one_exact_spelling(text: str, is_on: bool) -> None:
    assert loaded({"BUSBAR_PGO_MULTI_USER": text}).settings.pgo_multi_user is is_on


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "on"])
def test_another_spelling_of_multi_user_mode_stops_the_start_rather_than_share_everything(text: str) -> None:
    assert "exactly True" in complaint({"BUSBAR_PGO_MULTI_USER": text})


@pytest.mark.parametrize(
    ("text", "path"), [("", ""), ("/", ""), ("/grid", "/grid"), ("grid/", "/grid"), ("/a/b/", "/a/b")]
)
def test_the_path_base_begins_with_a_slash_and_does_not_end_with_one(text: str, path: str) -> None:
    assert loaded({"BUSBAR_PATH_BASE": text}).settings.path_base == path


def test_trusted_proxies_are_addresses_and_networks() -> None:
    found = loaded({"BUSBAR_TRUSTED_PROXIES": "10.0.0.0/8, 192.168.1.1,fd00::/8"})
    assert found.settings.trusted_proxies == (
        IPv4Network("10.0.0.0/8"),
        IPv4Network("192.168.1.1/32"),
        IPv6Network("fd00::/8"),
    )
    shown = {name: value for name, value, _, _ in describe(found)}
    assert shown["BUSBAR_TRUSTED_PROXIES"] == "10.0.0.0/8,192.168.1.1/32,fd00::/8"
    assert "BUSBAR_TRUSTED_PROXIES" in complaint({"BUSBAR_TRUSTED_PROXIES": "proxy.example"})


def test_a_lease_outlives_two_missed_heartbeats() -> None:
    assert "a third" in complaint({"BUSBAR_HEARTBEAT_S": "2.5"})
    assert loaded({"BUSBAR_HEARTBEAT_S": "2.5", "BUSBAR_LEASE_TTL_S": "8"}).settings.heartbeat_s == 2.5


@pytest.mark.parametrize("name", ["BUSBAR_DATABASE_URL", "BUSBAR_BROKER_URL"])
def test_addresses_of_servers_name_the_right_protocol(name: str) -> None:
    assert f"{name} must begin with" in complaint({name: "http://somewhere"})


def test_settings_do_not_change_after_the_start() -> None:
    with pytest.raises(ValidationError):
        loaded().settings.port = 1


def test_every_setting_says_what_it_means() -> None:
    silent = [name for name, _, _, meaning in describe(loaded()) if len(meaning) < 20 or not meaning.endswith(".")]
    assert silent == []
    assert [name for name, _, _, _ in describe(loaded())] == [
        f"BUSBAR_{name.upper()}" for name in Settings.model_fields
    ]


@pytest.mark.parametrize("given", [{"BUSBAR_TLS_CERT": "c.pem"}, {"BUSBAR_TLS_KEY": "k.pem"}])
def test_a_certificate_and_its_key_belong_together(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="BUSBAR_TLS_CERT and BUSBAR_TLS_KEY belong together"):
        load(given, None, {})
