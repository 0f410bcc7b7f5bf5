"""Requests made from the OpenAPI document, right ones and wrong ones: no error of the server, always JSON, always as documented."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from services.gateway.dialects.flexibility.routes import ENTRANCE_ROUTES, V3_ROUTES
from services.gateway.documents import OPENAPI_DOCUMENTS
from tests.integration.gateway.flexibility.conftest import invite, serving_flexibility
from tests.support.databases import TestDatabases
from tests.support.own_loop import on_own_loop

SCHEMA = schemathesis.openapi.from_dict(OPENAPI_DOCUMENTS["flexibility"]())
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)}
CAN_BE_WRONG = [
    label
    for label, found in OPERATIONS.items()
    if "requestBody" in found.definition.raw or found.definition.raw.get("parameters")
]
DOCUMENTATION = {"GET /api/v3_0/docs"}


@pytest.fixture(scope="module")
def admin(databases: TestDatabases) -> Iterator[tuple[str, str]]:
    """Address and token: an API on a loop of its own, as the requests are made without one."""
    database_url = databases.create()

    @asynccontextmanager
    async def serve() -> AsyncIterator[tuple[str, str]]:
        async with serving_flexibility(database_url, rate_limits="off") as api:
            people = await invite(api)
            yield f"http://127.0.0.1:{api.client.port}", await api.token(people.root)

    with on_own_loop(serve) as served:
        yield served
    databases.drop(database_url)


def test_every_route_is_tried() -> None:
    assert set(OPERATIONS) == {route.name for route in (*ENTRANCE_ROUTES, *V3_ROUTES)}


@pytest.mark.parametrize(
    ("label", "mode"),
    [
        *(pytest.param(label, GenerationMode.POSITIVE, id=f"{label} right") for label in OPERATIONS),
        *(pytest.param(label, GenerationMode.NEGATIVE, id=f"{label} wrong") for label in CAN_BE_WRONG),
    ],
)
def test_every_answer_is_documented_and_none_is_an_error_of_the_server(
    admin: tuple[str, str], label: str, mode: GenerationMode
) -> None:
    base_url, token = admin
    answered: set[int] = set()

    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    @settings(
        max_examples=8,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: schemathesis.Case[Any]) -> None:
        with requests.Session() as session:
            headers = {"Authorization": token}
            response = case.call(base_url=base_url, session=session, headers=headers, timeout=20, allow_redirects=False)
        answered.add(response.status_code)
        if label not in DOCUMENTATION:
            assert response.headers["content-type"] == ["application/json"]
        case.validate_response(
            response, checks=[not_a_server_error, status_code_conformance, response_schema_conformance]
        )

    ask()
    assert answered
