"""Commands of ``busbar`` run one after the other in one process apart, so that their imports cost once and not each time.

As a program it reads a command on each line of standard input and answers with a line: what the shell would have seen of it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.stack import ROOT, clean_environment


@dataclass(frozen=True)
class Outcome:
    """What a shell sees of a command that has ended."""

    returncode: int
    stdout: str
    stderr: str


class CommandLine:
    """A process that runs commands under one environment; a context manager that ends it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.command_line"],
            env=clean_environment() | dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def __enter__(self) -> CommandLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, *arguments: str, stdin: str = "") -> Outcome:
        """Run one command to its end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"arguments": arguments, "stdin": stdin}) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))

    def printed(self, *arguments: str, stdin: str = "") -> Any:
        """What a command that must succeed prints with --json: one document, and nothing else (Any: whichever it is)."""
        done = self.run(*arguments, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def answer(line: str) -> str:
    """Run one command in this process."""
    from services.cli.main import main

    asked = json.loads(line)
    out, err, status = io.StringIO(), io.StringIO(), 0
    sys.argv, sys.stdin = ["busbar", *asked["arguments"]], io.StringIO(asked["stdin"])
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
    return json.dumps({"returncode": status, "stdout": out.getvalue(), "stderr": err.getvalue()})


if __name__ == "__main__":
    commands = os.fdopen(os.dup(0), "r", encoding="utf-8")
    for command in commands:
        sys.__stdout__.write(answer(command) + "\n")  # type: ignore[union-attr]  # a program has one
        sys.__stdout__.flush()  # type: ignore[union-attr]
