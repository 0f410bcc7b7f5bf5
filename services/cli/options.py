"""Options that several commands share, and how a command reads its settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

EnvFile = Annotated[Path | None, typer.Option("--env-file", help="Read BUSBAR_* settings from a file as well.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder for all data of the embedded default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")]


def read_settings(env_file: Path | None = None, **overrides: Any) -> Any:
    """The settings of a command, with what its options say, and where each came from; logs go to standard error."""
    # Any: the settings module is imported late, and typed where it is used.
    from shared.observability.logging import configure
    from shared.settings import load

    given = {name: value for name, value in overrides.items() if value is not None}
    loaded = load(os.environ, env_file, given)
    # Standard output is for results, so logs of every command go to standard error; services then set their own level.
    configure(loaded.settings.log_format, "warning", service="cli")
    return loaded
