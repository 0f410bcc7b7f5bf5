"""CIM networks: every rule with a document that keeps it and one that does not, and what becomes of each class."""

from __future__ import annotations

import math
import re
from typing import Any

import orjson
import pytest

from services.optimizer.documents.cim import CimDirectory, CimNetwork, read_cim_network
from services.optimizer.documents.errors import DocumentError, UnreadableDocumentError
from services.optimizer.documents.power_grid import read_power_grid, write_power_grid
from services.optimizer.reconfiguration.network import BusKind, Line, Node, PowerGrid, TransformerMode
from tests.support.cim import DROP, Json, network_upload, to

LIMITS = {
    f"injection/EquivalentInjection.{name}": value
    for name, value in (("minP", 0.1), ("maxP", 1.0), ("minQ", 0.0), ("maxQ", 0.5))
}


def read(changes: dict[str, Json] | None = None, **options: Json) -> CimNetwork:
    return read_cim_network(network_upload(changes, options))


def refusal(changes: dict[str, Json], **options: Json) -> str:
    with pytest.raises(DocumentError) as refused:
        read(changes, **options)
    return refused.value.message


def node(grid: PowerGrid, node_id: str) -> Node:
    return grid.nodes[grid.node_index[node_id]]


def line(grid: PowerGrid, line_id: str) -> Line:
    return grid.lines[grid.line_index[line_id]]


def ends(grid: PowerGrid, line_id: str) -> tuple[str, str]:
    found = line(grid, line_id)
    return grid.nodes[found.source].id, grid.nodes[found.target].id


