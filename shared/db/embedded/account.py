"""Under which user PostgreSQL runs. It refuses to run as root, so root lends it an unprivileged user that exists already."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LAUNCHER = Path(__file__).with_name("launcher.py")
_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """A user and a group to change to, or None to stay who we are."""

    user_id: int | None
    group_id: int | None

    def launch(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a program under the account; it is asked to end (SIGINT) when the calling thread or its process ends."""
        ids = ["-", "-"] if self.user_id is None else [str(self.user_id), str(self.group_id)]
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), *ids, str(os.getpid())]
        return subprocess.Popen(  # noqa: S603  # our own launcher, no shell
            [*launcher, *command],
            cwd="/",
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C at the terminal is for Busbar, which ends the database last
            **options,
        )

    def owns(self, path: Path) -> bool:
        """Whether a path belongs to the account."""
        return path.stat().st_uid == (os.geteuid() if self.user_id is None else self.user_id)

    def give(self, path: Path) -> None:
        """Hand a path that root has just made to the account."""
        if self.user_id is not None and self.group_id is not None:
            os.chown(path, self.user_id, self.group_id, follow_symlinks=False)


def account_for(home: Path) -> Account:
    """The account for a cluster: whoever has it already, else an unprivileged user of this machine; ourselves if not root."""
    if os.geteuid() != 0:
        return Account(None, None)
    if home.exists() and (owner := home.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise LookupError(f"none of the users {', '.join(_CANDIDATES)} exists")
