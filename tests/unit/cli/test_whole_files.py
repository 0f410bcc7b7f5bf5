"""Files of the command line are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.cli.whole_files import FileNotWritten, write_whole


def test_files_take_the_place_of_those_before(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"before")
    write_whole({old: b"after", new: b"too"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"old": b"after", "new": b"too"}


def test_what_cannot_be_written_leaves_everything_as_it_was(tmp_path: Path) -> None:
    kept, folder = tmp_path / "kept", tmp_path / "folder"
    kept.write_bytes(b"before")
    folder.mkdir()
    with pytest.raises(FileNotWritten, match=f"{folder}: cannot be written: Is a directory"):
        write_whole({kept: b"after", tmp_path / "new": b"new", folder: b""})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "kept"]
    assert kept.read_bytes() == b"before"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"before")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_whole({tmp_path / "link": b"after"})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"after"


def test_what_is_no_file_is_written_to_and_not_replaced() -> None:
    reading, writing = os.pipe()
    write_whole({Path(f"/dev/fd/{writing}"): b"said"})
    os.close(writing)
    assert os.read(reading, 9) == b"said"
    os.close(reading)
