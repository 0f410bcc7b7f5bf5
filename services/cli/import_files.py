"""The files that ``busbar import`` writes, and what it says of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import orjson

from services.cli.import_case import Case, documents_of
from services.cli.usage import WrongUsage


def write_documents(file: Path, read: Callable[[], Case], out: Path, *, as_json: bool) -> None:
    """Write the documents of the case that is read from a file to names that begin with ``out``, and print the names.

    Raises:
        WrongUsage: the file is wrong, which is said with its name, or the documents cannot be written.
    """
    try:
        documents = documents_of(read())
    except WrongUsage as err:
        said = err.message if err.message.startswith(str(file)) else f"{file}: {err.message}"
        raise WrongUsage(said) from err
    written: dict[str, str] = {}
    for kind, document in (
        ("network", documents.network),
        ("demands", documents.demands),
        ("start", documents.start),
    ):
        path = out.with_name(f"{out.name}.{kind}.json")
        try:
            path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
        except OSError as err:
            raise WrongUsage(f"{path}: cannot be written: {err.strerror}") from err
        written[kind] = str(path)
    for remark in documents.remarks:
        sys.stderr.write(f"busbar: {remark}\n")
    if as_json:
        sys.stdout.write(json.dumps({**written, "remarks": list(documents.remarks)}, indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{kind:<9}{path}\n" for kind, path in written.items()))
