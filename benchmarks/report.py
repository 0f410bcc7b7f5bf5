"""What a benchmark reports: figures as ratios against a peer or a floor measured in the same run, and their table."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"


@dataclass(frozen=True)
class Row:
    """One figure. ``ratio`` is ours against the peer's in the sense that ``meaning`` states; None where no peer can be."""

    name: str
    ours: str
    peer: str
    ratio: float | None
    meaning: str
    target: str = ""


Benchmark = Callable[[], Sequence[Row]]


def write_results(tables: Mapping[str, Sequence[Row]], path: Path = RESULTS) -> None:
    """Replace the tables of these benchmarks in the results file; the others stay as they were."""
    kept = _read(path)
    kept.update({title: _table(rows) for title, rows in tables.items()})
    sections = [f"## {title}\n\n{body}" for title, body in sorted(kept.items())]
    path.write_text("\n\n".join([_HEAD, *sections]) + "\n", "utf-8")


_HEAD = """# Results of the benchmarks

Written by `make bench`, each table with machine and date. Judge by the ratios: ours and the peer's are measured in the same run
on the same machine, and absolute times depend on what else it does."""


def _table(rows: Sequence[Row]) -> str:
    day = datetime.now(UTC).date().isoformat()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    lines = [
        f"{day}, {machine}.",
        "",
        "| what | ours | peer or floor | ratio | the ratio is | target |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
        lines.append(f"| {row.name} | {row.ours} | {row.peer} | {ratio} | {row.meaning} | {row.target} |")
    return "\n".join(lines)


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    sections = path.read_text("utf-8").split("\n## ")[1:]
    return {title: body.strip() for title, _, body in (section.partition("\n") for section in sections)}
