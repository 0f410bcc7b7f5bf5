"""The file that ``busbar import`` reads and those that it writes, and what it says of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import orjson

from services.cli.import_case import Case, documents_of
from services.cli.usage import WrongUsage
from services.cli.whole_files import write_whole


def content_of(file: Path) -> bytes:
    """What is in a file.

    Raises:
        WrongUsage: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as err:
        raise WrongUsage(f"cannot be read: {err.strerror}") from err


def write_documents(file: Path, read: Callable[[], Case], out: Path, *, as_json: bool) -> None:
    """Write the documents of the case that is read from a file to names that begin with ``out``, and print the names.

    Raises:
        WrongUsage: the file is wrong, which is said with its name, or ``out`` is no beginning of names in a folder.
        FileNotWritten: the documents cannot be written; then none is.
    """
    if out.name in {"", ".."} or not out.parent.is_dir():
        raise WrongUsage(f"{out}: --out wants the beginning of names in a folder that is there")
    try:
        documents = documents_of(read())
    except WrongUsage as err:
        said = err.message if err.message.startswith(str(file)) else f"{file}: {err.message}"
        raise WrongUsage(said) from err
    contents = {"network": documents.network, "demands": documents.demands, "start": documents.start}
    paths = {kind: out.with_name(f"{out.name}.{kind}.json") for kind in contents}
    write_whole({paths[kind]: orjson.dumps(one, option=orjson.OPT_INDENT_2) + b"\n" for kind, one in contents.items()})
    for remark in documents.remarks:
        sys.stderr.write(f"busbar: {remark}\n")
    written = {kind: str(path) for kind, path in paths.items()}
    if as_json:
        sys.stdout.write(json.dumps({**written, "remarks": list(documents.remarks)}, indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{kind:<9}{path}\n" for kind, path in written.items()))