class TestWhatBecomesOfAClass:
    def test_nodes_are_connectivity_nodes_providers_and_consumers(self) -> None:
        grid = read().grid
        kinds = {found.id: found.kind for found in grid.document_nodes}
        assert kinds == {f"node{k}": BusKind.TRANSITION for k in range(1, 8)} | {
            "unit": BusKind.PROVIDER,
            "load": BusKind.CONSUMER,
            "mill": BusKind.CONSUMER,
            "injection": BusKind.CONSUMER,
        }
        assert node(grid, "node1") == Node("node1", BusKind.TRANSITION)

    def test_connectivity_nodes_without_a_terminal_in_use_are_left_out(self) -> None:
        grid = read({"node9": {"@type": "ConnectivityNode", "IdentifiedObject.mRID": "node9"}}).grid
        assert "node9" not in grid.node_index

    def test_segments_are_lines(self) -> None:
        grid = read().grid
        assert ends(grid, "segment1") == ("node2", "node3")
        found = line(grid, "segment1")
        assert (found.r_ohm, found.x_ohm, found.imax_a, found.is_switch, found.is_breaker) == (
            0.5,
            0.25,
            math.inf,
            False,
            False,
        )

    def test_impedances_are_scaled(self) -> None:
        found = line(read(lineImpedanceScaleFactor=0.1).grid, "segment1")
        assert (found.r_ohm, found.x_ohm) == pytest.approx((0.05, 0.025))

    def test_switches_are_lines_that_cost_nothing_but_switching(self) -> None:
        grid = read().grid
        breaker, fuse = line(grid, "breaker"), line(grid, "fuse")
        assert breaker == Line("breaker", breaker.source, breaker.target, is_switch=True, switching_cost=1.0)
        assert fuse == Line("fuse", fuse.source, fuse.target, is_breaker=True)
        assert [found.id for found in grid.lines if found.is_switch] == ["breaker", "disconnector", "switch3"]

    def test_switch_types_are_chosen_by_lists_that_replace_the_default(self) -> None:
        grid = read(controllableSwitchTypes=["fuse", "FUSE", "breaker"], breakingSwitchTypes=["fuse"]).grid
        assert [found.id for found in grid.lines if found.is_switch] == ["breaker", "fuse"]
        assert [found.id for found in grid.lines if found.is_breaker] == ["fuse"]
        assert not any(found.is_breaker for found in read(breakingSwitchTypes=[]).grid.lines)

    def test_the_most_specific_class_of_a_switch_decides(self) -> None:
        changes = {"breaker/@type": "DisconnectingCircuitBreaker"}
        assert not line(read(changes, controllableSwitchTypes=["breaker"]).grid, "breaker").is_switch
        assert line(read(changes, controllableSwitchTypes=["disconnectingCircuitBreaker"]).grid, "breaker").is_switch

    @pytest.mark.parametrize("cim_class", ["Switch", "GroundDisconnector"])
    def test_switches_to_the_ground_or_of_no_kind_are_ignored_but_remembered(self, cim_class: str) -> None:
        network = read({"switch3/@type": cim_class})
        assert "switch3" not in network.grid.line_index
        assert network.directory.switches["switch3"].cim_class == cim_class
        assert any("switch3" in warning for warning in network.directory.warnings)

    def test_units_are_providers(self) -> None:
        grid = read().grid
        assert node(grid, "unit") == Node(
            "unit",
            BusKind.PROVIDER,
            v_gen_v=22e3,
            p_gen_min_w=0.0,
            p_gen_max_w=50e6,
            q_gen_min_var=-20e6,
            q_gen_max_var=20e6,
        )
        assert ends(grid, "unit") == ("unit", "node1")
        found = line(grid, "unit")
        assert (found.r_ohm, found.x_ohm, found.is_switch) == (0.0, 0.0, False)

    def test_reactive_limits_of_machines_are_summed(self) -> None:
        second = {
            "@type": "SynchronousMachine",
            "IdentifiedObject.mRID": "machine2",
            "RotatingMachine.GeneratingUnit": to("unit"),
            "RotatingMachine.ratedU": 22.0,
            "SynchronousMachine.minQ": -1.0,
            "SynchronousMachine.maxQ": 3.0,
            "SynchronousMachine.type": {"@id": "cim:SynchronousMachineKind.generator"},
        }
        terminal = {
            "@type": "Terminal",
            "IdentifiedObject.mRID": "machine2.T1",
            "Terminal.ConductingEquipment": to("machine2"),
            "Terminal.ConnectivityNode": to("node1"),
        }
        found = node(read({"machine2": second, "machine2.T1": terminal}).grid, "unit")
        assert (found.q_gen_min_var, found.q_gen_max_var) == (-21e6, 23e6)
        elsewhere = {**terminal, "Terminal.ConnectivityNode": to("node2")}
        assert refusal({"machine2": second, "machine2.T1": elsewhere}).endswith(
            "its machines are on different ConnectivityNodes"
        )
        other = {**second, "RotatingMachine.ratedU": 21.0}
        assert "different voltages: 21000 V, 22000 V" in refusal({"machine2": other, "machine2.T1": terminal})

    def test_a_machine_without_rated_voltage_has_its_base_voltage(self) -> None:
        network = read({"machine/RotatingMachine.ratedU": DROP})
        assert node(network.grid, "unit").v_gen_v == 22e3
        assert any("ratedU is missing" in warning for warning in network.directory.warnings)

    def test_sources_choose_what_becomes_provider_and_consumer(self) -> None:
        assert "unit" not in read(providerSources=["equivalentInjections"]).grid.node_index
        only_loads = read(consumerSources=["energyConsumers"]).grid.node_index
        assert "injection" not in only_loads
        assert "load" in only_loads
        only_injections = read(consumerSources=["equivalentInjections", "equivalentInjections"]).grid.node_index
        assert "injection" in only_injections
        assert "load" not in only_injections

    def test_station_supplies_shunts_and_busbars_are_left_out(self) -> None:
        network = read()
        assert not {"supply", "shunt", "section"} & set(network.grid.node_index)
        assert any(warning.startswith("LinearShuntCompensator (MRID shunt)") for warning in network.directory.warnings)

    def test_injections_that_give_power_are_providers_with_the_sign_turned(self) -> None:
        limits = {"minP": -30.0, "maxP": 0.0, "minQ": -4.0, "maxQ": 2.0}
        changes = {f"injection/EquivalentInjection.{name}": value for name, value in limits.items()}
        found = node(read(changes).grid, "injection")
        assert (found.kind, found.v_gen_v) == (BusKind.PROVIDER, 22e3)
        assert (found.p_gen_min_w, found.p_gen_max_w, found.q_gen_min_var, found.q_gen_max_var) == (
            0.0,
            30e6,
            -2e6,
            4e6,
        )
        assert "injection" not in read(changes, providerSources=["generatingUnits"]).grid.node_index

    def test_a_providing_injection_has_the_rated_voltage_of_the_transformer_at_its_node(self) -> None:
        limits = {"minP": -30.0, "maxP": -1.0, "minQ": -4.0, "maxQ": 2.0}
        changes = {f"injection/EquivalentInjection.{name}": value for name, value in limits.items()}
        changes |= {"injection.T1/Terminal.ConnectivityNode": to("node7"), "end2/PowerTransformerEnd.ratedU": 11.5}
        assert node(read(changes).grid, "injection").v_gen_v == 11.5e3

    def test_consumers_have_limits_by_factors(self) -> None:
        free = node(read().grid, "mill")
        assert (free.v_min_v, free.v_max_v) == (0.0, 1e9)
        bound = read(consumerMinVoltageFactor=0.9, consumerMaxVoltageFactor=1.1).grid
        assert (node(bound, "mill").v_min_v, node(bound, "mill").v_max_v) == pytest.approx((9.9e3, 12.1e3))
        assert node(bound, "load").v_max_v == pytest.approx(24.2e3)

    def test_transformers_have_a_mode_from_the_higher_to_the_lower_voltage(self) -> None:
        grid = read().grid
        (transformer,) = grid.transformers
        first, second = grid.node_index["node5"], grid.node_index["node7"]
        assert transformer.terminals == (first, second)
        assert transformer.end_voltages_v == (22e3, 11e3)
        (mode,) = transformer.modes
        assert mode == TransformerMode(first, second, mode.operation, 2.0)
        turned = read({"end1/PowerTransformerEnd.ratedU": 11.0, "end2/PowerTransformerEnd.ratedU": 22.0}).grid
        (mode,) = turned.transformers[0].modes
        assert (mode.source, mode.target, mode.ratio) == (second, first, 2.0)

    def test_three_ends_make_three_modes_and_four_are_refused(self) -> None:
        def end(k: int, at: str) -> dict[str, Json]:
            return {
                f"end{k}": {
                    "@type": "PowerTransformerEnd",
                    "IdentifiedObject.mRID": f"end{k}",
                    "PowerTransformerEnd.PowerTransformer": to("transformer"),
                    "TransformerEnd.Terminal": to(f"transformer.T{k}"),
                    "PowerTransformerEnd.ratedU": 5.5,
                },
                f"transformer.T{k}": {
                    "@type": "Terminal",
                    "IdentifiedObject.mRID": f"transformer.T{k}",
                    "Terminal.ConductingEquipment": to("transformer"),
                    "Terminal.ConnectivityNode": to(at),
                },
            }

        (transformer,) = read(end(3, "node6")).grid.transformers
        assert [mode.ratio for mode in transformer.modes] == [2.0, 4.0, 2.0]
        assert "it must have 2 or 3 ends and has 4" in refusal(end(3, "node6") | end(4, "node4"))
        assert "same ConnectivityNode" in refusal(end(3, "node5"))


