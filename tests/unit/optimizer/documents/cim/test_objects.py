"""Attributes of CIM objects: what is read, what is ignored, what is refused."""

from __future__ import annotations

import re

import pytest

from services.optimizer.documents.cim.objects import CimObject, mrid_in_session, objects_of, read_objects
from services.optimizer.documents.cim.triples import read_triples
from services.optimizer.documents.errors import DocumentError
from shared.cim import UnitsProfile
from tests.support.cim import CONTEXT, Json, Objects, iri, json_ld, to

XSD = "http://www.w3.org/2001/XMLSchema#"


def read(objects: Objects, units: UnitsProfile = UnitsProfile.DIGIN) -> dict[str, CimObject]:
    found = read_objects(read_triples(json_ld(objects)), units)
    return {each.iri.removeprefix("urn:uuid:"): each for each in found}


def read_one(cim_class: str, attribute: str, value: Json, units: UnitsProfile = UnitsProfile.DIGIN) -> CimObject:
    return read({"a": {"@type": cim_class, attribute: value}}, units)["a"]


@pytest.mark.parametrize(
    "value", [1.5, "1.5", " +15e-1 ", {"@value": "1.5", "@type": "xsd:float"}, {"@value": 1.5, "@type": "xsd:double"}]
)
def test_numbers_are_numbers_or_texts(value: Json) -> None:
    assert read_one("ACLineSegment", "ACLineSegment.r", value).number("ACLineSegment.r") == 1.5


@pytest.mark.parametrize("value", ["1,5", "x", "", "NaN", "Infinity", True, "0x10", "1" * 65, 1e31, {"@id": "urn:b"}])
def test_what_is_no_number_is_refused_with_attribute_object_and_value(value: Json) -> None:
    with pytest.raises(
        DocumentError, match=r"Attribute ACLineSegment\.r of the object 'urn:uuid:a': the value '.*': it is no number"
    ):
        read_one("ACLineSegment", "ACLineSegment.r", value)


@pytest.mark.parametrize(("value", "flag"), [(True, True), ({"@value": "false", "@type": "xsd:boolean"}, False)])
def test_truth_values_are_typed(value: Json, flag: bool) -> None:
    assert read_one("Breaker", "Switch.open", value).flag("Switch.open") is flag


@pytest.mark.parametrize("value", ["true", 1, {"@value": "yes", "@type": "xsd:boolean"}])
def test_untyped_truth_values_are_refused(value: Json) -> None:
    with pytest.raises(DocumentError, match=r"Switch\.open of the object 'urn:uuid:a'.*neither true nor false"):
        read_one("Breaker", "Switch.open", value)


@pytest.mark.parametrize("value", [2, "2", 2.0])
def test_whole_numbers(value: Json) -> None:
    assert read_one("PowerTransformerEnd", "TransformerEnd.endNumber", value).value("TransformerEnd.endNumber") == 2


@pytest.mark.parametrize("value", [2.5, "2.5", "two"])
def test_what_is_no_whole_number_is_refused(value: Json) -> None:
    with pytest.raises(DocumentError, match="no whole number"):
        read_one("PowerTransformerEnd", "TransformerEnd.endNumber", value)


def test_values_of_enumerations_are_in_any_case() -> None:
    value = {"@id": "cim:SynchronousMachineKind.Generator"}
    assert (
        read_one("SynchronousMachine", "SynchronousMachine.type", value).text("SynchronousMachine.type") == "generator"
    )


@pytest.mark.parametrize(
    "value",
    [
        {"@id": "cim:OperationalLimitDirectionKind.high"},
        {"@id": "cim:SynchronousMachineKind.windmill"},
        {"@id": "urn:other"},
        "generator",
    ],
)
def test_values_of_no_or_of_another_enumeration_are_refused(value: Json) -> None:
    with pytest.raises(DocumentError, match=r"SynchronousMachine\.type.*enumeration SynchronousMachineKind"):
        read_one("SynchronousMachine", "SynchronousMachine.type", value)


@pytest.mark.parametrize(
    ("units", "factor_v", "factor_w"), [(UnitsProfile.DIGIN, 1e3, 1e6), (UnitsProfile.SI, 1.0, 1.0)]
)
def test_units_profiles(units: UnitsProfile, factor_v: float, factor_w: float) -> None:
    assert (
        read_one("BaseVoltage", "BaseVoltage.nominalVoltage", 22.0, units).number("BaseVoltage.nominalVoltage")
        == 22.0 * factor_v
    )
    assert read_one("EnergyConsumer", "EnergyConsumer.p", 2.0, units).number("EnergyConsumer.p") == 2.0 * factor_w
    assert (
        read_one("EquivalentInjection", "EquivalentInjection.maxQ", 2.0, units).number("EquivalentInjection.maxQ")
        == 2.0 * factor_w
    )
    assert read_one("CurrentLimit", "CurrentLimit.value", 400.0, units).number("CurrentLimit.value") == 400.0
    assert read_one("ACLineSegment", "ACLineSegment.x", 0.5, units).number("ACLineSegment.x") == 0.5


