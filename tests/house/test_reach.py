"""Who may look across accounts. A request handler or a message handler reaches one account; what is listed here serves them all."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A module, or a package for all of its modules, and why it needs more than one account.
ACROSS_ACCOUNTS = {
    "services/cli/": "the command line administers the installation",
    **dict.fromkeys(
        (f"services/gateway/auth/{name}.py" for name in ("attempts", "key_ring", "last_use", "rate_limits")),
        "counters, keys and times of the installation",
    ),
    "services/gateway/auth/sign_in.py": "whose a name or a session is, is not known before it is found",
    "services/gateway/auth/verifier.py": "whose a credential is, is not known before it is found",
    "services/gateway/web/": "signing in, the same",
    "services/gateway/dialects/administration/": "administrators of the site",
    # Its contract tells somebody else's asset from one that is not there, and things may be public.
    "services/gateway/dialects/flexibility/": "consultants for their clients, administrators of the site, and what is public",
    "services/gateway/dialects/line_telemetry/token_endpoint.py": "whose a client is, is not known before it is found",
    "services/gateway/dialects/line_telemetry/clients.py": "administrators of the site",
    "services/gateway/dialects/reconfiguration/expiry.py": "the sweep of what has expired",
    "services/gateway/housekeeping.py": "sweeps",
    "services/optimizer/flexibility/overdue.py": "the sweep of jobs that nobody will end",
    "services/optimizer/flexibility/series.py": "schedules and forecasts read what is public, and what consultants lend their clients",
    "services/optimizer/run_supervisor.py": "heartbeat, watch and sweep serve the runs of all accounts together",
    "services/telemetry/": "takes what waits of all accounts together, each with the account of its sensor",
    "shared/bus/relay.py": "publishes everybody's messages",
    "shared/bus/inprocess.py": "is a broker",
    "shared/bus/runner.py": "asks whether the database answers",
    "shared/db/engine.py": "the same",
    "shared/db/presence.py": "processes belong to no account",
    "shared/db/reach.py": "tells the database",
    "shared/db/unit_of_work.py": "where it is defined",
    "shared/identity/": "administration, sign-in, and keys of the installation",
}


def test_only_what_serves_the_installation_reaches_every_account() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "services/**.py", "shared/**.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    found = {name for name in names if mentions_every_account(ROOT / name)}
    assert "shared/bus/relay.py" in found
    assert sorted(name for name in found if not name.startswith(tuple(ACROSS_ACCOUNTS))) == []


def mentions_every_account(path: Path) -> bool:
    source = path.read_text("utf-8")
    wanted = {"EVERY_ACCOUNT", "EveryAccount"}
    return any(name in source for name in wanted) and any(
        (isinstance(node, ast.Name) and node.id in wanted)
        or (isinstance(node, ast.Attribute) and node.attr in wanted)
        or (isinstance(node, ast.ClassDef) and node.name in wanted)
        for node in ast.walk(ast.parse(source))
    )
