"""What the README tells a newcomer to paste works when pasted."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from services.cli.demo.command import running_busbar

ROOT = Path(__file__).parents[2]


def session(name: str) -> str:
    readme = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(rf"<!-- {name} session[^>]*-->\n```bash\n(.*?)```", readme, re.S)
    assert len(blocks) == 1
    return str(blocks[0])


@pytest.mark.timeout(180)
def test_the_curl_session_works_when_pasted() -> None:
    with running_busbar() as url:
        script = session("curl").replace("http://127.0.0.1:8000", url)
        assert url in script
        # As a person pastes it: each command runs whatever the one before it did; failures show in the output.
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
        )
    output = done.stdout
    assert done.stderr == ""
    assert '{"id":"feeder"}' in output
    assert "Number of nodes = 33" in output
    assert '{"id":"today"}' in output
    assert '"proof":"enumerated"' in output and '"is_optimal":true' in output
    opened = re.search(r'"objective_value":([\d.]+)', output)
    assert opened is not None and abs(float(opened.group(1)) / 1000 - 139.551) < 0.01


@pytest.mark.timeout(180)
def test_the_first_schedule_works_when_pasted(tmp_path: Path) -> None:
    with running_busbar(tmp_path / "data") as url:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BUSBAR_")}
        done = subprocess.run(
            ["bash", "-c", session("flexibility")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=environment | {"BUSBAR": url, "BUSBAR_DATA_DIR": str(tmp_path / "data")},
        )
    assert done.stderr == ""
    schedule = json.loads(done.stdout.splitlines()[-1])
    assert "values" in schedule, done.stdout
    assert schedule["values"] == pytest.approx([100, -100, 100, -100], abs=1e-4)
    assert schedule["scheduler_info"]["commitment_costs"]["electricity net energy"] == pytest.approx(-8)
