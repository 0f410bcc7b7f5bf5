"""What is said when a command cannot be run like this."""

from __future__ import annotations

from shared.errors import BusbarError


class WrongUsage(BusbarError):
    """The command can't be run like this; exit status 2."""

    code = "wrong_usage"
    exit_status = 2
