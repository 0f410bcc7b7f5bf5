from __future__ import annotations

from typing import Any

import aiohttp

from tests.support.ledger import Entry, Kind, Ledger, Outcome, percentile
from tests.support.pgo import Answer, PgoClient
from tests.support.processes import free_port

STATUSES: dict[Outcome, int] = {"acknowledged": 201, "refused": 503, "unknown": 0}


def ledger(*entries: tuple[Kind, Outcome]) -> Ledger:
    made = Ledger()
    for kind, outcome in entries:
        made.note(Entry(kind, "s", outcome, STATUSES[outcome], 0.0))
    return made


def server(*sessions: tuple[str, bool]) -> dict[str, Any]:
    return {"networks": [], "sessions": [{"id": name, "optimizationIsRunning": running} for name, running in sessions]}


def test_what_was_acknowledged_must_be_there() -> None:
    comparison = ledger(("create", "acknowledged")).compare(server())
    assert comparison.lost == ["s: absent, possible ['idle'] after create acknowledged 201"]
    assert not comparison.is_clean


def test_what_was_refused_must_not_be_there() -> None:
    assert ledger(("create", "refused")).compare(server(("s", False))).wrong == ["s: never asked for"]
    assert ledger(("create", "refused")).compare(server()).is_clean


def test_what_had_no_answer_may_be_there_or_not() -> None:
    unsure = ledger(("create", "unknown"))
    assert unsure.compare(server()).is_clean
    assert unsure.compare(server(("s", False))).is_clean
    assert unsure.compare(server(("s", True))).wrong != []


def test_an_accepted_start_that_does_not_run_is_lost() -> None:
    started = ledger(("create", "acknowledged"), ("start", "acknowledged"))
    assert started.compare(server(("s", False))).lost != []
    assert started.compare(server(("s", True))).is_clean


def test_a_stop_without_an_answer_leaves_both_open() -> None:
    stopped = ledger(("create", "acknowledged"), ("start", "acknowledged"), ("stop", "unknown"))
    assert stopped.compare(server(("s", False))).is_clean
    assert stopped.compare(server(("s", True))).is_clean
    assert stopped.surely("running") == []


def test_a_deleted_session_that_comes_back_is_wrong() -> None:
    deleted = ledger(("create", "acknowledged"), ("delete", "acknowledged"))
    assert deleted.compare(server(("s", False))).wrong != []


def test_an_id_that_is_listed_twice_is_a_duplicate() -> None:
    comparison = ledger(("create", "acknowledged")).compare(server(("s", False), ("s", False)))
    assert comparison.duplicated == ["s: listed 2 times"]


def test_more_runs_than_starts_are_duplicates() -> None:
    started = ledger(("create", "acknowledged"), ("start", "acknowledged"), ("start", "refused"))
    assert started.compare(server(("s", True)), {"s": 1}).is_clean
    assert started.compare(server(("s", True)), {"s": 2}).duplicated == ["s: 2 runs of 1 starts"]


async def test_a_connection_that_nobody_accepted_is_a_refusal_and_one_that_broke_is_not() -> None:
    async with PgoClient(f"http://127.0.0.1:{free_port()}") as client:
        made = Ledger()
        assert await made.send("create", "s", client.delete_session("s")) is None
    assert [entry.outcome for entry in made.entries] == ["refused"]
    assert made.possible_states("s") == {"absent"}

    async def broken() -> Answer:
        raise aiohttp.ServerDisconnectedError

    assert await made.send("create", "s", broken()) is None
    assert [entry.outcome for entry in made.entries] == ["refused", "unknown"]
    assert made.possible_states("s") == {"absent", "idle"}


def test_percentiles_are_taken_from_the_values_themselves() -> None:
    assert percentile([], 0.5) == 0.0
    assert percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 3.0
    assert percentile([1.0, 2.0], 0.99) == 2.0
