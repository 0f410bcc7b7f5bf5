from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]

PROGRAM = """
import logging, structlog
from shared.observability.logging import configure
from shared.observability.tracing import working_on
configure({format!r}, {level!r}, service="optimizer")
log = structlog.get_logger()
log.debug("run_examined")
with working_on(correlation_id="c1", message_id="m1"):
    log.info("run_accepted", run_id=7, seconds=0.5)
def fail(password):
    raise ValueError("no good")
try:
    fail("canary-51ad")
except ValueError:
    log.exception("run_failed")
logging.getLogger("aiohttp.server").info("unasked for")
logging.getLogger("aiohttp.server").warning("told %s", "so")
log.warning("odd", value={{1, 2}}, text="\\ud800")
"""


def lines(log_format: str, level: str = "info") -> list[str]:
    program = PROGRAM.format(format=log_format, level=level)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == ""
    assert "canary-51ad" not in done.stderr
    return done.stderr.splitlines()


def test_each_event_is_one_json_object_with_the_ids_of_its_work() -> None:
    events = [json.loads(line) for line in lines("json")]
    assert [event["event"] for event in events] == ["run_accepted", "run_failed", "library_logged", "odd"]
    accepted = events[0]
    assert accepted.pop("timestamp").endswith("Z")
    assert len(accepted.pop("trace_id")) == 32
    assert accepted == {
        "event": "run_accepted",
        "level": "info",
        "service": "optimizer",
        "correlation_id": "c1",
        "message_id": "m1",
        "run_id": 7,
        "seconds": 0.5,
    }
    assert "correlation_id" not in events[1]


def test_an_error_has_its_traceback_without_local_variables() -> None:
    failed = json.loads(lines("json")[1])
    assert failed["exception"][0]["exc_type"] == "ValueError"
    assert [frame["name"] for frame in failed["exception"][0]["frames"]] == ["<module>", "fail"]


def test_libraries_speak_from_warnings_on_under_a_constant_name() -> None:
    library = json.loads(lines("json")[2])
    assert (library["message"], library["logger"], library["level"]) == ("told so", "aiohttp.server", "warning")


@pytest.mark.parametrize(("level", "count"), [("debug", 5), ("warning", 3), ("error", 1)])
def test_the_level_bounds_what_is_logged(level: str, count: int) -> None:
    assert len(lines("json", level)) == count


def test_people_get_lines_without_colours_in_a_file() -> None:
    text = "\n".join(lines("console"))
    assert "run_accepted" in text and "ValueError: no good" in text
    assert "\x1b[" not in text