def test_attributes_of_ancestors_are_read_and_those_of_others_refused() -> None:
    assert read_one("DisconnectingCircuitBreaker", "Switch.open", True).flag("Switch.open") is True
    with pytest.raises(
        DocumentError, match=r"Switch\.open of the object 'urn:uuid:a': Switch is not a base type of ACLineSegment"
    ):
        read_one("ACLineSegment", "Switch.open", True)


def test_unknown_classes_attributes_and_namespaces_are_ignored() -> None:
    found = read(
        {
            "a": {"@type": "Breaker", "Breaker.inTransitTime": "soon", "Switch.locked": "x"},
            "b": {"@type": "TapChangerControl", "Switch.open": True},
        }
    )
    assert list(found) == ["a"]
    other = {"@context": CONTEXT, "@id": "urn:c", "@type": "http://other/Breaker", "http://other/Switch.open": "x"}
    assert read_objects(read_triples(other), UnitsProfile.SI) == []


def test_subjects_that_are_only_references_are_skipped() -> None:
    node = {"@context": CONTEXT, "@id": "urn:uuid:_a", "@type": "cim:Breaker", "cim:Switch.open": "x"}
    assert read_objects(read_triples(node), UnitsProfile.SI) == []


def test_references_fill_both_ends() -> None:
    found = read({"t": {"@type": "Terminal", "Terminal.ConductingEquipment": to("a")}, "a": {"@type": "Breaker"}})
    assert found["t"].reference("Terminal.ConductingEquipment") is found["a"]
    assert found["a"].referring("Terminal.ConductingEquipment") == [found["t"]]


def test_references_to_what_is_not_there_leave_the_attribute_empty() -> None:
    found = read({"t": {"@type": "Terminal", "Terminal.ConductingEquipment": to("nowhere")}})
    assert found["t"].reference("Terminal.ConductingEquipment") is None


def test_references_to_the_wrong_class_are_refused() -> None:
    with pytest.raises(DocumentError, match=r"refers to a Breaker and not to a ConnectivityNode"):
        read({"t": {"@type": "Terminal", "Terminal.ConnectivityNode": to("a")}, "a": {"@type": "Breaker"}})
    with pytest.raises(DocumentError, match="it is no reference"):
        read({"t": {"@type": "Terminal", "Terminal.ConnectivityNode": "urn:uuid:a"}})


def test_what_is_said_twice_counts_once_and_contradictions_are_refused() -> None:
    repeated = {"@type": "Breaker", "Switch.open": [True, True], "IdentifiedObject.name": ["one", "two"]}
    found = read({"a": repeated})["a"]
    assert (found.flag("Switch.open"), found.text("IdentifiedObject.name")) == (True, "one")
    with pytest.raises(DocumentError, match="another value already"):
        read({"a": {"@type": "Breaker", "Switch.open": [True, False]}})


def test_of_several_classes_the_most_specific_counts() -> None:
    def classes(*names: str) -> list[CimObject]:
        node = {"@context": CONTEXT, "@id": "urn:a", "@type": [f"cim:{name}" for name in names]}
        return read_objects(read_triples(node), UnitsProfile.SI)

    assert classes("Switch", "Breaker", "ProtectedSwitch", "Asset")[0].cim_class == "Breaker"
    with pytest.raises(DocumentError, match="both a Breaker and a Fuse"):
        classes("Breaker", "Fuse")


def test_kinds_of_a_class_are_found_in_order() -> None:
    found = read(
        {"a": {"@type": "Fuse"}, "b": {"@type": "BusbarSection"}, "c": {"@type": "DisconnectingCircuitBreaker"}}
    )
    assert objects_of(found.values(), "Switch") == [found["a"], found["c"]]


@pytest.mark.parametrize(
    ("attributes", "described"),
    [
        ({"IdentifiedObject.name": "B 1", "IdentifiedObject.mRID": "m"}, "Breaker with name 'B 1' (MRID m)"),
        ({"IdentifiedObject.mRID": "m"}, "Breaker (MRID m)"),
        ({"IdentifiedObject.name": "B 1"}, "Breaker with name 'B 1' (IRI urn:uuid:a)"),
        ({}, "Breaker (IRI urn:uuid:a)"),
    ],
)
def test_errors_name_the_object_as_well_as_they_can(attributes: dict[str, Json], described: str) -> None:
    error = read({"a": {"@type": "Breaker", **attributes}})["a"].error("it is broken")
    assert re.fullmatch(re.escape(described) + ": it is broken", error.message)


def test_mrid_is_said_or_known_or_in_the_iri() -> None:
    said = read({"a": {"@type": "Fuse", "IdentifiedObject.mRID": "m"}})["a"]
    silent = read({"a": {"@type": "Fuse"}})["a"]
    assert mrid_in_session(said, {iri("a"): "other"}) == "m"
    assert mrid_in_session(silent, {iri("a"): "other"}) == "other"
    assert mrid_in_session(silent, {}) == "a"
    assert mrid_in_session(CimObject("http://x/a", "Fuse"), {}) is None


def test_texts_with_the_character_nul_are_refused() -> None:
    with pytest.raises(DocumentError, match=r"IdentifiedObject\.name.*no text"):
        read_one("Breaker", "IdentifiedObject.name", "a\0b")
