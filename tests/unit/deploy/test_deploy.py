"""What operators deploy fits what is in the project: names, commands, targets and metrics exist, and no password is written down."""

from __future__ import annotations

import configparser
import fnmatch
import importlib.util
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import typer
import yaml

from services.cli.main import app
from services.cli.up import SERVICES
from shared.settings import Settings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
UNITS = sorted((DEPLOY / "systemd").iterdir())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text("utf-8"))
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))

Tree = Any  # whatever a YAML or JSON document holds


def service_names() -> list[str]:
    return sorted(COMPOSE["services"])


def commands() -> set[str]:
    group = typer.main.get_command(app)
    return set(group.commands)  # type: ignore[attr-defined]  # a group has commands


def known_metrics() -> set[str]:
    """Every name under which a service's metrics are scraped."""
    for package in (
        "shared.observability.metrics",
        "services.gateway.metrics",
        "services.optimizer.metrics",
        "services.telemetry.metrics",
    ):
        if importlib.util.find_spec(package):
            importlib.import_module(package)
    names = set()
    for family in prometheus_client.REGISTRY.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
        names |= {family.name + suffix for suffix in suffixes}
    return names


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\bbusbar_[a-z0-9_]+", expression))


def rules() -> list[Tree]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def test_every_deployable_file_can_be_read() -> None:
    for path in DEPLOY.rglob("*"):
        if path.suffix in {".yml", ".yaml"}:
            assert yaml.safe_load(path.read_text("utf-8")), path
        if path.suffix == ".json":
            assert json.loads(path.read_text("utf-8")), path


# ------------------------------------------------------------------ compose


@pytest.mark.parametrize("name", service_names())
def test_service_says_how_its_health_is_found_and_comes_back_by_itself(name: str) -> None:
    service = COMPOSE["services"][name]
    health = service["healthcheck"]
    is_one_shot = health.get("disable") is True
    assert is_one_shot == (name == "migrate")
    if not is_one_shot:
        assert health["test"][0] == "CMD" and health["retries"] and health["timeout"] and health["start_period"]
    assert service["restart"] in {"unless-stopped", "on-failure"}


@pytest.mark.parametrize("name", service_names())
def test_image_is_pinned(name: str) -> None:
    image = COMPOSE["services"][name]["image"]
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-\w+)?", image), image


@pytest.mark.parametrize("name", ["gateway", "optimizer", "telemetry", "migrate"])
def test_our_service_is_built_from_a_target_and_confined(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["build"]["dockerfile"] == "deploy/Dockerfile"
    assert service["build"]["target"] in targets()
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and service["init"] is True


def test_every_service_that_can_be_started_is_in_the_stack() -> None:
    assert set(SERVICES) <= set(COMPOSE["services"])


@pytest.mark.parametrize("name", [*SERVICES, "migrate"])
def test_services_wait_for_what_they_need(name: str) -> None:
    waits = {needed: how["condition"] for needed, how in COMPOSE["services"][name]["depends_on"].items()}
    expected = {"postgres": "service_healthy"}
    if name != "migrate":
        expected |= {"rabbitmq": "service_healthy", "migrate": "service_completed_successfully"}
    assert waits == expected


@pytest.mark.parametrize("name", service_names())
def test_settings_exist(name: str) -> None:
    given = [key for key in COMPOSE["services"][name].get("environment", {}) if key.startswith("BUSBAR_")]
    assert {key.removeprefix("BUSBAR_").lower() for key in given} <= set(Settings.model_fields)


def test_what_is_published_is_reachable_from_this_machine_only() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_mounted_files_exist() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"], volume


# ------------------------------------------------------------------ secrets


def test_no_password_is_written_down() -> None:
    files = [
        ROOT / "docker-compose.yml",
        *(path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".lock"),
    ]
    for path in files:
        text = re.sub(r"\$\{[^}]*\}", "${}", path.read_text("utf-8"))
        for number, line in enumerate(text.splitlines(), 1):
            for value in re.findall(
                r"(?i)[\w]*(?:password|passwd|_pass|secret)(?!_encryption)\w*\s*[:=]\s*(\S+)", line.partition("#")[0]
            ):
                assert value.strip('"').startswith("${"), f"{path.name}:{number}: {line}"
            for secret in re.findall(r"://[^\s:/@]+:([^@\s]+)@", line):
                assert secret.startswith("${") or secret == "…", f"{path.name}:{number}: {line}"


def test_every_password_must_be_given() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    wanted = set(re.findall(r"\$\{(\w+):\?", text))
    asked = dict(
        line.split("=", 1)
        for line in (DEPLOY / "env.example").read_text("utf-8").splitlines()
        if "=" in line and line[0] != "#"
    )
    assert set(asked) == wanted
    assert not any(asked.values())
    for name in re.findall(r"\$\{(\w*(?:PASS|SECRET)\w*)", text):
        assert name in wanted


def test_the_file_with_passwords_is_never_committed() -> None:
    assert subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=ROOT, check=False).returncode == 0


# ------------------------------------------------------------------ images


def targets() -> set[str]:
    return set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.M))


