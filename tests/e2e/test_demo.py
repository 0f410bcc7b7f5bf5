"""`busbar demo` proves what it prints, and leaves a picture and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(180)
def test_the_demo_proves_the_33_bus_feeder(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "demo", "--report", str(report)],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert re.search(r"Open switches after\s+7, 9, 14, 32, 37\n", done.stdout)
    assert re.search(r"Loss before\s+202\.68 kW", done.stdout)
    assert re.search(r"Loss after\s+139\.55 kW", done.stdout)
    assert re.search(r"Certified gap\s+0\.0000 % \(proof: enumerated\)", done.stdout)
    assert done.stdout.count("bus ") >= 33
    page = report.read_text("utf-8")
    assert str(report) in done.stdout
    assert "<script" not in page and "http" not in page
    assert page.count("<svg") == 4
