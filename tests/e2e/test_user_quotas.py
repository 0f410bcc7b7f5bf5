"""Quotas and time-outs of single users on real services: what is refused, and what ends by itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.e2e.conftest import empty
from tests.support.eventually import eventually
from tests.support.feeders import consumer, demands, line, network, provider, two_feeders
from tests.support.pgo import Answer, PgoClient
from tests.support.stack import ServiceProcess, Stack, client_of

TEXT = "text/plain; charset=utf-8"
FEEDER = two_feeders()
GARBAGE = b"no document"
QUOTAS = {
    "small": {"networkLimit": 1, "sessionLimit": 1, "networkMaxSize": 2},
    "none": {"networkLimit": 5, "sessionLimit": 0},
    "hasty": {"optimizationTimeout": "00:00:01", "sessionTimeout": "00:00:02"},
}
TRANSFORMER = {
    "id": "T",
    "connections": [{"node_id": "G", "end_voltage": 12.66}, {"node_id": "C", "end_voltage": 0.4}],
    "modes": [{"source": "G", "target": "C", "operation": "automatic"}],
}


@pytest.fixture(scope="module")
def limited(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> ServiceProcess:
    """A gateway that tells users apart and has quotas for some of them; its optimizer is that of the others."""
    file = tmp_path_factory.mktemp("quotas") / "quotas.json"
    file.write_text(json.dumps(QUOTAS))
    return stack.gateway(PGO_MULTI_USER="True", PGO_QUOTAS_FILE=str(file), PGO_SWEEP_INTERVAL_S="0.05")


@pytest.fixture
async def small(limited: ServiceProcess) -> AsyncIterator[PgoClient]:
    """A user who may have next to nothing, and has nothing."""
    async with client_of(limited, user="small") as client:
        yield client
        await empty(client)


@pytest.fixture
async def hasty(limited: ServiceProcess) -> AsyncIterator[PgoClient]:
    """A user for whom everything ends soon, and who has nothing."""
    async with client_of(limited, user="hasty") as client:
        yield client
        await empty(client)


def expect_limit(answer: Answer, *words: str) -> None:
    answer.expect(403)
    assert answer.headers["Content-Type"] == TEXT
    assert [word for word in words if word not in answer.text] == [], answer.text


async def quotas(client: PgoClient) -> Any:  # Any: JSON
    return (await client.request("GET", "/api/identity/quotas")).expect(200).json()


async def test_each_user_is_told_the_own_quotas(limited: ServiceProcess, small: PgoClient, hasty: PgoClient) -> None:
    assert await quotas(small) == {
        "networkLimit": 1,
        "sessionLimit": 1,
        "optimizationTimeout": "365.00:00:00",
        "sessionTimeout": "365.00:00:00",
        "networkMaxSize": 2,
    }
    assert (await quotas(hasty))["sessionTimeout"] == "00:00:02"
    async with client_of(limited) as newcomer:
        assert (await quotas(newcomer))["networkLimit"] == 2147483647


async def test_a_network_beyond_a_limit_is_refused_and_not_stored(small: PgoClient) -> None:
    nodes, lines = [provider("G"), consumer("C")], [line("L", "G", "C")]
    # Each transformer counts as one node.
    for grid in (network([*nodes, consumer("D")], lines), network(nodes, [], transformers=[TRANSFORMER])):
        expect_limit(await small.load_network("large", grid), "networkMaxSize", "nodes", "2", "3")
    faulty = await small.load_network("large", network([*nodes, consumer("C")], lines))
    assert "'C'" in faulty.expect(400).text, "what is wrong with it is said first"
    assert (await small.server()).json() == {"networks": [], "sessions": []}
    (await small.load_network("fits", network(nodes, lines))).expect(201)
    assert "'fits'" in (await small.load_network("fits", GARBAGE)).expect(400).text, "the id is looked at first"
    expect_limit(await small.load_network("second", GARBAGE), "networkLimit", "1")
    (await small.delete_network("fits")).expect(200)
    (await small.load_network("second", network(nodes, lines))).expect(201)


async def test_a_session_beyond_the_limit_is_refused_once_its_network_was_found(small: PgoClient) -> None:
    (await small.load_network("two", FEEDER.network)).expect(201)
    (await small.create_session("s", "two", FEEDER.demands)).expect(201)
    assert "'s'" in (await small.create_session("s", "none", GARBAGE)).expect(400).text
    assert "'none'" in (await small.create_session("t", "none", GARBAGE)).expect(400).text
    expect_limit(await small.create_session("t", "two", GARBAGE), "sessionLimit", "1")
    (await small.delete_session("s")).expect(200)
    (await small.create_session("t", "two", FEEDER.demands)).expect(201)


async def test_the_limit_is_looked_at_before_the_network_itself(limited: ServiceProcess) -> None:
    async with client_of(limited, user="none") as nobody:
        names = ("GA", "AB", "BG")
        ring = network(
            [provider("G"), consumer("A"), consumer("B")], [line(n, *n, switchable=False, r=1.0) for n in names]
        )
        (await nobody.load_network("ring", ring)).expect(201)
        expect_limit(await nobody.create_session("s", "ring", GARBAGE), "sessionLimit", "0")
        (await nobody.delete_network("ring")).expect(200)


async def test_users_have_names_and_everything_else_to_themselves(small: PgoClient, hasty: PgoClient) -> None:
    for client in (small, hasty):
        (await client.load_network("two", FEEDER.network)).expect(201)
    (await small.create_session("s", "two", demands({"C": (0.5, 0.1)}))).expect(201)
    (await hasty.session("s")).expect(404)
    assert (await hasty.server()).json() == {"networks": ["two"], "sessions": []}
    (await hasty.delete_network("two")).expect(200)
    (await small.session("s")).expect(200)


async def test_a_run_and_then_its_session_end_when_their_time_is_over(hasty: PgoClient) -> None:
    (await hasty.load_network("two", FEEDER.network)).expect(201)
    (await hasty.create_session("s", "two", FEEDER.demands, FEEDER.start)).expect(201)
    (await hasty.start("s")).expect(200)
    assert await hasty.is_running("s")

    async def has_ended() -> bool:
        return not await hasty.is_running("s")

    async def is_gone() -> bool:
        return (await hasty.session("s")).status == 404

    await eventually(has_ended, within=30, every=0.1)
    found = (await hasty.best_info("s")).expect(200).json()
    assert found["is_feasible"]
    await eventually(is_gone, within=30, every=0.1)  # reading does not keep it
    assert (await hasty.server()).json() == {"networks": ["two"], "sessions": []}, "networks stay"
