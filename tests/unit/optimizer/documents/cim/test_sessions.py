"""Demands, configurations and solutions of sessions on a CIM network: every rule, and what is written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pytest

from services.optimizer.documents.cim import (
    CimNetwork,
    read_cim_demands,
    read_cim_network,
    read_cim_session,
    read_cim_solution,
    read_cim_start_configuration,
    write_cim_solution,
)
from services.optimizer.documents.errors import DocumentError, UnreadableDocumentError
from services.optimizer.reconfiguration.network import Demands, PowerGrid
from tests.support.cim import (
    DROP,
    Json,
    Objects,
    iri,
    json_ld,
    network_upload,
    session_upload,
    steady_state,
    with_changes,
)


@pytest.fixture(scope="module")
def net() -> CimNetwork:
    return read_cim_network(network_upload())


def demands_of(net: CimNetwork, *states: Objects, **others: Json) -> Demands:
    return read_cim_demands(read_cim_session(session_upload("net", *states, **others)), net.grid, net.directory)


def open_lines(net: CimNetwork, *names: str) -> list[bool]:
    return [line.id in names for line in net.grid.lines]


class TestDemands:
    def test_powers_are_in_si_units_over_all_nodes(self, net: CimNetwork) -> None:
        demands = demands_of(net, steady_state(), steady_state(3.0))
        index = net.grid.node_index
        assert [period.id for period in demands.periods] == ["hour 0", "hour 1"]
        assert demands.p_w[:, index["load"]].tolist() == [1e6, 3e6]
        assert demands.q_var[:, index["mill"]].tolist() == [0.5e6, 0.5e6]
        assert demands.p_w.sum() == pytest.approx(2 * 2.5e6 + 4e6)
        assert not demands.p_w.flags.writeable

    def test_units_are_those_of_the_network(self) -> None:
        si = read_cim_network(network_upload(units="si"))
        assert demands_of(si).p_w[0, si.grid.node_index["load"]] == 1.0

    def test_objects_may_say_their_mrid_or_have_it_in_their_iri(self, net: CimNetwork) -> None:
        renamed = {"urn": {**steady_state()["load"], "IdentifiedObject.mRID": "load"}}
        demands = demands_of(net, with_changes(steady_state(), {"load": DROP, **renamed}))
        assert demands.p_w[0, net.grid.node_index["load"]] == 1e6

    def test_objects_with_an_iri_of_the_network_are_known_by_it(self) -> None:
        other = read_cim_network(network_upload({"load/IdentifiedObject.mRID": "L-1"}))
        assert demands_of(other).p_w[0, other.grid.node_index["L-1"]] == 1e6

    def test_objects_that_are_not_in_the_network_are_ignored(self, net: CimNetwork) -> None:
        strange: Objects = {
            "new": {"@type": "EnergyConsumer", "EnergyConsumer.p": 1.0, "EnergyConsumer.q": 1.0},
            "far": {"@type": "EquivalentInjection"},
        }
        assert demands_of(net, steady_state() | strange).p_w.sum() == pytest.approx(3.5e6)

    def test_an_injection_that_was_left_out_is_not_in_the_network(self) -> None:
        only_loads = read_cim_network(network_upload(options={"consumerSources": ["energyConsumers"]}))
        assert demands_of(only_loads).p_w.sum() == pytest.approx(3e6)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"load/EnergyConsumer.p": DROP}, "ConformLoad (IRI urn:uuid:load): EnergyConsumer.p is missing"),
            ({"load/EnergyConsumer.q": DROP}, "EnergyConsumer.q is missing"),
            ({"load/EnergyConsumer.p": 0.0}, "EnergyConsumer.p of a consumer must be positive and is 0 W"),
            ({"injection/EquivalentInjection.p": -1.0}, "EquivalentInjection.p of a consumer must be positive"),
            ({"injection/EquivalentInjection.q": DROP}, "EquivalentInjection.q is missing"),
            ({"load": DROP}, "ConformLoad (MRID load): there is no demand for it"),
            ({"new": {"@type": "EnergyConsumer", "EnergyConsumer.p": 0.0, "EnergyConsumer.q": 0.0}}, "must be positive"),
            ({"new": {"@type": "EnergyConsumer", "EnergyConsumer.p": 1.0}}, "EnergyConsumer.q is missing"),
            (
                {"new": {"@type": "EnergyConsumer", "IdentifiedObject.mRID": "unit", "EnergyConsumer.p": 1.0, "EnergyConsumer.q": 0.0}},
                "it is in the network and no consumer there",
            ),
            (
                {"new": {"@type": "EquivalentInjection", "IdentifiedObject.mRID": "node1", "EquivalentInjection.p": 1.0, "EquivalentInjection.q": 0.0}},
                "it is in the network and no consumer there",
            ),
            (
                {"new": {"@type": "EnergyConsumer", "IdentifiedObject.mRID": "load", "EnergyConsumer.p": 1.0, "EnergyConsumer.q": 0.0}},
                "there is another demand for it",
            ),
            ({"load/EnergyConsumer.p": "much"}, "Attribute EnergyConsumer.p of the object 'urn:uuid:load': the value 'much'"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named_with_the_period(
        self, net: CimNetwork, changes: dict[str, Json], message: str
    ) -> None:
        with pytest.raises(DocumentError) as refused:
            demands_of(net, steady_state(), with_changes(steady_state(), changes))
        assert refused.value.message.startswith("Period 'hour 1': ")
        assert message in refused.value.message

    def test_an_object_without_any_mrid_is_refused(self, net: CimNetwork) -> None:
        state = json_ld(steady_state())
        state["@graph"][0]["@id"] = "http://x/load"
        upload: dict[str, Any] = orjson.loads(session_upload())
        upload["periodsAndDemands"][0]["demands"] = state
        with pytest.raises(DocumentError, match="no MRID, and none can be derived"):
            read_cim_demands(read_cim_session(orjson.dumps(upload)), net.grid, net.directory)

    def test_providing_injections_take_no_power(self) -> None:
        limits = {"minP": -30.0, "maxP": 0.0, "minQ": -4.0, "maxQ": 2.0}
        changes = {f"injection/EquivalentInjection.{name}": value for name, value in limits.items()}
        giving = read_cim_network(network_upload(changes))
        fed = with_changes(steady_state(), {"injection/EquivalentInjection.p": -3.0})
        assert demands_of(giving, fed).p_w.sum() == pytest.approx(3e6)
        with pytest.raises(DocumentError, match="of a provider must not be positive"):
            demands_of(giving)

    def test_periods_follow_each_other(self, net: CimNetwork) -> None:
        upload: dict[str, Any] = orjson.loads(session_upload("net", steady_state(), steady_state()))
        upload["periodsAndDemands"][1]["period"]["start_time"] = "2024-01-01T01:30:00Z"
        with pytest.raises(DocumentError, match="'hour 1' starts at"):
            read_cim_demands(read_cim_session(orjson.dumps(upload)), net.grid, net.directory)
        with pytest.raises(DocumentError, match="list of periods is empty"):
            demands_of(net, periodsAndDemands=[])


class TestSessionForm:
    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({"periodsAndDemands": []}, "networkId"),
            ({"networkId": "n"}, "periodsAndDemands"),
            ({"networkId": None, "periodsAndDemands": []}, "networkId"),
            ({"networkId": "n", "periodsAndDemands": [{"demands": {}}]}, "period"),
            ({"networkId": "n", "periodsAndDemands": [{"period": {}}]}, "demands"),
            ({"networkId": "n", "periodsAndDemands": {}}, "periodsAndDemands"),
        ],
    )
    def test_what_is_missing_is_named(self, body: Json, named: str) -> None:
        with pytest.raises(UnreadableDocumentError) as refused:
            read_cim_session(orjson.dumps(body))
        assert named in refused.value.message

    def test_names_are_in_any_case(self) -> None:
        upload: dict[str, Any] = orjson.loads(session_upload())
        upload = {name[0].upper() + name[1:]: value for name, value in upload.items()}
        session = read_cim_session(orjson.dumps(upload))
        assert (session.network_id, len(session.steady_states), session.start_configuration) == ("net", 1, None)


class TestConfigurations:
    def read(self, net: CimNetwork, changes: dict[str, Json]) -> list[bool]:
        document = json_ld(with_changes(steady_state(), changes))
        is_open: list[bool] = read_cim_start_configuration(document, net.grid, net.directory).tolist()
        return is_open

    def test_switches_are_set(self, net: CimNetwork) -> None:
        assert self.read(net, {}) == open_lines(net, "disconnector")

    def test_the_class_may_be_another_than_in_the_network(self, net: CimNetwork) -> None:
        assert self.read(net, {"disconnector/@type": "Fuse"}) == open_lines(net, "disconnector")

    def test_ignored_switches_of_the_network_are_accepted(self, net: CimNetwork) -> None:
        assert self.read(net, {"ground": {"@type": "GroundDisconnector", "Switch.open": True}}) == open_lines(
            net, "disconnector"
        )

    def test_switches_that_are_not_controllable_need_no_setting(self, net: CimNetwork) -> None:
        assert self.read(net, {"fuse": DROP}) == open_lines(net, "disconnector")

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"new": {"@type": "Breaker", "Switch.open": True}},
                "Breaker (MRID new): there is no such switch in the network",
            ),
            ({"segment1": {"@type": "Fuse", "Switch.open": False}}, "Fuse (MRID segment1): there is no such switch"),
            ({"breaker/Switch.open": DROP}, "Breaker (IRI urn:uuid:breaker): Switch.open is missing"),
            ({"fuse/Switch.open": True}, "Fuse (IRI urn:uuid:fuse): it is not controllable"),
            ({"breaker": DROP}, "Breaker (MRID breaker): there is no setting for this switch"),
            (
                {"again": {"@type": "Fuse", "IdentifiedObject.mRID": "breaker", "Switch.open": False}},
                "the switch with the MRID breaker is set twice",
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, net: CimNetwork, changes: dict[str, Json], message: str) -> None:
        with pytest.raises(DocumentError) as refused:
            self.read(net, changes)
        assert message in refused.value.message

    def test_a_switch_without_any_mrid_is_refused(self, net: CimNetwork) -> None:
        document = json_ld(steady_state())
        document["@graph"][3]["@id"] = "http://x/breaker"
        with pytest.raises(DocumentError, match="no MRID, and none can be derived"):
            read_cim_start_configuration(document, net.grid, net.directory)


class TestObjectsWithoutAName:
    """Names as ``_:b0``, and none at all, hold within one document."""

    @pytest.fixture
    def net(self) -> CimNetwork:
        """The network with a breaker that only its MRID names."""
        return read_cim_network(network_upload().replace(b'"urn:uuid:breaker"', b'"_:b0"'))

    def test_a_name_of_another_document_leads_nowhere(self, net: CimNetwork) -> None:
        document = json_ld(steady_state())
        assert read_cim_start_configuration(document, net.grid, net.directory).sum() == 1
        disconnector = next(entry for entry in document["@graph"] if entry["@id"] == iri("disconnector"))
        disconnector["@id"] = "_:b0"
        with pytest.raises(DocumentError, match="no MRID, and none can be derived"):
            read_cim_start_configuration(document, net.grid, net.directory)

    def test_solutions_name_it_by_its_mrid(self, net: CimNetwork) -> None:
        first = orjson.loads(TestExport.written(net, "breaker"))["periodSolutions"][0]["@graph"][0]
        assert first == {"@id": iri("breaker"), "@type": "cim:Breaker", "cim:Switch.open": True}


class TestSolutions:
    def read(self, net: CimNetwork, *settings: Objects) -> list[list[bool]]:
        demands = demands_of(net, steady_state(), steady_state())
        body = orjson.dumps({"PeriodSolutions": [json_ld(objects) for objects in settings]})
        solution: list[list[bool]] = read_cim_solution(body, net.grid, demands, net.directory).tolist()
        return solution

    def test_there_is_one_document_for_each_period_in_order(self, net: CimNetwork) -> None:
        closed = with_changes(steady_state(), {"disconnector/Switch.open": False})
        assert self.read(net, steady_state(), closed) == [open_lines(net, "disconnector"), open_lines(net)]

    def test_another_count_is_refused(self, net: CimNetwork) -> None:
        with pytest.raises(DocumentError, match="2 in all, and there are 1"):
            self.read(net, steady_state())

    def test_errors_name_the_period(self, net: CimNetwork) -> None:
        with pytest.raises(DocumentError, match=r"^Period 'hour 1': Breaker \(MRID breaker\): there is no setting"):
            self.read(net, steady_state(), with_changes(steady_state(), {"breaker": DROP}))

    @pytest.mark.parametrize("body", [b"{}", b'{"periodSolutions": null}', b'{"periodSolutions": 5}', b"[]", b"{"])
    def test_another_form_is_refused(self, net: CimNetwork, body: bytes) -> None:
        with pytest.raises(UnreadableDocumentError):
            read_cim_solution(body, net.grid, demands_of(net), net.directory)


class TestExport:
    @staticmethod
    def written(net: CimNetwork, *open_in_periods: str) -> bytes:
        configurations = np.array([open_lines(net, name) for name in open_in_periods], dtype=bool)
        return write_cim_solution(
            net.grid,
            net.directory,
            configurations,
            ids=[UUID(int=k + 1) for k in range(len(open_in_periods))],
            generated_at=datetime(2024, 5, 1, 12, 0, 0, 120_000, tzinfo=UTC),
        )

    def test_the_document_is_as_clients_compare_it(self, net: CimNetwork) -> None:
        document = json.loads(self.written(net, "disconnector", "switch3"))
        assert list(document) == ["periodSolutions"]
        first, second = document["periodSolutions"]
        assert list(first) == ["@context", "@id", "@type", "dcterms:generatedAtTime", "dcterms:creator", "@graph"]
        assert list(first["@context"].items()) == [
            ("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
            ("cim", "http://ucaiug.org/ns/CIM#"),
            ("eu", "http://iec.ch/TC57/CIM100-European#"),
            ("dcterms", "http://purl.org/dc/terms/"),
            ("dcat", "http://www.w3.org/ns/dcat#"),
            ("prov", "http://www.w3.org/ns/prov#"),
            ("xsd", "http://www.w3.org/2001/XMLSchema#"),
        ]
        assert (first["@id"], second["@id"]) == (f"urn:uuid:{UUID(int=1)}", f"urn:uuid:{UUID(int=2)}")
        assert first["@type"] == "dcat:Dataset"
        assert first["dcterms:generatedAtTime"] == {"@value": "2024-05-01T12:00:00.1200000", "@type": "xsd:dateTime"}
        assert first["dcterms:creator"] == "SINTEF PGO"
        assert [list(entry.items()) for entry in first["@graph"]] == [
            [("@id", iri("breaker")), ("@type", "cim:Breaker"), ("cim:Switch.open", False)],
            [("@id", iri("disconnector")), ("@type", "cim:Disconnector"), ("cim:Switch.open", True)],
            [("@id", iri("fuse")), ("@type", "cim:Fuse"), ("cim:Switch.open", False)],
            [("@id", iri("ground")), ("@type", "cim:GroundDisconnector"), ("cim:Switch.open", False)],
            [("@id", iri("switch3")), ("@type", "cim:LoadBreakSwitch"), ("cim:Switch.open", False)],
        ]
        assert [entry["cim:Switch.open"] for entry in second["@graph"]] == [False, False, False, False, True]

    def test_what_was_written_can_be_read(self, net: CimNetwork) -> None:
        demands = demands_of(net, steady_state(), steady_state())
        again = read_cim_solution(self.written(net, "disconnector", "switch3"), net.grid, demands, net.directory)
        assert again.tolist() == [open_lines(net, "disconnector"), open_lines(net, "switch3")]


def test_a_grid_has_ids_that_are_mrids(net: CimNetwork) -> None:
    grid: PowerGrid = net.grid
    mrids = {"unit", "load", "mill", "injection"}
    assert mrids < {node.id for node in grid.document_nodes}
    assert {line.id for line in grid.document_lines} == mrids | {
        "breaker", "segment1", "disconnector", "segment2", "switch3", "fuse",
    }  # fmt: skip
