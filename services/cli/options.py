"""Options that several commands share, and how a command reads its settings."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

if TYPE_CHECKING:
    from services.cli.acts import Act

C = TypeVar("C", bound="Callable[..., Act]")  # ...: each has options of its own

EnvFile = Annotated[Path | None, typer.Option("--env-file", help="Read BUSBAR_* settings from a file as well.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder for all data of the embedded default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")]
OfAccount = Annotated[str | None, typer.Option("--account", metavar="NAME", help="Only those of this account.")]

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST_DAYS = 36500


def duration(text: str) -> timedelta:
    """A span of time such as 90d, 24h, 30m."""
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhdw])", text)
    span = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if span is None or span.days > _LONGEST_DAYS:
        raise typer.BadParameter(f"'{text}' is no span of time; expected a number with s, m, h, d or w, such as 90d")
    return span


def read_settings(env_file: Path | None = None, **overrides: Any) -> Any:
    """The settings of a command, with what its options say, and where each came from; logs go to standard error."""
    # Any: the settings module is imported late, and typed where it is used.
    import structlog

    from shared.observability.logging import configure
    from shared.settings_reading import load

    given = {name: value for name, value in overrides.items() if value is not None}
    loaded = load(os.environ, env_file, given)
    # Standard output is for results, so logs of every command go to standard error; services then set their own level.
    configure(loaded.settings.log_format, "warning", service="cli")
    if loaded.without_effect:
        structlog.get_logger().warning("settings_without_effect", names=loaded.without_effect)
    return loaded


def act_command(app: typer.Typer, name: str) -> Callable[[C], C]:
    """Make a command of a function that gives an act: it has the function's options and those of all such commands, and runs the act."""

    def add(give_act: C) -> C:
        def command(
            *, as_json: AsJson = False, data_dir: DataDir = None, env_file: EnvFile = None, **given: Any
        ) -> None:  # Any: as the function's own options give them
            from services.cli import acts

            acts.run(read_settings(env_file, data_dir=data_dir).settings, give_act(**given), as_json=as_json)

        own, common = _parameters(give_act), _parameters(command)
        common.pop("given")
        command.__annotations__ = {one.name: one.annotation for one in (*own.values(), *common.values())}
        command.__signature__ = inspect.Signature([*own.values(), *common.values()])  # type: ignore[attr-defined]
        command.__doc__ = give_act.__doc__
        app.command(name)(command)
        return give_act

    return add


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """A function's parameters, for keywords alone, with what their annotations mean."""
    # What it returns is no option, and its type is not imported.
    hints = get_type_hints(function, localns={"Act": None}, include_extras=True)
    return {
        name: one.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, one in inspect.signature(function).parameters.items()
    }
