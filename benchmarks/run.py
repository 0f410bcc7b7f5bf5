"""``python -m benchmarks.run [NAME …]``: runs the benchmarks, prints their tables, keeps them in RESULTS.md.

``--cases FOLDER`` adds systems whose files lie elsewhere (``case_files``); ``--quick`` measures little and keeps nothing: whether
everything still works.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks.case_files import VARIABLE
from benchmarks.cases import QUICK
from benchmarks.report import Benchmark, Row, write_results


def main(arguments: Sequence[str]) -> int:
    """Run those named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--cases", metavar="FOLDER")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    if given.cases:
        os.environ[VARIABLE] = given.cases
    if given.quick:
        os.environ[QUICK] = "1"
    found = discovered()
    unknown = set(given.names) - set(found)
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(found)}", file=sys.stderr)
        return 2
    for name in given.names or found:
        print(f"running {name} …", file=sys.stderr, flush=True)
        rows = found[name]()
        _print(name, rows)
        if not given.quick:
            write_results({name: rows})
    return 0


def discovered() -> dict[str, Benchmark]:
    """Every module of this package that has a ``run``, by its name."""
    modules = (
        importlib.import_module(f"benchmarks.{info.name}")
        for info in pkgutil.iter_modules(benchmarks.__path__)
        if info.name not in {"run", "report"}
    )
    return {module.__name__.removeprefix("benchmarks."): module.run for module in modules if hasattr(module, "run")}


def _print(name: str, rows: Sequence[Row]) -> None:
    table = Table("what", "ours", "peer or floor", "ratio", "the ratio is", "target", title=name)
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
        table.add_row(row.name, row.ours, row.peer, ratio, row.meaning, row.target)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
