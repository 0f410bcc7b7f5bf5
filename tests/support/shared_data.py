"""Published grids and recorded exchanges that may lie beside a checkout, or where BUSBAR_TEST_SHARED_DATA says; tests do without where they are absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_data(relative: str) -> Path:
    """A file or folder there; the test is skipped where it is absent."""
    folder = os.environ.get("BUSBAR_TEST_SHARED_DATA")
    path = Path(folder) / relative if folder else Path(__file__).resolve().parents[3] / "shared" / "data" / relative
    if not path.exists():
        pytest.skip(f"needs {relative}, which is not part of the project")
    return path
