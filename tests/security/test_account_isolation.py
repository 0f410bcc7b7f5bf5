"""Promise 15, over HTTP and for every API: whoever asks for a neighbour's ids hears what they would hear for ids that do not exist.

Which routes name something of an account is told by the table of promise 14: those on which the neighbour hears 400 or 404.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import AsyncIterator, Mapping

import orjson
import pytest
import pytest_asyncio

from tests.security.route_rows import TABLE, Row
from tests.security.test_route_credentials import World, filled, world_of
from tests.support.apis import Got
from tests.support.databases import TestDatabases

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What differs from one answer to the next in any case.
OF_EACH_ANSWER = {"Date", "X-Request-ID"}
OF_EACH_BODY = ("correlation_id", "traceId")
ON_AN_ID = {
    route: row
    for api in TABLE.values()
    for route, row in api.rows.items()
    if row.other in (400, 404) and row.other != row.right and not api.by_session
}
# To look something up takes as long whatever is then done with it.
ONE_OF_EACH_KIND = {
    route: row
    for route, row in ON_AN_ID.items()
    if re.fullmatch(r"GET [\w/.]+/{\w+}(/analysis|/demands|/secrets|/auditlog)?", route)
}
TRIES = 60
ROUNDS = 3  # of tries, where the first has a difference
WITHIN_S = 0.005


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(databases: TestDatabases) -> AsyncIterator[World]:
    """Two accounts; the second has a network and a session of its own too."""
    url = databases.create()
    async with world_of(url, reconfiguration_open=False) as made:
        yield made
    databases.drop(url)


def of_nobody(values: Mapping[str, str]) -> dict[str, str]:
    """The same ids, as long and in the same form, that nobody has."""
    made = {}
    for name, value in values.items():
        if name.endswith("_id"):
            made[name] = "9" * 12 if value.isdecimal() else "".join("f" if c.isalnum() else c for c in value)
        else:
            made[name] = value
    return made


async def ask(world: World, route: str, row: Row, values: Mapping[str, str]) -> Got:
    method, _, template = route.partition(" ")
    json = ... if row.json is ... else filled(row.json, dict(values))
    headers = {"Authorization": f"Bearer {world.credentials.other}"}
    return await world.api.call(method, template.format(**values), json=json, headers=headers)


def told(route: str, row: Row, got: Got, values: Mapping[str, str]) -> object:
    """An answer without the ids that were asked for, and without what differs in any case."""
    text = got.body.decode()
    for name, value in values.items():
        if f"{{{name}}}" in f"{route} {row.json}":
            text = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", "ID", text)
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        body = text
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in OF_EACH_BODY}
    headers = {name: value for name, value in got.headers.items() if name not in OF_EACH_ANSWER | {"Content-Length"}}
    return got.status, body, headers


async def test_the_table_has_routes_of_every_kind_of_thing() -> None:
    named = " ".join(ON_AN_ID)
    for thing in ("network_id", "session_id", "account_id", "user_id", "key_id", "client_id", "secret_id"):
        assert f"{{{thing}}}" in named, thing
    assert len(ON_AN_ID) > 30


async def test_a_neighbours_id_is_answered_as_one_that_does_not_exist(world: World) -> None:
    differing = []
    for route, row in ON_AN_ID.items():
        theirs = await world.fresh_values(route)
        nobodys = of_nobody(theirs)
        answers = [told(route, row, await ask(world, route, row, values), values) for values in (theirs, nobodys)]
        if answers[0] != answers[1]:
            differing.append(f"{route}: {answers[0]} is not {answers[1]}")
    assert not differing, "\n".join(differing)


async def test_it_takes_no_longer_either(world: World) -> None:
    """Medians of many tries, the two asked for in turn, so that whatever else the machine does meets both alike.

    What the clock tells a neighbour it tells every time: a difference that another round of tries does not have was the machine's.
    """
    slower = []
    for route in ONE_OF_EACH_KIND:
        rounds: list[float] = []
        while len(rounds) < ROUNDS and (not rounds or abs(rounds[-1]) > WITHIN_S):
            rounds.append(await difference_s(world, route))
        if abs(rounds[-1]) > WITHIN_S and all(one * rounds[0] > 0.0 for one in rounds):
            slower.append(f"{route}: {min(map(abs, rounds)) * 1000:.1f} ms")
    assert not slower, "\n".join(slower)


async def difference_s(world: World, route: str) -> float:
    """How much longer it takes to ask for what is a neighbour's than for what is nobody's."""
    row = ONE_OF_EACH_KIND[route]
    theirs = await world.fresh_values(route)
    nobodys = of_nobody(theirs)
    seconds: dict[str, list[float]] = {"theirs": [], "nobodys": []}
    for turn in range(TRIES):
        pair = [("theirs", theirs), ("nobodys", nobodys)]
        for name, values in pair if turn % 2 else reversed(pair):
            began = time.perf_counter()
            await ask(world, route, row, values)
            seconds[name].append(time.perf_counter() - began)
    return statistics.median(seconds["theirs"]) - statistics.median(seconds["nobodys"])


async def test_names_are_free_that_a_neighbour_uses(world: World) -> None:
    """Networks, users' and clients' names are each account's own; what is made under them stays apart."""
    theirs = {"Authorization": f"Bearer {world.credentials.other}"}
    assert (await world.served.load("north", b"bob's", headers=theirs)).status == 201
    mine = {"Authorization": f"Bearer {world.credentials.right}"}
    documents = [(await world.api.call("GET", "/api/networks/north", headers=who)).body for who in (mine, theirs)]
    assert documents == [b'{"name": "north"}', b"bob's"]
    assert (await world.api.call("DELETE", "/api/networks/north", headers=theirs)).status == 200
    assert (await world.api.call("GET", "/api/networks/north", headers=mine)).status == 200


async def test_lists_show_nothing_of_a_neighbour(world: World) -> None:
    people = world.people
    foreign = [people.account.name, people.user.email, world.credentials.right[3:11], "winter"]
    for route in (
        "/api/server",
        "/api/v3_0/accounts",
        "/api/v3_0/users",
        "/api/v2/user/view-profile",
        "/admin/v1/accounts",
        "/admin/v1/users",
        "/admin/v1/keys",
        "/admin/v1/clients",
        "/admin/v1/audit?limit=1000",
        "/access/v1/clients",
    ):
        got = await world.api.call("GET", route, headers={"Authorization": f"Bearer {world.credentials.other}"})
        assert got.status == 200, route
        assert [text for text in foreign if text.encode() in got.body] == [], route
    metrics = (await world.api.call("GET", "/metrics")).body
    names = [people.account.name, people.user.email, str(people.account.account_id), "winter"]
    assert [text for text in names if text.encode() in metrics] == []
