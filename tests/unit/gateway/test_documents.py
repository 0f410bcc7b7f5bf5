from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest
import schemathesis
from schemathesis.core.result import Ok

from services.gateway.dialects.reconfiguration.routes import ROUTES
from services.gateway.documents import OPENAPI_DOCUMENTS, openapi_json
from services.gateway.http.openapi import Json

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi"


@pytest.fixture(scope="module")
def document() -> Json:
    made: Json = orjson.loads(openapi_json("reconfiguration"))
    return made


@pytest.mark.parametrize("dialect", OPENAPI_DOCUMENTS)
def test_the_committed_document_is_the_generated_one(dialect: str) -> None:
    committed = (COMMITTED / f"{dialect}.json").read_text("utf-8")
    assert committed == openapi_json(dialect), "run `make openapi`"


@pytest.mark.parametrize("dialect", OPENAPI_DOCUMENTS)
def test_it_is_valid_in_its_version_of_openapi(dialect: str) -> None:
    document = orjson.loads(openapi_json(dialect))
    assert document["openapi"] in {"3.0.3", "3.1.0"}
    schemathesis.openapi.from_dict(document).validate()


def test_every_operation_can_be_made_into_requests(document: Json) -> None:
    found = list(schemathesis.openapi.from_dict(document).get_all_operations())
    assert all(isinstance(operation, Ok) for operation in found)
    assert len(found) == len(ROUTES) == 22


def test_every_reference_leads_somewhere(document: Json) -> None:
    references = set(re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', orjson.dumps(document).decode()))
    assert references
    assert references <= set(document["components"]["schemas"])
    assert b'"$ref":"#/$defs' not in orjson.dumps(document)


def test_no_path_is_of_the_other_api(document: Json) -> None:
    assert all(path.startswith("/api/") and not path.startswith("/api/cim") for path in document["paths"])


def test_the_documents_that_clients_exchange_are_described(document: Json) -> None:
    described = set(document["components"]["schemas"])
    assert described >= {
        "PowerGrid",
        "Demand",
        "Solution",
        "SinglePeriodSettings",
        "SolutionInfo",
        "SessionStatus",
        "ServerStatus",
        "UserQuotas",
        "NetworkConnectivityStatus",
        "ObjectiveWeight",
        "ValidationProblem",
    }
    assert "@schema_version" in document["components"]["schemas"]["PowerGrid"]["required"]


def test_operations_have_names_of_their_own(document: Json) -> None:
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))