class TestCurrentLimits:
    @staticmethod
    def limits(
        *attributes: dict[str, Json], direction: str = "absoluteValue", at: str = "Equipment"
    ) -> dict[str, Json]:
        target = {"Equipment": to("segment1"), "Terminal": to("segment1.T2")}[at]
        changes: dict[str, Json] = {
            "type": {
                "@type": "OperationalLimitType",
                "OperationalLimitType.direction": {"@id": f"cim:OperationalLimitDirectionKind.{direction}"},
            }
        }
        for k, values in enumerate(attributes):
            changes[f"set{k}"] = {"@type": "OperationalLimitSet", f"OperationalLimitSet.{at}": target}
            changes[f"limit{k}"] = {
                "@type": "CurrentLimit",
                "OperationalLimit.OperationalLimitSet": to(f"set{k}"),
                "OperationalLimit.OperationalLimitType": to("type"),
                **values,
            }
        return changes

    def imax(self, changes: dict[str, Json], **options: Json) -> float:
        return line(read(changes, **options).grid, "segment1").imax_a

    @pytest.mark.parametrize("at", ["Equipment", "Terminal"])
    def test_limits_of_the_segment_and_of_its_terminals_count(self, at: str) -> None:
        assert self.imax(self.limits({"CurrentLimit.value": 300.0}, at=at)) == 300.0

    def test_the_first_source_that_is_there_counts(self) -> None:
        both = {"CurrentLimit.value": 300.0, "CurrentLimit.normalValue": 200.0}
        assert self.imax(self.limits(both)) == 300.0
        assert self.imax(self.limits(both), operationalLimitSources=["normalValue", "value", "normalValue"]) == 200.0
        assert self.imax(self.limits({"CurrentLimit.normalValue": 200.0})) == 200.0
        assert (
            self.imax(self.limits({"CurrentLimit.normalValue": 200.0}), operationalLimitSources=["value"]) == math.inf
        )

    def test_equal_limits_count_and_different_ones_do_not(self) -> None:
        one, other = {"CurrentLimit.value": 300.0}, {"CurrentLimit.value": 250.0}
        assert self.imax(self.limits(one, one)) == 300.0
        network = read(self.limits(one, other))
        assert line(network.grid, "segment1").imax_a == math.inf
        assert any("differ: 250 A, 300 A" in warning for warning in network.directory.warnings)

    def test_limits_of_a_direction_and_other_kinds_are_ignored(self) -> None:
        assert self.imax(self.limits({"CurrentLimit.value": 300.0}, direction="high")) == math.inf
        changes = self.limits({}) | {"limit0/@type": "VoltageLimit", "limit0/VoltageLimit.value": 24.0}
        assert self.imax(changes) == math.inf

    def test_negative_limits_are_refused(self) -> None:
        assert "the limit is negative" in refusal(self.limits({"CurrentLimit.value": -1.0}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segment1/IdentifiedObject.mRID": DROP}, "ACLineSegment (IRI urn:uuid:segment1): IdentifiedObject.mRID is missing"),
        ({"node3/IdentifiedObject.mRID": DROP}, "ConnectivityNode (IRI urn:uuid:node3): IdentifiedObject.mRID is missing"),
        ({"segment1.T1/IdentifiedObject.mRID": DROP}, "Terminal (IRI urn:uuid:segment1.T1): IdentifiedObject.mRID is missing"),
        ({"end1/IdentifiedObject.mRID": DROP}, "PowerTransformerEnd (IRI urn:uuid:end1): IdentifiedObject.mRID is missing"),
        ({"bay/IdentifiedObject.mRID": DROP}, "Bay (IRI urn:uuid:bay): IdentifiedObject.mRID is missing"),
        ({"base22/IdentifiedObject.mRID": DROP}, "BaseVoltage (IRI urn:uuid:base22): IdentifiedObject.mRID is missing"),
        ({"unit/IdentifiedObject.mRID": DROP}, "GeneratingUnit (IRI urn:uuid:unit): IdentifiedObject.mRID is missing"),
        ({"node3/IdentifiedObject.mRID": "fuse"}, "its MRID is also that of the Fuse (MRID fuse)"),
        ({"base22/BaseVoltage.nominalVoltage": 0.0}, "BaseVoltage (MRID base22): BaseVoltage.nominalVoltage must be positive"),
        ({"base22/BaseVoltage.nominalVoltage": DROP}, "BaseVoltage.nominalVoltage is missing"),
        ({"level22/VoltageLevel.BaseVoltage": DROP}, "VoltageLevel (MRID level22): VoltageLevel.BaseVoltage is missing"),
        ({"load.T1": DROP}, "ConformLoad (MRID load): it has no Terminal"),
        ({"ground.T1": DROP}, "GroundDisconnector (MRID ground): it has no Terminal"),
        ({"load.T1/Terminal.ConnectivityNode": DROP}, "Terminal (MRID load.T1): Terminal.ConnectivityNode is missing"),
        ({"fuse.T2/Terminal.ConnectivityNode": to("node2")}, "Fuse (MRID fuse): two of its terminals are on the same ConnectivityNode"),
        ({"transformer.T2/Terminal.ConnectivityNode": to("node5")}, "PowerTransformer (MRID transformer): two of its terminals"),
        (dict(list(LIMITS.items())[:3]), "and not the others: EquivalentInjection.maxQ"),
        ({**LIMITS, "injection/EquivalentInjection.minP": 2.0}, "EquivalentInjection.minP is above EquivalentInjection.maxP"),
        ({**LIMITS, "injection/EquivalentInjection.minQ": 2.0}, "EquivalentInjection.minQ is above EquivalentInjection.maxQ"),
        ({**LIMITS, "injection/EquivalentInjection.minP": -2.0}, "EquivalentInjection.minP is negative and maxP positive"),
        ({"segment1/ACLineSegment.r": DROP}, "ACLineSegment (MRID segment1): ACLineSegment.r is missing"),
        ({"segment1/ACLineSegment.x": DROP}, "ACLineSegment.x is missing"),
        ({"segment1/ACLineSegment.r": -0.1}, "ACLineSegment.r is negative: -0.1"),
        ({"segment1.T2": DROP}, "ACLineSegment (MRID segment1): it must have exactly 2 terminals and has 1"),
        ({"fuse.T2": DROP}, "Fuse (MRID fuse): it must have exactly 2 terminals and has 1"),
        ({"machine": DROP}, "GeneratingUnit (MRID unit): it has no RotatingMachine"),
        ({"unit/GeneratingUnit.maxOperatingP": DROP}, "GeneratingUnit.maxOperatingP is missing"),
        ({"unit/GeneratingUnit.minOperatingP": -1.0}, "GeneratingUnit.minOperatingP must not be negative"),
        ({"unit/GeneratingUnit.minOperatingP": 60.0}, "nor above GeneratingUnit.maxOperatingP: 60000000 W, 50000000 W"),
        ({"machine/RotatingMachine.ratedU": 0.0}, "RotatingMachine.ratedU must be positive"),
        ({"machine/SynchronousMachine.type": DROP}, "SynchronousMachine.type is missing"),
        ({"machine/SynchronousMachine.type": {"@id": "cim:SynchronousMachineKind.motor"}}, "must be generator and is motor"),
        ({"machine/SynchronousMachine.minQ": DROP}, "SynchronousMachine.minQ is missing"),
        ({"machine/SynchronousMachine.minQ": 21.0}, "SynchronousMachine.minQ is above SynchronousMachine.maxQ"),
        ({"end2": DROP}, "PowerTransformer (MRID transformer): it must have 2 or 3 ends and has 1"),
        ({"end2/TransformerEnd.Terminal": DROP}, "PowerTransformerEnd (MRID end2): TransformerEnd.Terminal is missing"),
        ({"end2/PowerTransformerEnd.ratedU": DROP}, "PowerTransformerEnd.ratedU is missing"),
        ({"end2/PowerTransformerEnd.ratedU": 0.0}, "PowerTransformerEnd.ratedU must be positive"),
        ({"load.T2": {"@type": "Terminal", "IdentifiedObject.mRID": "load.T2", "Terminal.ConductingEquipment": to("load"), "Terminal.ConnectivityNode": to("node4")}}, "ConformLoad (MRID load): it must have exactly 1 terminal and has 2"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(changes: dict[str, Json], message: str) -> None:
    assert message in refusal(changes)


class TestBaseVoltage:
    def mill_max_v(self, changes: dict[str, Json]) -> float:
        return node(read(changes, consumerMaxVoltageFactor=1.0).grid, "mill").v_max_v

    def test_its_own_comes_first_then_that_of_level_or_bay(self) -> None:
        assert self.mill_max_v({"mill/ConductingEquipment.BaseVoltage": to("base22")}) == 22e3
        assert self.mill_max_v({}) == 11e3
        assert self.mill_max_v({"mill/Equipment.EquipmentContainer": to("bay")}) == 22e3

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"mill/Equipment.EquipmentContainer": DROP}, "EnergyConsumer (MRID mill): it has no BaseVoltage"),
            ({"mill/Equipment.EquipmentContainer": to("substation")}, "lies in a Substation"),
            (
                {"mill/Equipment.EquipmentContainer": to("bay"), "bay/Bay.VoltageLevel": DROP},
                "Bay (MRID bay): Bay.VoltageLevel is missing",
            ),
        ],
    )
    def test_it_is_needed_only_with_a_factor(self, changes: dict[str, Json], message: str) -> None:
        read(changes)
        assert message in refusal(changes, consumerMinVoltageFactor=0.9)


