"""The OpenAPI document of the CIM API describes the objects of which documents consist."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import orjson
import pytest

from services.gateway.documents import openapi_json
from tests.support.cim import DROP, cim_objects, json_ld, steady_state, with_changes

# The classes that the contract lists.
CLASSES = [
    "IdentifiedObject",
    "BaseVoltage",
    "Equipment",
    "ConductingEquipment",
    "ACDCTerminal",
    "Terminal",
    "ConnectivityNode",
    "Substation",
    "VoltageLevel",
    "Bay",
    "OperationalLimitSet",
    "OperationalLimitType",
    "OperationalLimit",
    "CurrentLimit",
    "VoltageLimit",
    "ActivePowerLimit",
    "ApparentPowerLimit",
    "Switch",
    "Fuse",
    "Jumper",
    "Sectionalizer",
    "Disconnector",
    "GroundDisconnector",
    "ProtectedSwitch",
    "LoadBreakSwitch",
    "Breaker",
    "DisconnectingCircuitBreaker",
    "Recloser",
    "Conductor",
    "ACLineSegment",
    "EnergyConsumer",
    "ConformLoad",
    "NonConformLoad",
    "StationSupply",
    "RotatingMachine",
    "SynchronousMachine",
    "GeneratingUnit",
    "PowerTransformer",
    "TransformerEnd",
    "PowerTransformerEnd",
    "EquivalentInjection",
    "EquivalentEquipment",
    "ShuntCompensator",
    "LinearShuntCompensator",
    "NonlinearShuntCompensator",
    "PetersenCoil",
    "BusbarSection",
]


@pytest.fixture(scope="module")
def document() -> Any:  # Any: JSON
    return orjson.loads(openapi_json("reconfiguration_cim"))


def problems(document: Any, name: str, value: Any) -> list[str]:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(value)]


def test_every_class_is_described_and_every_reference_leads_somewhere(document: Any) -> None:
    schemas = document["components"]["schemas"]
    assert set(CLASSES) <= set(schemas)
    references = set(re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', orjson.dumps(document).decode()))
    assert references <= set(schemas)
    assert list(schemas) == sorted(schemas)


@pytest.mark.parametrize("objects", [cim_objects(), steady_state()], ids=["network", "steady state"])
def test_documents_are_as_described(document: Any, objects: Any) -> None:
    written = json_ld(objects)
    assert problems(document, "CimJsonLd", written) == []
    for entry in written["@graph"]:
        assert problems(document, entry["@type"].removeprefix("cim:"), entry) == []


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"breaker/Switch.open": "wide"}, "Breaker"),
        ({"load/EnergyConsumer.p": True}, "ConformLoad"),
        ({"load/EnergyConsumer.p": {"@id": "urn:x"}}, "ConformLoad"),
        ({"load/IdentifiedObject.mRID": 5}, "ConformLoad"),
        ({"load/Equipment.EquipmentContainer": "bay"}, "ConformLoad"),
    ],
)
def test_what_is_not_as_described_is_noticed(document: Any, changes: Any, name: str) -> None:
    entries = json_ld(with_changes(steady_state(), changes))["@graph"]
    changed = next(entry for entry in entries if entry["@id"] == "urn:uuid:" + next(iter(changes)).partition("/")[0])
    assert problems(document, name, changed) != []


def test_an_object_says_what_it_is(document: Any) -> None:
    entry = json_ld(with_changes(steady_state(), {"breaker/Switch.open": DROP}))["@graph"][3]
    assert problems(document, "Breaker", entry) == []
    del entry["@type"]
    assert problems(document, "Breaker", entry) == ['"@type" is a required property']


def test_quantities_say_their_units(document: Any) -> None:
    voltage = document["components"]["schemas"]["BaseVoltage"]["properties"]["cim:BaseVoltage.nominalVoltage"]
    power = document["components"]["schemas"]["EnergyConsumer"]["properties"]["cim:EnergyConsumer.p"]
    assert (voltage["description"][:2], power["description"][:2]) == ("kV", "MW")
