"""``busbar import pandapower|simbench|matpower|csv``: the words of the commands. What they do is in ``import_*.py``, imported when one runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson
from services.cli.usage import needs_optimizer

if TYPE_CHECKING:
    from services.cli.import_case import Case

COMMAND = "busbar import"
import_ = typer.Typer(
    help="Make the documents of the reconfiguration API from other programs' networks: NAME.network.json, "
    "NAME.demands.json (one hour) and NAME.start.json (today's switches).",
    no_args_is_help=True,
)

Out = Annotated[
    Path | None, typer.Option("--out", metavar="NAME", help="Begin the names so [default: that of FILE, here].")
]
WithoutGeneration = Annotated[
    bool,
    typer.Option(
        "--without-generation", help="Leave out what feeds in beside the sources, as in an hour of highest load."
    ),
]


@import_.command("matpower")
def import_matpower(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A case of format 2, such as case33bw.m.")],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """A MATPOWER case. Every branch of one voltage level becomes a switch; those with status 0 are open."""
    with needs_optimizer(COMMAND):
        from services.cli.import_files import content_of, write_documents
        from services.cli.import_matpower import read_matpower

    def read() -> Case:
        return read_matpower(content_of(file).decode("utf-8", errors="replace"), file.stem)

    write_documents(file, read, out or Path(file.stem), as_json=as_json)


@import_.command("pandapower")
def import_pandapower(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What pandapower.to_json has written.")],
    without_generation: WithoutGeneration = False,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """A pandapower network. Lines with a switch become switches; where there are none, all lines do."""
    with needs_optimizer(COMMAND):
        from services.cli.import_files import content_of, write_documents
        from services.cli.import_pandapower import read_pandapower

    def read() -> Case:
        return read_pandapower(content_of(file), file.stem, with_generation=not without_generation)

    write_documents(file, read, out or Path(file.stem), as_json=as_json)


@import_.command("simbench")
def import_simbench(
    folder: Annotated[Path, typer.Argument(metavar="FILE", help="Folder with the tables of a grid, or its Node.csv.")],
    without_generation: WithoutGeneration = False,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """A SimBench grid at its nominal loads. Lines with a switch at an end become switches."""
    with needs_optimizer(COMMAND):
        from services.cli.import_files import write_documents
        from services.cli.import_simbench import read_simbench

    tables = folder if folder.is_dir() else folder.parent

    def read() -> Case:
        return read_simbench(tables, with_generation=not without_generation)

    write_documents(tables, read, out or Path(tables.resolve().name), as_json=as_json)


@import_.command("csv")
def import_csv(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Table of branches: branch, from_bus, to_bus, r_ohm, x_ohm, and if wanted imax_a, is_open, is_switch; "
            "without --buses also p_kw and q_kvar of the load at to_bus.",
        ),
    ],
    kv: Annotated[float, typer.Option("--kv", metavar="KV", min=1e-3, help="Nominal voltage, line to line.")],
    source: Annotated[list[str], typer.Option("--source", metavar="BUS", help="Bus that supplies; may be repeated.")],
    buses: Annotated[
        Path | None,
        typer.Option(
            "--buses",
            metavar="FILE",
            help="Table of buses: bus, p_kw, q_kvar, and if wanted v_min_pu and v_max_pu.",
        ),
    ] = None,
    source_pu: Annotated[
        float, typer.Option("--source-pu", metavar="PU", min=0.1, max=10.0, help="Voltage of the sources.")
    ] = 1.0,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """A network of one voltage level as tables with headings."""
    with needs_optimizer(COMMAND):
        from services.cli.import_csv import Supply, read_csv
        from services.cli.import_files import write_documents

    def read() -> Case:
        return read_csv(file, buses, Supply(kv, tuple(source), source_pu))

    write_documents(file, read, out or Path(file.stem), as_json=as_json)
