"""In multi-user mode, whoever asks for a neighbour's ids hears what they would hear for ids that do not exist."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from services.gateway.dialects.reconfiguration.routes import ROUTES
from shared.db.models.base import metadata
from shared.db.unit_of_work import EVERY_ACCOUNT
from tests.integration.gateway.conftest import Served, serving
from tests.support.apis import Got

ALICE, BOB = {"Cookie": "X-PgoUserId=alice"}, {"Cookie": "X-PgoUserId=bob"}
# What differs from one answer to the next in any case.
OF_EACH_ANSWER = {"Date", "Content-Length", "X-Request-ID"}
# Of the same length as "theirs", so that the body, too, is as long.
THEIRS, NOBODYS = "theirs", "nobody"
# What makes something new has a test of its own, and what is about the caller alone has no id.
MAKES_OR_LISTS = {
    ("POST", "/api/networks/{network_id}"),
    ("POST", "/api/sessions/{session_id}"),
    ("GET", "/api/server"),
    ("GET", "/api/identity/quotas"),
}
ON_AN_ID = [(route.method, route.path) for route in ROUTES if (route.method, route.path) not in MAKES_OR_LISTS]


@pytest.fixture
async def served(database_url: str) -> AsyncIterator[Served]:
    """A gateway where Alice has a network and a session of the same name."""
    async with serving(database_url, pgo_multi_user="True") as running:
        assert (await running.load(THEIRS, headers=ALICE)).status == 201
        assert (await running.create(THEIRS, THEIRS, headers=ALICE)).status == 201
        path = f"/api/sessions/{THEIRS}/solutions/{THEIRS}"
        assert (await running.call("POST", path, json={}, headers=ALICE)).status == 200
        yield running


async def test_every_endpoint_answers_a_neighbour_as_if_there_were_nothing(served: Served) -> None:
    before = await rows_of_customers(served)
    for method, template in ON_AN_ID:
        for body in bodies_for(method, template):
            of_theirs = await ask(served, method, template, THEIRS, body)
            of_nothing = await ask(served, method, template, NOBODYS, body)
            assert of_theirs == of_nothing, (method, template, body)
            assert of_theirs[0] in (400, 404), (method, template, body)
    assert await rows_of_customers(served) == before
    for template in ("/api/networks/{}", "/api/sessions/{}"):
        assert (await served.call("GET", template.format(THEIRS), headers=ALICE)).status == 200


async def test_a_session_on_a_neighbours_network_is_refused_as_on_one_that_is_not_there(served: Served) -> None:
    before = await rows_of_customers(served)
    answers = [without_id(await served.create("mine", name, headers=BOB), name) for name in (THEIRS, NOBODYS)]
    assert answers[0] == answers[1]
    assert answers[0][0] == 400
    assert await rows_of_customers(served) == before


async def test_names_of_a_neighbour_are_free_and_what_is_made_of_them_is_apart(served: Served) -> None:
    before = await rows_of_customers(served)
    of_theirs = await served.load(THEIRS, b"bob's", headers=BOB)
    of_nothing = await served.load(NOBODYS, b"bob's", headers=BOB)
    assert without_id(of_theirs, THEIRS) == without_id(of_nothing, NOBODYS)
    assert of_theirs.status == 201
    sessions = [without_id(await served.create(name, THEIRS, headers=BOB), name) for name in (THEIRS, NOBODYS)]
    assert sessions[0] == sessions[1]
    assert sessions[0][0] == 201
    assert (await served.call("DELETE", f"/api/networks/{THEIRS}", headers=BOB)).status == 200
    assert before <= await rows_of_customers(served), "Alice's are all still there"
    assert (await served.call("GET", f"/api/networks/{THEIRS}", headers=ALICE)).body == b'{"name": "north"}'


async def test_the_list_shows_nothing_of_a_neighbour(served: Served) -> None:
    assert (await served.call("GET", "/api/server", headers=BOB)).json == {"networks": [], "sessions": []}


def bodies_for(method: str, template: str) -> tuple[object, ...]:
    """What a route takes, so that nothing is wrong with the request but whose it is about."""
    if template.endswith("/runOptimization"):
        return True, False
    if template.endswith("/objectiveWeights") and method == "PUT":
        return ([],)
    return ({},) if method in ("PUT", "POST") else (...,)


async def ask(served: Served, method: str, template: str, name: str, body: object) -> tuple[int, bytes, dict[str, str]]:
    path = template.format(network_id=name, session_id=name, solution_id=name, new_id="new")
    return without_id(await served.call(method, path, json=body, headers=BOB), name)


def without_id(got: Got, name: str) -> tuple[int, bytes, dict[str, str]]:
    """An answer without what tells the id, and what differs in any case."""
    headers = {key: value.replace(name, "ID") for key, value in got.headers.items() if key not in OF_EACH_ANSWER}
    return got.status, got.body.replace(name.encode(), b"ID"), headers


async def rows_of_customers(served: Served) -> set[str]:
    found: set[str] = set()
    async with served.process.database.reading(EVERY_ACCOUNT) as connection:
        for table in metadata.sorted_tables:
            if table.name.startswith("reconfiguration_"):
                found |= {f"{table.name} {tuple(row)}" for row in await connection.execute(select(table))}
    return found
