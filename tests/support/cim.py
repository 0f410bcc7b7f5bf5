"""A small CIM network for tests, of which every object and attribute can be changed, and documents about it.

A unit feeds node 1 at 22 kV; a breaker leads to node 2, a segment to node 3, from there a disconnector and a fuse, each with a
segment, to node 5, where a transformer to 11 kV and a load are. A second load is behind the transformer, an injection beside it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import orjson

Json = Any  # a JSON value of any shape
Objects = dict[str, dict[str, Json]]  # attributes by name of the object; under "@type" its class

DROP = object()
CONTEXT = {
    "cim": "http://ucaiug.org/ns/CIM#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def iri(name: str) -> str:
    return f"urn:uuid:{name}"


def to(name: str) -> Json:
    """A reference to an object."""
    return {"@id": iri(name)}


def _terminals(equipment: str, *nodes: str) -> Objects:
    return {
        f"{equipment}.T{k}": {
            "@type": "Terminal",
            "Terminal.ConductingEquipment": to(equipment),
            "Terminal.ConnectivityNode": to(node),
        }
        for k, node in enumerate(nodes, 1)
    }


def _line(name: str, kind: str, first: str, second: str, **attributes: Json) -> Objects:
    return {name: {"@type": kind, "Equipment.EquipmentContainer": to("bay"), **attributes}} | _terminals(
        name, first, second
    )


def _segment(name: str, first: str, second: str) -> Objects:
    return _line(name, "ACLineSegment", first, second, **{"ACLineSegment.r": 0.5, "ACLineSegment.x": 0.25})


def _load(name: str, kind: str, node: str, level: str = "level22") -> Objects:
    return {name: {"@type": kind, "Equipment.EquipmentContainer": to(level)}} | _terminals(name, node)


def _level(name: str, base: str, voltage: float) -> Objects:
    return {
        base: {"@type": "BaseVoltage", "BaseVoltage.nominalVoltage": voltage},
        name: {
            "@type": "VoltageLevel",
            "VoltageLevel.BaseVoltage": to(base),
            "VoltageLevel.Substation": to("substation"),
        },
    }


def cim_objects() -> Objects:
    """The network, in digin units; every object has its name as MRID."""
    objects: Objects = {
        "substation": {"@type": "Substation"},
        **_level("level22", "base22", 22.0),
        **_level("level11", "base11", 11.0),
        "bay": {"@type": "Bay", "Bay.VoltageLevel": to("level22")},
        **{f"node{k}": {"@type": "ConnectivityNode"} for k in range(1, 7)},
        "unit": {
            "@type": "GeneratingUnit",
            "GeneratingUnit.minOperatingP": 0.0,
            "GeneratingUnit.maxOperatingP": 50.0,
        },
        "machine": {
            "@type": "SynchronousMachine",
            "RotatingMachine.GeneratingUnit": to("unit"),
            "RotatingMachine.ratedU": 22.0,
            "SynchronousMachine.minQ": -20.0,
            "SynchronousMachine.maxQ": 20.0,
            "SynchronousMachine.type": {"@id": "cim:SynchronousMachineKind.generator"},
            "Equipment.EquipmentContainer": to("level22"),
        },
        **_terminals("machine", "node1"),
        **_line("breaker", "Breaker", "node1", "node2"),
        **_segment("segment1", "node2", "node3"),
        **_line("disconnector", "Disconnector", "node3", "node4"),
        **_segment("segment2", "node4", "node5"),
        **_line("switch3", "LoadBreakSwitch", "node3", "node5"),
        **_line("fuse", "Fuse", "node2", "node6"),
        **_load("load", "ConformLoad", "node5"),
        **_load("mill", "EnergyConsumer", "node7", "level11"),
        "node7": {"@type": "ConnectivityNode"},
        **_load("supply", "StationSupply", "node5"),
        **_load("injection", "EquivalentInjection", "node6"),
        "transformer": {"@type": "PowerTransformer"},
        **_terminals("transformer", "node5", "node7"),
        **{
            f"end{k}": {
                "@type": "PowerTransformerEnd",
                "PowerTransformerEnd.PowerTransformer": to("transformer"),
                "TransformerEnd.Terminal": to(f"transformer.T{k}"),
                "TransformerEnd.endNumber": k,
                "PowerTransformerEnd.ratedU": rated,
            }
            for k, rated in ((1, 22.0), (2, 11.0))
        },
        "ground": {"@type": "GroundDisconnector"},
        **_terminals("ground", "node5"),
        "section": {"@type": "BusbarSection"},
        "shunt": {"@type": "LinearShuntCompensator"},
    }
    for name, attributes in objects.items():
        attributes["IdentifiedObject.mRID"] = name
    return objects


def steady_state(p: float = 1.0) -> Objects:
    """Demands and switch settings; objects carry no MRID."""
    return {
        "load": {"@type": "ConformLoad", "EnergyConsumer.p": p, "EnergyConsumer.q": 0.2},
        "mill": {"@type": "EnergyConsumer", "EnergyConsumer.p": 2.0, "EnergyConsumer.q": 0.5},
        "injection": {
            "@type": "EquivalentInjection",
            "EquivalentInjection.p": 0.5,
            "EquivalentInjection.q": 0.1,
        },
        "breaker": {"@type": "Breaker", "Switch.open": False},
        "disconnector": {"@type": "Disconnector", "Switch.open": True},
        "switch3": {"@type": "LoadBreakSwitch", "Switch.open": False},
        "fuse": {"@type": "Fuse", "Switch.open": False},
    }


def with_changes(objects: Objects, changes: Mapping[str, Json]) -> Objects:
    """Objects with others in addition, attributes changed (``"name/attribute"``), or either left out (``DROP``)."""
    changed = copy.deepcopy(objects)
    for path, value in changes.items():
        name, _, attribute = path.partition("/")
        if attribute and value is DROP:
            del changed[name][attribute]
        elif attribute:
            changed[name][attribute] = value
        elif value is DROP:
            del changed[name]
        else:
            changed[name] = value
    return changed


def json_ld(objects: Objects) -> Json:
    """The objects as published data write them."""
    return {"@context": CONTEXT, "@graph": [_node(name, attributes) for name, attributes in objects.items()]}


def _node(name: str, attributes: Mapping[str, Json]) -> Json:
    rest = {f"cim:{attribute}": value for attribute, value in attributes.items() if attribute != "@type"}
    return {"@id": iri(name), "@type": f"cim:{attributes['@type']}", **rest}


def network_upload(
    changes: Mapping[str, Json] | None = None, options: Mapping[str, Json] | None = None, units: str = "digin"
) -> bytes:
    """What a client sends for the network with some changes."""
    return orjson.dumps(
        {
            "network": json_ld(with_changes(cim_objects(), changes or {})),
            "parsingOptions": {"unitsProfile": units},
            "conversionOptions": dict(options or {}),
        }
    )


def session_upload(network_id: str = "net", *states: Objects, start: Objects | None = None, **others: Json) -> bytes:
    """What a client sends for a session with a steady state for each hour."""
    periods = [
        {
            "period": {
                "id": f"hour {k}",
                "start_time": f"2024-01-01T{k:02}:00:00Z",
                "end_time": f"2024-01-01T{k + 1:02}:00:00Z",
            },
            "demands": json_ld(state),
        }
        for k, state in enumerate(states or (steady_state(),))
    ]
    body = {
        "networkId": network_id,
        "periodsAndDemands": periods,
        "startConfiguration": None if start is None else json_ld(start),
    }
    return orjson.dumps(body | others)
