"""In which direction a revision lies, on a history of three."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from shared.db.migrate import UnknownRevision, check_known, is_upward


@pytest.fixture
def scripts(tmp_path: Path) -> ScriptDirectory:
    versions = tmp_path / "versions"
    versions.mkdir()
    for revision, before in (("a1", None), ("b2", "a1"), ("c3", "b2")):
        (versions / f"{revision}.py").write_text(f"revision = {revision!r}\ndown_revision = {before!r}\n")
    return ScriptDirectory(str(tmp_path))


@pytest.mark.parametrize(
    ("found", "wanted", "is_up"),
    [
        (None, "a1", True),
        (None, "b2", True),
        (None, "head", True),
        (None, "base", True),
        ("a1", "b2", True),
        ("a1", "a1", True),
        ("c3", "head", True),
        ("c3", "b2", False),
        ("c3", "a1", False),
        ("b2", "base", False),
    ],
)
def test_the_order_of_revisions_decides_whether_a_database_goes_up_or_down(
    scripts: ScriptDirectory, found: str | None, wanted: str, is_up: bool
) -> None:
    assert is_upward(scripts, found, wanted) is is_up


def test_an_unknown_revision_is_refused_with_those_that_there_are(scripts: ScriptDirectory) -> None:
    with pytest.raises(UnknownRevision, match=r"no revision 'd4'; there are: base, a1, b2, c3, head"):
        is_upward(scripts, "a1", "d4")
    with pytest.raises(UnknownRevision, match="no revision '0'"):
        check_known("0")


def test_a_database_of_a_newer_program_is_left_alone(scripts: ScriptDirectory) -> None:
    with pytest.raises(UnknownRevision, match="at revision d4, which belongs to a newer Busbar"):
        is_upward(scripts, "d4", "head")
