"""Which objects of a document matter, and the checks that concern all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from services.optimizer.documents.cim.objects import CimObject, objects_of

TERMINALS = "Terminal.ConductingEquipment"
NODE = "Terminal.ConnectivityNode"
MACHINES = "RotatingMachine.GeneratingUnit"
ENDS = "PowerTransformerEnd.PowerTransformer"


@dataclass(frozen=True, slots=True)
class InUse:
    """What is reachable from the six kinds of equipment, in the order of the document or of how it is reached."""

    segments: list[CimObject]
    units: list[CimObject]
    machines: list[CimObject]
    transformers: list[CimObject]
    switches: list[CimObject]
    consumers: list[CimObject]
    injections: list[CimObject]
    ends: list[CimObject]
    terminals: list[CimObject]
    nodes: list[CimObject]
    containers: list[CimObject]
    base_voltages: list[CimObject]

    @property
    def conducting(self) -> list[CimObject]:
        """Conducting equipment other than transformers."""
        return [*self.segments, *self.machines, *self.switches, *self.consumers, *self.injections]


def find_in_use(objects: list[CimObject]) -> InUse:
    """What matters of a document."""
    units, transformers = (objects_of(objects, kind) for kind in ("GeneratingUnit", "PowerTransformer"))
    segments, switches, consumers, injections = (
        objects_of(objects, kind) for kind in ("ACLineSegment", "Switch", "EnergyConsumer", "EquivalentInjection")
    )
    machines = [machine for unit in units for machine in unit.referring(MACHINES)]
    ends = [end for transformer in transformers for end in transformer.referring(ENDS)]
    conducting = [*segments, *machines, *switches, *consumers, *injections, *transformers]
    terminals = _different(
        [
            *(terminal for equipment in conducting for terminal in equipment.referring(TERMINALS)),
            *(terminal for end in ends if (terminal := end.reference("TransformerEnd.Terminal"))),
        ]
    )
    nodes = set(_referred(terminals, NODE))
    containers = _different(_containers([*conducting, *units]))
    base_voltages = _different(
        [
            *_referred(conducting, "ConductingEquipment.BaseVoltage"),
            *_referred(containers, "VoltageLevel.BaseVoltage"),
            *_referred(ends, "TransformerEnd.BaseVoltage"),
        ]
    )
    return InUse(
        segments=segments,
        units=units,
        machines=machines,
        transformers=transformers,
        switches=switches,
        consumers=consumers,
        injections=injections,
        ends=ends,
        terminals=terminals,
        nodes=[node for node in objects if node in nodes],
        containers=containers,
        base_voltages=base_voltages,
    )


def check_in_use(used: InUse) -> None:
    """The checks that hold whatever becomes of the objects.

    Raises:
        DocumentError: the first object with which something is wrong, and what.
    """
    _check_mrids(used)
    for base_voltage in used.base_voltages:
        if not base_voltage.required_number("BaseVoltage.nominalVoltage") > 0:
            raise base_voltage.error("BaseVoltage.nominalVoltage must be positive")
    for container in used.containers:
        if container.is_a("VoltageLevel") and container.reference("VoltageLevel.BaseVoltage") is None:
            raise container.error("VoltageLevel.BaseVoltage is missing")
    for equipment in used.conducting:
        if not equipment.referring(TERMINALS):
            raise equipment.error("it has no Terminal")
    for terminal in used.terminals:
        if terminal.reference(NODE) is None:
            raise terminal.error(f"{NODE} is missing")
    for equipment in [*used.conducting, *used.transformers]:
        nodes = _referred(equipment.referring(TERMINALS), NODE)
        if len(set(nodes)) < len(nodes):
            raise equipment.error("two of its terminals are on the same ConnectivityNode")
    for injection in used.injections:
        _check_limits(injection)


def _check_mrids(used: InUse) -> None:
    first_of: dict[str, CimObject] = {}
    groups = (
        [*used.conducting, *used.transformers, *used.units],
        used.base_voltages,
        used.containers,
        used.terminals,
        used.nodes,
        used.ends,
    )
    for group in groups:
        for read in group:
            if not read.mrid:
                raise read.error("IdentifiedObject.mRID is missing")
            first = first_of.setdefault(read.mrid, read)
            if first is not read:
                raise read.error(f"its MRID is also that of the {first.described}")


def _check_limits(injection: CimObject) -> None:
    names = [f"EquivalentInjection.{limit}" for limit in ("minP", "maxP", "minQ", "maxQ")]
    limits = [injection.number(name) for name in names]
    given = [limit for limit in limits if limit is not None]
    if not given:
        return
    if len(given) < len(limits):
        missing = ", ".join(name for name, limit in zip(names, limits, strict=True) if limit is None)
        raise injection.error(f"it has some of the limits of its power and not the others: {missing}")
    p_min, p_max, q_min, q_max = given
    if p_min > p_max or q_min > q_max:
        which = "P" if p_min > p_max else "Q"
        raise injection.error(f"EquivalentInjection.min{which} is above EquivalentInjection.max{which}")
    if p_min < 0 < p_max:
        raise injection.error(
            "EquivalentInjection.minP is negative and maxP positive; it can be a provider or a consumer"
        )


def _containers(equipment: Iterable[CimObject]) -> Iterator[CimObject]:
    """The containers of equipment and what these lie in."""
    for read in equipment:
        container = read.reference("Equipment.EquipmentContainer")
        if container is None:
            continue
        yield container
        level = container.reference("Bay.VoltageLevel") or container
        yield level
        substation = level.reference("VoltageLevel.Substation")
        if substation is not None:
            yield substation


def _referred(objects: Iterable[CimObject], attribute: str) -> list[CimObject]:
    return [target for read in objects if (target := read.reference(attribute)) is not None]


def _different(objects: Iterable[CimObject]) -> list[CimObject]:
    return list(dict.fromkeys(objects))
