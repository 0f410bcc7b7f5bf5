"""What clients were told, kept apart from what the server remembers, and the comparison of the two: lost, duplicated, wrong.

For each session the ledger keeps every state that is possible given the answers. An acknowledged request leaves one, a refused
one changes nothing, and one without an answer leaves both possibilities open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import aiohttp

from tests.support.pgo import Answer, Document

Kind = Literal["create", "start", "stop", "delete"]
State = Literal["absent", "idle", "running"]
Outcome = Literal["acknowledged", "refused", "unknown"]

AFTER: dict[Kind, dict[State, State]] = {
    "create": {"absent": "idle"},
    "start": {"idle": "running"},
    "stop": {"running": "idle"},
    "delete": {"idle": "absent", "running": "absent"},
}


@dataclass(frozen=True)
class Entry:
    """One request and what came of it."""

    kind: Kind
    session_id: str
    outcome: Outcome
    status: int | None
    seconds: float
    text: str = ""


@dataclass(frozen=True)
class Comparison:
    """Where the server's memory and the clients' differ; all lists are empty when every promise was kept."""

    lost: list[str]
    duplicated: list[str]
    wrong: list[str]

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return not (self.lost or self.duplicated or self.wrong)


@dataclass
class Ledger:
    """The requests of any number of clients, which must not share a session."""

    entries: list[Entry] = field(default_factory=list)
    _possible: dict[str, set[State]] = field(default_factory=dict)

    async def send(self, kind: Kind, session_id: str, request: Awaitable[Answer]) -> Answer | None:
        """Send one request and write down its outcome; None if no answer came."""
        try:
            answer = await request
        except aiohttp.ClientConnectorError as error:
            # Nobody listened, so nothing was sent.
            self.note(Entry(kind, session_id, "refused", None, 0.0, repr(error)))
            return None
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            self.note(Entry(kind, session_id, "unknown", None, 0.0, repr(error)))
            return None
        outcome: Outcome = "acknowledged" if answer.status < 300 else "refused"
        self.note(Entry(kind, session_id, outcome, answer.status, answer.seconds, answer.text[:200]))
        return answer

    def note(self, entry: Entry) -> None:
        """Write down a request whose outcome is known."""
        self.entries.append(entry)
        before = self.possible_states(entry.session_id)
        moved: set[State] = {AFTER[entry.kind].get(state, state) for state in before}
        if entry.outcome == "acknowledged":
            self._possible[entry.session_id] = moved
        elif entry.outcome == "unknown":
            self._possible[entry.session_id] = before | moved

    def possible_states(self, session_id: str) -> set[State]:
        """The states in which the server may have a session."""
        return self._possible.get(session_id, {"absent"})

    def surely(self, state: State) -> list[str]:
        """Sessions that can only be in this state."""
        return [session_id for session_id, possible in self._possible.items() if possible == {state}]

    def of(self, outcome: Outcome, *kinds: Kind) -> list[Entry]:
        """Entries of one outcome, and of some kinds only if any are named."""
        return [e for e in self.entries if e.outcome == outcome and (not kinds or e.kind in kinds)]

    def server_errors(self) -> list[Entry]:
        """Answers that are bugs: 500 and above, but for 503, which says "later"."""
        return [
            entry for entry in self.entries if entry.status is not None and entry.status >= 500 and entry.status != 503
        ]

    def compare(self, server: Document, runs_of_session: Mapping[str, int] | None = None) -> Comparison:
        """Hold the server's own account of things against the ledger.

        Args:
            server: the answer of ``GET /api/server``.
            runs_of_session: how many runs the server has kept of each session, where known.
        """
        listed = Counter(session["id"] for session in server["sessions"])
        actual: dict[str, State] = {
            session["id"]: "running" if session["optimizationIsRunning"] else "idle" for session in server["sessions"]
        }
        lost: list[str] = []
        wrong: list[str] = []
        for session_id, possible in self._possible.items():
            state = actual.get(session_id, "absent")
            if state not in possible:
                told = f"{session_id}: {state}, possible {sorted(possible)} after {self._story(session_id)}"
                (lost if state == "absent" or possible == {"running"} else wrong).append(told)
        wrong += [f"{session_id}: never asked for" for session_id in actual.keys() - self._possible.keys()]
        duplicated = [f"{session_id}: listed {count} times" for session_id, count in listed.items() if count > 1]
        duplicated += self._too_many_runs(runs_of_session or {})
        return Comparison(lost, duplicated, wrong)

    def _story(self, session_id: str) -> str:
        return ", ".join(
            f"{entry.kind} {entry.outcome} {entry.status or entry.text}"
            for entry in self.entries
            if entry.session_id == session_id
        )

    def _too_many_runs(self, runs_of_session: Mapping[str, int]) -> Iterable[str]:
        starts = Counter(
            entry.session_id for entry in self.entries if entry.kind == "start" and entry.outcome != "refused"
        )
        for session_id, count in runs_of_session.items():
            if count > starts[session_id]:
                yield f"{session_id}: {count} runs of {starts[session_id]} starts"


def percentile(seconds: Iterable[float], share: float) -> float:
    """The value below which this share of the values lies; 0 of none."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
