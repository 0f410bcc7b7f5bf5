"""What of CIM is known: the classes with their parents, and their attributes with what they hold. All else is ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

CIM = "http://ucaiug.org/ns/CIM#"

PARENTS: Mapping[str, str | None] = {
    "IdentifiedObject": None,
    "BaseVoltage": "IdentifiedObject",
    "PowerSystemResource": "IdentifiedObject",
    "ConnectivityNode": "IdentifiedObject",
    "EquipmentContainer": "PowerSystemResource",
    "Substation": "EquipmentContainer",
    "VoltageLevel": "EquipmentContainer",
    "Bay": "EquipmentContainer",
    "Equipment": "PowerSystemResource",
    "GeneratingUnit": "Equipment",
    "ConductingEquipment": "Equipment",
    "PowerTransformer": "ConductingEquipment",
    "BusbarSection": "ConductingEquipment",
    "Conductor": "ConductingEquipment",
    "ACLineSegment": "Conductor",
    "EnergyConsumer": "ConductingEquipment",
    "ConformLoad": "EnergyConsumer",
    "NonConformLoad": "EnergyConsumer",
    "StationSupply": "EnergyConsumer",
    "EquivalentEquipment": "ConductingEquipment",
    "EquivalentInjection": "EquivalentEquipment",
    "RegulatingCondEq": "ConductingEquipment",
    "RotatingMachine": "RegulatingCondEq",
    "SynchronousMachine": "RotatingMachine",
    "ShuntCompensator": "RegulatingCondEq",
    "LinearShuntCompensator": "ShuntCompensator",
    "NonlinearShuntCompensator": "ShuntCompensator",
    "PetersenCoil": "ConductingEquipment",
    "Switch": "ConductingEquipment",
    "Fuse": "Switch",
    "Jumper": "Switch",
    "Sectionalizer": "Switch",
    "Disconnector": "Switch",
    "GroundDisconnector": "Switch",
    "ProtectedSwitch": "Switch",
    "LoadBreakSwitch": "ProtectedSwitch",
    "Breaker": "ProtectedSwitch",
    "DisconnectingCircuitBreaker": "Breaker",
    "Recloser": "ProtectedSwitch",
    "ACDCTerminal": "IdentifiedObject",
    "Terminal": "ACDCTerminal",
    "TransformerEnd": "IdentifiedObject",
    "PowerTransformerEnd": "TransformerEnd",
    "OperationalLimitSet": "IdentifiedObject",
    "OperationalLimitType": "IdentifiedObject",
    "OperationalLimit": "IdentifiedObject",
    "CurrentLimit": "OperationalLimit",
    "VoltageLimit": "OperationalLimit",
    "ActivePowerLimit": "OperationalLimit",
    "ApparentPowerLimit": "OperationalLimit",
}


def _ancestry(name: str) -> tuple[str, ...]:
    parent = PARENTS[name]
    return (name,) if parent is None else (name, *_ancestry(parent))


# Each class with itself and all that it is a kind of, the nearest first.
ANCESTRY: Mapping[str, tuple[str, ...]] = {name: _ancestry(name) for name in PARENTS}


class UnitsProfile(StrEnum):
    """In which units documents give quantities."""

    DIGIN = "digin"  # kV, MW, MVAr
    SI = "si"  # V, W, var


class Quantity(Enum):
    """Kinds of numbers that some profiles give in multiples of SI units; amperes, ohms and metres never are."""

    VOLTAGE = "voltage"
    POWER = "power"


_MULTIPLES: Mapping[UnitsProfile, Mapping[Quantity, float]] = {
    UnitsProfile.DIGIN: {Quantity.VOLTAGE: 1e3, Quantity.POWER: 1e6},
    UnitsProfile.SI: {Quantity.VOLTAGE: 1.0, Quantity.POWER: 1.0},
}


def in_si(value: float, quantity: Quantity | None, profile: UnitsProfile) -> float:
    """A number of a document in V, W, var, A, Ω, S or m."""
    return value if quantity is None else value * _MULTIPLES[profile][quantity]


@dataclass(frozen=True, slots=True)
class Text:
    """An attribute that is a text."""


@dataclass(frozen=True, slots=True)
class Flag:
    """An attribute that is true or false."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An attribute that is a whole number."""


