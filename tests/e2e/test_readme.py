"""What the README tells a newcomer to paste works when pasted."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from services.cli.demo.command import running_busbar

ROOT = Path(__file__).parents[2]


def curl_session() -> str:
    blocks = re.findall(r"<!-- curl session[^>]*-->\n```bash\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    assert len(blocks) == 1
    return str(blocks[0])


@pytest.mark.timeout(180)
def test_the_curl_session_works_when_pasted() -> None:
    with running_busbar() as url:
        script = curl_session().replace("http://127.0.0.1:8000", url)
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
