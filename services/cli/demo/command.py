"""``busbar demo``: start Busbar as a newcomer would, make the journey, print and draw the result, shut down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from services.cli.demo.journey import DemoFailed, Result, open_lines, travel
from services.cli.demo.picture import draw

READY_WITHIN_S = 45.0
STOPS_WITHIN_S = 12.0
BAR_WIDTH = 40


def run_demo(report: Path) -> bool:
    """Returns whether the loss found is proven within the printed gap."""
    try:
        with running_busbar() as url:
            _say(f"Busbar runs at {url}, on an embedded Postgres and bus in a temporary folder")
            result = asyncio.run(travel(url))
    except DemoFailed as failure:
        sys.stderr.write(f"the demo failed: {failure}\n")
        return False
    _print(result)
    report.write_text(draw(result), "utf-8")
    _say(f"\nPicture of the feeder and of the progress: {report.resolve()}")
    return result.is_proven


@contextlib.contextmanager
def running_busbar(data_dir: Path | None = None) -> Iterator[str]:
    """`busbar up` on a free port and a folder, or a temporary one, as a process tree of its own."""
    home = Path(tempfile.mkdtemp(prefix="busbar-demo-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (home / "busbar.log").open("wb")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BUSBAR_")}
    command = [sys.executable, "-m", "services.cli.main", "up", "--port", str(port), "--data-dir"]
    command.append(str(data_dir or home / "data"))
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)  # noqa: S603 - our own command
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, home / "busbar.log")
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOPS_WITHIN_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        log.close()
        shutil.rmtree(home, ignore_errors=True)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoFailed(f"busbar up ended with status {process.returncode}: {log.read_text('utf-8')[-2000:]}")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health/ready", timeout=2):  # noqa: S310 - http to ourselves
            return
        time.sleep(0.1)
    raise DemoFailed(f"busbar up was not ready within {READY_WITHIN_S:g} s: {log.read_text('utf-8')[-2000:]}")


def _print(result: Result) -> None:
    saved = 100 * (1 - result.loss_after_kw / result.loss_before_kw)
    first_best = next(s.at_s for s in result.samples if s.loss_kw <= result.loss_after_kw * (1 + 1e-9))
    _say("")
    _say(f"Open switches before   {', '.join(open_lines(result.before))}")
    _say(f"Open switches after    {', '.join(result.open_lines())}")
    _say(f"Loss before            {result.loss_before_kw:.2f} kW")
    _say(f"Loss after             {result.loss_after_kw:.2f} kW ({saved:.1f} % less)")
    _say(f"Certified gap          {100 * result.info['gap']:.4f} % (proof: {result.info['proof']})")
    _say(f"Seen after             {first_best:.2f} s, proven after {result.samples[-1].at_s:.2f} s")
    _say("\nVoltage profile, per unit of the source (o before, # after)")
    voltages = result.voltages_pu()
    lowest = min(min(pair) for pair in voltages.values())
    for bus in sorted(voltages, key=int):
        before, after = voltages[bus]
        _say(f"  bus {bus:>2}  {before:.4f} → {after:.4f}  {_bar(before, after, lowest)}")


def _bar(before: float, after: float, lowest: float) -> str:
    def cells(voltage: float) -> int:
        return round((voltage - lowest) / (1.0 - lowest) * BAR_WIDTH)

    bar = ["#" if cell <= cells(after) else " " for cell in range(BAR_WIDTH + 1)]
    bar[cells(before)] = "o"
    return "".join(bar).rstrip()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