def test_every_base_image_is_pinned_or_built_here() -> None:
    for base in re.findall(r"^FROM (\S+)", DOCKERFILE, re.M):
        assert base in targets() or re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+-[\w-]+", base), base


@pytest.mark.parametrize("name", list(SERVICES))
def test_image_runs_a_command_that_exists_as_an_ordinary_user(name: str) -> None:
    stage = re.split(r"^FROM ", DOCKERFILE.partition(f"AS {name}\n")[2], flags=re.M)[0]
    assert re.search(r"^USER (?!root|0)", stage, re.M)
    command = json.loads(re.search(r"^CMD (\[.*\])$", stage, re.M).group(1))  # type: ignore[union-attr]
    assert command == ["busbar", name]
    assert name in commands()


def test_everything_the_image_copies_is_sent_to_the_builder() -> None:
    patterns = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    copied = [source for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.M) for source in line.split()[:-1]]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in patterns), source


def test_modules_that_an_image_runs_exist() -> None:
    for module in re.findall(r"python -m (services\S+)", DOCKERFILE):
        assert importlib.util.find_spec(module), module


def test_an_installed_copy_has_every_file_of_the_checkout() -> None:
    packaging = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    patterns = packaging["package-data"]["*"]
    listed = subprocess.run(
        ["git", "ls-files", "services", "shared"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for path in map(Path, listed.stdout.splitlines()):
        if path.suffix == ".ini":
            continue  # steers the developers' command for a new migration, which a checkout is needed for
        package = next(folder for folder in path.parents if (ROOT / folder / "__init__.py").exists())
        inside = path.relative_to(package)
        is_module = path.suffix == ".py" and package == path.parent
        assert is_module or any(_is_matched(inside, Path(pattern)) for pattern in patterns), path


def _is_matched(path: Path, pattern: Path) -> bool:
    """As setuptools does it: a star stays within one folder."""
    return len(path.parts) == len(pattern.parts) and all(map(fnmatch.fnmatch, path.parts, pattern.parts))


# ------------------------------------------------------------------ monitoring


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_alert_watches_metrics_that_exist_and_says_what_to_do(rule: Tree) -> None:
    assert metrics_in(rule["expr"]) <= known_metrics()
    assert metrics_in(rule["expr"]) or "up{" in rule["expr"]
    assert {"promise", "summary", "action"} <= set(rule["annotations"])
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["expr"].count("(") == rule["expr"].count(")")


def test_alerts_have_names_of_their_own() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboard_shows_metrics_that_exist(path: Path) -> None:
    panels = [panel for panel in json.loads(path.read_text("utf-8"))["panels"] if panel["type"] != "row"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(expressions) >= len(panels) > 0
    for expression in expressions:
        assert metrics_in(expression) and metrics_in(expression) <= known_metrics(), expression
        assert expression.count("(") == expression.count(")"), expression


def test_the_first_dashboard_answers_the_four_questions() -> None:
    overview = json.loads((DEPLOY / "grafana" / "dashboards" / "overview.json").read_text("utf-8"))
    rows = [panel["title"] for panel in overview["panels"] if panel["type"] == "row"]
    assert rows == ["Is work arriving?", "Is it finishing?", "Is it failing?", "Is it waiting?"]


def test_how_work_ends_and_how_long_it_takes_is_shown_and_watched() -> None:
    overview = (DEPLOY / "grafana" / "dashboards" / "overview.json").read_text("utf-8")
    ends = {name for name in known_metrics() if re.match(r"busbar_(optimizer|telemetry)_ended_", name)}
    assert len(ends) >= 3 and ends <= metrics_in(overview)
    watched = set().union(*(metrics_in(rule["expr"]) for rule in rules()))
    deaths = {name for name in known_metrics() if name.endswith("_child_deaths_total")}
    assert len(deaths) >= 2 and deaths <= watched & metrics_in(overview)
    assert "busbar_optimizer_job_seconds_bucket" in watched & metrics_in(overview)


def test_every_service_is_scraped_and_watched() -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert {job["job_name"] for job in scraped["scrape_configs"]} >= set(SERVICES)
    assert scraped["rule_files"] == ["/etc/prometheus/alerts.yml"]


# ------------------------------------------------------------------ systemd


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_runs_a_command_that_exists_and_is_given_time_to_end(unit: Path) -> None:
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names in units are case-sensitive
    parser.read(unit)
    service = parser["Service"]
    binary, command, *_ = service["ExecStart"].split()
    assert binary == "/opt/busbar/.venv/bin/busbar"
    assert command in commands()
    assert service["User"] == "busbar" and service["NoNewPrivileges"] == "yes" and service["ProtectSystem"] == "strict"
    if service["Type"] != "oneshot":
        # A process may take 10 s to end.
        assert int(service["TimeoutStopSec"]) > 10
        assert service["Restart"] == "always"


def test_every_service_has_a_unit() -> None:
    names = {unit.name.partition(".")[0].rstrip("@") for unit in UNITS}
    assert names == {"busbar", "busbar-migrate", *(f"busbar-{name}" for name in SERVICES)}
