"""A process that starts the embedded database in a folder, says so, and stops it when its standard input ends."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from shared.db.embedded import EmbeddedPostgres
from shared.errors import BusbarError


async def hold(folder: Path) -> None:
    embedded = EmbeddedPostgres(folder)
    try:
        url = await embedded.start()
    except BusbarError as error:
        print(f"{error.code}: {error.message}", flush=True)
        return
    print(f"{embedded.postmaster} {url}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await embedded.stop(within_s=5.0)
    print("stopped", flush=True)


if __name__ == "__main__":
    asyncio.run(hold(Path(sys.argv[1])))
