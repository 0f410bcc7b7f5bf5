"""What is said when a command cannot be run like this."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import BusbarError


class WrongUsage(BusbarError):
    """The command can't be run like this; exit status 2."""

    code = "wrong_usage"
    exit_status = 2


@contextmanager
def needs_optimizer(command: str) -> Iterator[None]:
    """Around the imports of a command that the gateway's image cannot run.

    Raises:
        WrongUsage: a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as err:
        raise WrongUsage(f"{command} needs the packages of the optimizer; {err.name} is not installed") from err
