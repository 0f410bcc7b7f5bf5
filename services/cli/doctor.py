"""``busbar doctor``: is this machine fit to run Busbar, and if not, how to mend it."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import text

from services.cli.broker import connected_bus
from services.cli.data_folder import own_database
from shared.clock import SystemClock
from shared.db.engine import PostgresDatabase
from shared.db.migrate import current, is_behind
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import BusbarError
from shared.settings import Settings

WAIT_S = 10.0
# Kernels are compiled at the first start where set-up could not keep them.
SOLVER_WAIT_S = 120.0
DISK_WANTED_BYTES = 1 << 30
CLOCK_SKEW_ALLOWED_S = 2.0


@dataclass(frozen=True)
class Finding:
    """What one check found; ``remedy`` says how to mend it where it is not well."""

    check: str
    is_well: bool
    found: str
    remedy: str = ""


def run_doctor(settings: Settings, *, as_json: bool) -> bool:
    """Make every check, print the findings, return whether all is well."""
    findings = asyncio.run(_examine(settings))
    if as_json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2) + "\n")
    else:
        for finding in findings:
            mark = "well " if finding.is_well else "WRONG"
            sys.stdout.write(f"{mark}  {finding.check:<10} {finding.found}\n")
            if not finding.is_well:
                sys.stdout.write(f"       to mend    {finding.remedy}\n")
    return all(finding.is_well for finding in findings)


async def _examine(settings: Settings) -> list[Finding]:
    findings = [
        Finding("settings", is_well=True, found="readable; `busbar config` shows them"),
        _disk(settings.data_dir),
    ]
    try:
        async with own_database(settings, others_may_join=False) as url:
            findings += await _database(url, embedded=settings.database_url is None)
    except (BusbarError, OSError) as error:
        remedy = "free the data folder, or set BUSBAR_DATABASE_URL to a PostgreSQL 15 or newer"
        findings.append(Finding("database", is_well=False, found=str(error), remedy=remedy))
    findings.append(await _checked("broker", lambda: _broker(settings), "start RabbitMQ, or mend BUSBAR_BROKER_URL"))
    findings.append(
        await _checked(
            "solver",
            _solver,
            "install the optimizer's packages (make setup), allow child processes",
            within_s=SOLVER_WAIT_S,
        )
    )
    return findings


def _disk(data_dir: Path) -> Finding:
    folder = data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / (1 << 30):.1f} GiB free at {folder}"
    return Finding("disk", free >= DISK_WANTED_BYTES, found, "free at least 1 GiB, or move BUSBAR_DATA_DIR")


async def _database(url: str, *, embedded: bool) -> list[Finding]:
    # As whom the URL names: a database that is not migrated yet has no role of services.
    database = PostgresDatabase(url, application_name="busbar doctor", role=None)
    await database.start()
    try:
        async with database.reading(EVERY_ACCOUNT) as connection:
            version = (await connection.execute(text("SHOW server_version"))).scalar_one()
            theirs = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    except BusbarError as error:
        return [Finding("database", is_well=False, found=error.message, remedy="start it, or mend BUSBAR_DATABASE_URL")]
    finally:
        await database.close()
    skew_s = abs((SystemClock().now() - theirs).total_seconds())
    revision = await current(url)
    # The embedded database is migrated at each start of `busbar up`.
    is_current = not is_behind(revision) or (embedded and revision is None)
    return [
        Finding("database", is_well=True, found=f"PostgreSQL {version}" + (", embedded" if embedded else "")),
        Finding("schema", is_current, f"revision {revision or 'none yet'}", "run `busbar migrate`"),
        Finding(
            "clock",
            skew_s <= CLOCK_SKEW_ALLOWED_S,
            f"{skew_s:.1f} s apart from the database's",
            "synchronise the clocks (NTP)",
        ),
    ]


async def _broker(settings: Settings) -> str:
    if settings.broker_url is None:
        return "in-process bus; no broker is needed"
    # The database is not touched: only the in-process bus keeps its messages there.
    nowhere = PostgresDatabase("postgresql://127.0.0.1:1/none", application_name="busbar doctor")
    async with connected_bus(settings, nowhere):
        return "connected"


async def _solver() -> str:
    from shared.workers import Launcher, WorkerPool

    launcher = Launcher(preload=("services.optimizer.tasks.preload",))
    await launcher.start()
    pool = WorkerPool(launcher, processes=1, memory_bytes=0, max_waiting=1)
    try:
        await pool.run(abs, -1, deadline_s=SOLVER_WAIT_S)
    finally:
        pool.close()
        await launcher.close()
    return "child processes start and answer"


async def _checked(name: str, check: Callable[[], Awaitable[str]], remedy: str, *, within_s: float = WAIT_S) -> Finding:
    try:
        async with asyncio.timeout(within_s):
            return Finding(name, is_well=True, found=await check())
    except TimeoutError:
        return Finding(name, is_well=False, found=f"no answer within {within_s:g} s", remedy=remedy)
    except (BusbarError, ImportError, OSError) as error:
        return Finding(name, is_well=False, found=str(error), remedy=remedy)