class TestForm:
    @pytest.mark.parametrize(
        ("path", "value", "named"),
        [
            ("network", DROP, "network"),
            ("network", None, "network"),
            ("parsingOptions", DROP, "parsingOptions"),
            ("parsingOptions", {}, "unitsProfile"),
            ("parsingOptions", {"unitsProfile": None}, "unitsProfile"),
            ("parsingOptions", {"unitsProfile": "imperial"}, "unitsProfile"),
            ("parsingOptions", 5, "parsingOptions"),
            ("conversionOptions", DROP, "conversionOptions"),
            ("conversionOptions", {"providerSources": ["sun"]}, "providerSources"),
            ("conversionOptions", {"providerSources": "generatingUnits"}, "providerSources"),
            ("conversionOptions", {"consumerMinVoltageFactor": "low"}, "consumerMinVoltageFactor"),
        ],
    )
    def test_what_is_missing_or_of_the_wrong_type_is_named(self, path: str, value: Json, named: str) -> None:
        upload: dict[str, Any] = orjson.loads(network_upload())
        upload[path] = value
        body = orjson.dumps({name: kept for name, kept in upload.items() if kept is not DROP})
        with pytest.raises(UnreadableDocumentError) as refused:
            read_cim_network(body)
        assert named in refused.value.path or named in refused.value.message
        assert re.search(r"Path '.*', line \d+, position \d+\.$", refused.value.message)

    def test_names_are_in_any_case(self) -> None:
        upload: dict[str, Any] = orjson.loads(network_upload(options={"LineImpedanceScaleFactor": 2.0}))
        body = orjson.dumps(
            {
                "Network": upload["network"],
                "PARSINGOPTIONS": {"UnitsProfile": "Digin"},
                "ConversionOptions": upload["conversionOptions"],
            }
        )
        assert line(read_cim_network(b"\xef\xbb\xbf" + body).grid, "segment1").r_ohm == 1.0

    @pytest.mark.parametrize("factor", [-0.5, "Infinity"])
    def test_factors_are_finite_and_not_negative(self, factor: Json) -> None:
        assert "lineImpedanceScaleFactor must be finite and not negative" in refusal(
            {}, lineImpedanceScaleFactor=factor
        )

    def test_null_options_are_the_defaults(self) -> None:
        assert read(lineImpedanceScaleFactor=None, providerSources=None).grid == read().grid

    def test_what_is_not_json_is_said_with_its_place(self) -> None:
        with pytest.raises(UnreadableDocumentError, match=r"not JSON.*line 1, position \d+\.$"):
            read_cim_network(b'{"network": ')


def test_the_converted_network_is_a_document_like_any_other() -> None:
    grid = read().grid
    again = read_power_grid(write_power_grid(grid))
    assert [found.id for found in again.nodes] == [found.id for found in grid.nodes]
    assert write_power_grid(again) == write_power_grid(grid)


def test_si_units_say_the_same_with_other_numbers() -> None:
    changes = {
        "base22/BaseVoltage.nominalVoltage": 22e3,
        "machine/RotatingMachine.ratedU": 22e3,
        "machine/SynchronousMachine.minQ": -20e6,
        "machine/SynchronousMachine.maxQ": 20e6,
        "unit/GeneratingUnit.maxOperatingP": 50e6,
        "end1/PowerTransformerEnd.ratedU": 22e3,
        "end2/PowerTransformerEnd.ratedU": 11e3,
    }
    assert read_cim_network(network_upload(changes, units="si")).grid == read().grid


def test_the_directory_can_be_kept() -> None:
    network = read()
    directory, document = network.directory, write_power_grid(network.grid)
    kept = directory.written_into(document)
    assert CimDirectory.of_network(kept) == directory
    assert write_power_grid(read_power_grid(kept)) == document
    assert list(directory.switches) == ["breaker", "disconnector", "fuse", "ground", "switch3"]
