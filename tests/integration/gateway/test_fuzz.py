"""Requests made from the OpenAPI document, right ones and wrong ones: none is answered with an error of the server."""

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
from schemathesis.specs.openapi.checks import response_schema_conformance

from services.gateway.dialects.reconfiguration.routes import ROUTES
from services.gateway.documents import OPENAPI_DOCUMENTS
from tests.integration.gateway.conftest import serving
from tests.support.databases import TestDatabases
from tests.support.own_loop import on_own_loop

SCHEMA = schemathesis.openapi.from_dict(OPENAPI_DOCUMENTS["reconfiguration"]())
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)}
# The scripted worker hands back as a document whatever was uploaded.
DOWNLOADS = {label for label in OPERATIONS if label.endswith(("/{network_id}", "/demands", "/bestSolution"))}
# A path with any text in it is right; these have a query or a body besides.
CAN_BE_WRONG = [
    label for label, found in OPERATIONS.items() if "requestBody" in found.definition.raw or "analysis" in label
]


@pytest.fixture(scope="module")
def base_url(databases: TestDatabases) -> Iterator[str]:
    """A gateway on a loop of its own, as the requests are made without one."""
    database_url = databases.create()

    @asynccontextmanager
    async def serve() -> AsyncIterator[str]:
        async with serving(database_url) as served:
            yield f"http://127.0.0.1:{served.gateway.port}"

    with on_own_loop(serve) as address:
        yield address
    databases.drop(database_url)


def test_every_route_is_tried() -> None:
    assert set(OPERATIONS) == {route.name for route in ROUTES}


@pytest.mark.parametrize(
    ("label", "mode"),
    [
        *(pytest.param(label, GenerationMode.POSITIVE, id=f"{label} right") for label in OPERATIONS),
        *(pytest.param(label, GenerationMode.NEGATIVE, id=f"{label} wrong") for label in CAN_BE_WRONG),
    ],
)
def test_no_request_is_answered_with_an_error_of_the_server(base_url: str, label: str, mode: GenerationMode) -> None:
    session = requests.Session()
    answered: set[int] = set()
    quick = settings(
        max_examples=20,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    @quick
    def try_out(case: schemathesis.Case[Any]) -> None:
        response = case.call(base_url=base_url, session=session, timeout=20)
        case.validate_response(response, checks=[not_a_server_error])
        if label not in DOWNLOADS:
            case.validate_response(response, checks=[response_schema_conformance])
        answered.add(response.status_code)

    try:
        try_out()
    finally:
        session.close()
    if label.startswith("POST /api/networks") and mode is GenerationMode.POSITIVE:
        assert 201 in answered, "a right form gets through"
