"""Files that commands write: whole, or as they were before."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from shared.errors import BusbarError


class FileNotWritten(BusbarError):
    """A result cannot be written where it should; exit status 1."""

    code = "file_not_written"


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """Write files. All are on the disk under other names before the first takes its own, so that a full disk leaves none.

    Raises:
        FileNotWritten: the disk is full, or a place is not to be written to.
    """
    with contextlib.ExitStack() as leftovers:
        ready: dict[Path, Path] = {}
        for path, content in contents.items():
            # What is there and no file, such as /dev/stdout, is written to and not replaced.
            is_replaced = path.is_file() or not path.exists()
            target = path.resolve() if is_replaced else path  # a link stays one
            beside = target.with_name(f".{target.name}.{os.getpid()}") if is_replaced else path
            with _named(path):
                if is_replaced:
                    leftovers.callback(beside.unlink, missing_ok=True)
                    ready[target] = beside
                beside.write_bytes(content)
        for target, beside in ready.items():
            with _named(target):
                beside.replace(target)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise FileNotWritten(f"{path}: cannot be written: {err.strerror}") from err