@dataclass(frozen=True, slots=True)
class Number:
    """An attribute that is a number."""

    quantity: Quantity | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """An attribute that is a value of an enumeration."""

    enumeration: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Link:
    """An attribute that refers to an object of a class or of a kind of it."""

    target: str


Attribute = Text | Flag | Whole | Number | Choice | Link

_TEXT, _FLAG, _WHOLE, _NUMBER = Text(), Flag(), Whole(), Number()
_VOLTAGE, _POWER = Number(Quantity.VOLTAGE), Number(Quantity.POWER)
_DIRECTION = Choice("OperationalLimitDirectionKind", frozenset({"absoluteValue", "high", "low"}))
_MACHINE = Choice(
    "SynchronousMachineKind",
    frozenset(
        {
            "condenser",
            "generator",
            "generatorOrCondenser",
            "generatorOrCondenserOrMotor",
            "generatorOrMotor",
            "motor",
            "motorOrCondenser",
        }
    ),
)

ATTRIBUTES: Mapping[str, Attribute] = {
    "IdentifiedObject.mRID": _TEXT,
    "IdentifiedObject.name": _TEXT,
    "IdentifiedObject.description": _TEXT,
    "BaseVoltage.nominalVoltage": _VOLTAGE,
    "Equipment.EquipmentContainer": Link("EquipmentContainer"),
    "ConductingEquipment.BaseVoltage": Link("BaseVoltage"),
    "Terminal.ConductingEquipment": Link("ConductingEquipment"),
    "Terminal.ConnectivityNode": Link("ConnectivityNode"),
    "VoltageLevel.BaseVoltage": Link("BaseVoltage"),
    "VoltageLevel.Substation": Link("Substation"),
    "Bay.VoltageLevel": Link("VoltageLevel"),
    "OperationalLimitSet.Terminal": Link("ACDCTerminal"),
    "OperationalLimitSet.Equipment": Link("Equipment"),
    "OperationalLimitType.direction": _DIRECTION,
    "OperationalLimitType.acceptableDuration": _NUMBER,
    "OperationalLimit.OperationalLimitSet": Link("OperationalLimitSet"),
    "OperationalLimit.OperationalLimitType": Link("OperationalLimitType"),
    "CurrentLimit.value": _NUMBER,
    "CurrentLimit.normalValue": _NUMBER,
    "VoltageLimit.value": _VOLTAGE,
    "VoltageLimit.normalValue": _VOLTAGE,
    "ActivePowerLimit.value": _POWER,
    "ActivePowerLimit.normalValue": _POWER,
    "ApparentPowerLimit.value": _POWER,
    "ApparentPowerLimit.normalValue": _POWER,
    "Switch.open": _FLAG,
    "Switch.ratedCurrent": _NUMBER,
    "Conductor.length": _NUMBER,
    "ACLineSegment.r": _NUMBER,
    "ACLineSegment.x": _NUMBER,
    "ACLineSegment.bch": _NUMBER,
    "ACLineSegment.gch": _NUMBER,
    "EnergyConsumer.p": _POWER,
    "EnergyConsumer.q": _POWER,
    "EnergyConsumer.customerCount": _WHOLE,
    "RotatingMachine.GeneratingUnit": Link("GeneratingUnit"),
    "RotatingMachine.ratedU": _VOLTAGE,
    "SynchronousMachine.minQ": _POWER,
    "SynchronousMachine.maxQ": _POWER,
    "SynchronousMachine.minU": _VOLTAGE,
    "SynchronousMachine.maxU": _VOLTAGE,
    "SynchronousMachine.type": _MACHINE,
    "GeneratingUnit.minOperatingP": _POWER,
    "GeneratingUnit.maxOperatingP": _POWER,
    "TransformerEnd.Terminal": Link("Terminal"),
    "TransformerEnd.endNumber": _WHOLE,
    "TransformerEnd.BaseVoltage": Link("BaseVoltage"),
    "PowerTransformerEnd.PowerTransformer": Link("PowerTransformer"),
    "PowerTransformerEnd.ratedU": _VOLTAGE,
    "EquivalentInjection.minP": _POWER,
    "EquivalentInjection.maxP": _POWER,
    "EquivalentInjection.minQ": _POWER,
    "EquivalentInjection.maxQ": _POWER,
    "EquivalentInjection.p": _POWER,
    "EquivalentInjection.q": _POWER,
}
