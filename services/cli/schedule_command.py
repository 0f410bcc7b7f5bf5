"""``busbar schedule``: the words of the command. What it does is in ``schedule.py``, imported when it runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import AsJson, read_settings
from services.cli.usage import needs_optimizer
from shared.durations import Duration, DurationUnreadable, parse_duration


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(f"'{text}' is no moment with its offset, such as 2030-01-01T00:00:00+01:00")
    return moment


def _duration(text: str) -> Duration:
    try:
        return parse_duration(text)
    except DurationUnreadable as err:
        raise typer.BadParameter(f"'{text}' is no duration such as PT4H or P1D") from err


def schedule(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="The body of a trigger of the flexibility API, with assets, sensors and series."
        ),
    ],
    *,
    start: Annotated[
        datetime | None,
        typer.Option("--start", metavar="T", parser=_moment, help="Begin then, and not as the file says."),
    ] = None,
    duration: Annotated[
        Duration | None,
        typer.Option(
            "--duration",
            metavar="D",
            parser=_duration,
            help="Plan so long, such as P1D; two days if the file says nothing.",
        ),
    ] = None,
    resolution: Annotated[
        Duration | None,
        typer.Option("--resolution", metavar="R", parser=_duration, help="Length of a step, such as PT15M."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write what --json prints here as well.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Plan when devices take and give power for the least cost, as the flexibility API does, from one file."""
    with needs_optimizer("busbar schedule"):
        from services.cli.schedule import run_schedule
        from services.cli.schedule_result import SolverLimits
        from services.cli.schedule_site import Overrides
    settings = read_settings().settings
    limits = SolverLimits(settings.schedule_solver_limit_s, settings.schedule_mip_gap)
    run_schedule(file, Overrides(start, duration, resolution), limits, out, as_json=as_json)
