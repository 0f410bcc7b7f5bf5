"""``busbar optimise``: the words of the command. What it does is in ``optimise.py``, imported when it runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import AsJson, read_settings
from services.cli.usage import needs_optimizer

DEFAULT_MINUTES = 10.0


def _number(text: str) -> float:
    """A number of zero or more; also without end, which is none of the texts that a comparison would catch."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number >= 0.0:
        raise typer.BadParameter(f"'{text}' is no number of zero or more")
    return number


def optimise(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="Network document of the reconfiguration API.")],
    demands: Annotated[Path, typer.Argument(metavar="DEMANDS", help="Demand document for its consumers.")],
    *,
    start: Annotated[
        Path | None,
        typer.Option("--start", metavar="CONFIGURATION", help="Switch settings before the first period."),
    ] = None,
    minutes: Annotated[
        float, typer.Option("--minutes", metavar="M", parser=_number, help="End after so long; inf for no limit.")
    ] = DEFAULT_MINUTES,
    gap: Annotated[
        float,
        typer.Option(
            "--gap",
            metavar="G",
            parser=_number,
            help="End when no solution can be better by more than this fraction; 0.0001 is 0.01 %. "
            "With 0 only when none can be better.",
        ),
    ] = 0.0,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, max=2**63 - 1, help="Of the search; the same finds the same.")
    ] = 0,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="N",
            min=1,
            help="Threads to use at most: in one, search and proof take turns; in two, they do not; all others search, too. "
            "Default: two, on a single processor one.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", metavar="FILE", help="Weights of objectives, as the API takes them; others keep theirs."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the solution document of the API here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find which switches to open for the least loss, with proof where that is possible. Ctrl-C ends it with the best so far."""
    with needs_optimizer("busbar optimise"):
        from services.cli.optimise import Limits, run_optimise
        from services.cli.optimise_inputs import Files
    settings = read_settings().settings
    limits = Limits(minutes=minutes, gap=gap, seed=seed, threads=threads or settings.optimizer_threads_per_run)
    files = Files(network=network, demands=demands, start=start, weights=weights)
    run_optimise(files, limits, settings.enumeration_limit, out, as_json=as_json)
