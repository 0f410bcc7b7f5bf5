"""A grid made of CIM objects: one node for each connectivity node, provider and consumer, one line for each segment and switch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from services.optimizer.documents.cim.objects import CimObject
from services.optimizer.documents.cim.options import ConsumerSource, ConversionOptions, ProviderSource, SwitchType
from services.optimizer.documents.cim.usage import ENDS, MACHINES, NODE, TERMINALS, InUse
from services.optimizer.reconfiguration.network import (
    BusKind,
    Line,
    Node,
    PowerGrid,
    Transformer,
    TransformerMode,
    TransformerOperation,
    with_transformer_buses,
)
from services.optimizer.reconfiguration.wording import number

SWITCHING_COST = 1.0
# Of a consumer for which no factor is given; what nothing in a power grid comes near to.
NO_VOLTAGE_LIMIT_V = 1e9
_SWITCH_TYPES = {switch_type.value for switch_type in SwitchType}
_MOST_ENDS = 3


def is_ignored_switch(switch: CimObject) -> bool:
    """Whether a switch is no line of the grid: one to the ground, or one that does not say what it is."""
    return switch.cim_class.lower() not in _SWITCH_TYPES


class Conversion:
    """The conversion of one document. ``warnings`` has what is worth knowing and no error, once ``grid`` is made."""

    def __init__(self, used: InUse, options: ConversionOptions) -> None:
        self._used = used
        self._options = options
        self._nodes: list[Node] = [Node(mrid_of(node), BusKind.TRANSITION) for node in used.nodes]
        self._index = {node: position for position, node in enumerate(used.nodes)}
        self._connections: list[Line] = []
        self.warnings: list[str] = []

    def grid(self) -> PowerGrid:
        """The grid.

        Raises:
            DocumentError: the first object of which no element can be made.
        """
        lines = [self._segment(segment) for segment in self._used.segments]
        lines += [line for switch in self._used.switches if (line := self._switch(switch)) is not None]
        self._add_providers()
        self._add_consumers()
        transformers = tuple(self._transformer(transformer) for transformer in self._used.transformers)
        return with_transformer_buses(None, tuple(self._nodes), (*lines, *self._connections), transformers)

    # ------------------------------------------------------------------ lines

    def _segment(self, segment: CimObject) -> Line:
        source, target = self._two_ends(segment)
        r_ohm, x_ohm = (segment.required_number(f"ACLineSegment.{name}") for name in ("r", "x"))
        if r_ohm < 0:
            raise segment.error(f"ACLineSegment.r is negative: {number(r_ohm)}")
        factor = self._options.impedance_factor
        return Line(
            mrid_of(segment), source, target, r_ohm=r_ohm * factor, x_ohm=x_ohm * factor, imax_a=self._imax_a(segment)
        )

    def _imax_a(self, segment: CimObject) -> float:
        values: list[float] = []
        for limit in _limits_of(segment):
            if not limit.is_a("CurrentLimit"):
                self._warn(limit, "the limit is ignored, as it is none of the current")
                continue
            limit_type = limit.reference("OperationalLimit.OperationalLimitType")
            if limit_type is None or limit_type.text("OperationalLimitType.direction") != "absolutevalue":
                self._warn(limit, "the limit is ignored, as the direction of its type is not absoluteValue")
                continue
            stated = (limit.number(source.attribute) for source in self._options.limit_sources)
            value = next((value for value in stated if value is not None), None)
            if value is None:
                self._warn(limit, "the limit is ignored, as it has no value")
                continue
            if value < 0:
                raise limit.error(f"the limit is negative: {number(value)}")
            values.append(value)
        different = sorted(set(values))
        if len(different) > 1:
            shown = ", ".join(f"{number(value)} A" for value in different)
            self._warn(segment, f"its current limits are ignored, as they differ: {shown}")
        return different[0] if len(different) == 1 else math.inf

    def _switch(self, switch: CimObject) -> Line | None:
        if is_ignored_switch(switch):
            self._warn(switch, f"a switch of the class {switch.cim_class} is ignored")
            return None
        source, target = self._two_ends(switch)
        switch_type = SwitchType(switch.cim_class.lower())
        is_controllable = switch_type in self._options.controllable_switches
        return Line(
            mrid_of(switch),
            source,
            target,
            is_switch=is_controllable,
            switching_cost=SWITCHING_COST if is_controllable else 0.0,
            is_breaker=switch_type in self._options.breaking_switches,
        )

    def _two_ends(self, equipment: CimObject) -> tuple[int, int]:
        terminals = equipment.referring(TERMINALS)
        if len(terminals) != 2:
            raise equipment.error(f"it must have exactly 2 terminals and has {len(terminals)}")
        source, target = (self._position_at(terminal) for terminal in terminals)
        return source, target

    def _position_at(self, terminal: CimObject) -> int:
        node = terminal.reference(NODE)
        if node is None:
            raise terminal.error(f"{NODE} is missing")
        return self._index[node]

    # ------------------------------------------------------------------ providers and consumers

    def _add_providers(self) -> None:
        if ProviderSource.GENERATING_UNITS in self._options.provider_sources:
            for unit in self._used.units:
                provider, at = self._unit(unit)
                self._connect(unit, provider, at)
        if ProviderSource.EQUIVALENT_INJECTIONS in self._options.provider_sources:
            for injection in self._used.injections:
                if is_providing(injection):
                    self._connect(injection, self._providing_injection(injection), self._only_position(injection))

    def _add_consumers(self) -> None:
        if ConsumerSource.ENERGY_CONSUMERS in self._options.consumer_sources:
            for consumer in self._used.consumers:
                if not consumer.is_a("StationSupply"):
                    self._connect(consumer, self._consumer(consumer), self._only_position(consumer))
        if ConsumerSource.EQUIVALENT_INJECTIONS in self._options.consumer_sources:
            for injection in self._used.injections:
                if not is_providing(injection):
                    self._connect(injection, self._consumer(injection), self._only_position(injection))

    def _connect(self, equipment: CimObject, node: Node, at: int) -> None:
        """Add a node and an ideal line to the connectivity node at which the equipment is."""
        self._connections.append(Line(mrid_of(equipment), len(self._nodes), at))
        self._nodes.append(node)

    def _only_position(self, equipment: CimObject) -> int:
        terminals = equipment.referring(TERMINALS)
        if len(terminals) != 1:
            raise equipment.error(f"it must have exactly 1 terminal and has {len(terminals)}")
        return self._position_at(terminals[0])

    def _unit(self, unit: CimObject) -> tuple[Node, int]:
        machines = unit.referring(MACHINES)
        if not machines:
            raise unit.error("it has no RotatingMachine")
        p_min_w, p_max_w = (unit.required_number(f"GeneratingUnit.{end}OperatingP") for end in ("min", "max"))
        if not 0 <= p_min_w <= p_max_w:
            raise unit.error(
                "GeneratingUnit.minOperatingP must not be negative, nor above GeneratingUnit.maxOperatingP:"
                f" {number(p_min_w)} W, {number(p_max_w)} W"
            )
        positions = {self._only_position(machine) for machine in machines}
        if len(positions) > 1:
            raise unit.error("its machines are on different ConnectivityNodes")
        voltages_v = {self._machine_voltage_v(machine) for machine in machines}
        if len(voltages_v) > 1:
            shown = ", ".join(f"{number(voltage)} V" for voltage in sorted(voltages_v))
            raise unit.error(f"its machines have different voltages: {shown}")
        limits = [_reactive_limits(machine) for machine in machines if machine.is_a("SynchronousMachine")]
        node = Node(
            mrid_of(unit),
            BusKind.PROVIDER,
            v_gen_v=voltages_v.pop(),
            p_gen_min_w=p_min_w,
            p_gen_max_w=p_max_w,
            q_gen_min_var=sum(q_min for q_min, _ in limits),
            q_gen_max_var=sum(q_max for _, q_max in limits),
        )
        return node, positions.pop()

    def _machine_voltage_v(self, machine: CimObject) -> float:
        rated_v = machine.number("RotatingMachine.ratedU")
        if rated_v is None:
            self._warn(machine, "RotatingMachine.ratedU is missing; its base voltage is used")
            return base_voltage_v(machine)
        if not rated_v > 0:
            raise machine.error(f"RotatingMachine.ratedU must be positive and is {number(rated_v)} V")
        return rated_v

    def _providing_injection(self, injection: CimObject) -> Node:
        """An injection counts what it takes as positive, a provider what it gives."""
        p_min, p_max, q_min, q_max = (
            injection.required_number(f"EquivalentInjection.{limit}") for limit in ("minP", "maxP", "minQ", "maxQ")
        )
        return Node(
            mrid_of(injection),
            BusKind.PROVIDER,
            v_gen_v=self._injection_voltage_v(injection),
            p_gen_min_w=0.0 - p_max,  # a limit of 0 shall not become -0
            p_gen_max_w=0.0 - p_min,
            q_gen_min_var=0.0 - q_max,
            q_gen_max_var=0.0 - q_min,
        )

    def _injection_voltage_v(self, injection: CimObject) -> float:
        at = self._only_position(injection)
        rated_v = {
            voltage_v
            for end in self._used.ends
            if (terminal := end.reference("TransformerEnd.Terminal"))
            and self._position_at(terminal) == at
            and (voltage_v := end.number("PowerTransformerEnd.ratedU")) is not None
        }
        if len(rated_v) == 1:
            return rated_v.pop()
        if rated_v:
            self._warn(
                injection, "the transformer ends at its node have different rated voltages; its base voltage is used"
            )
        return base_voltage_v(injection)

    def _consumer(self, equipment: CimObject) -> Node:
        low, high = self._options.min_voltage_factor, self._options.max_voltage_factor
        return Node(
            mrid_of(equipment),
            BusKind.CONSUMER,
            v_min_v=0.0 if low is None else low * base_voltage_v(equipment),
            v_max_v=NO_VOLTAGE_LIMIT_V if high is None else high * base_voltage_v(equipment),
        )

    # ------------------------------------------------------------------ transformers

    def _transformer(self, transformer: CimObject) -> Transformer:
        ends = sorted(transformer.referring(ENDS), key=_end_number)
        if not 2 <= len(ends) <= _MOST_ENDS:
            raise transformer.error(f"it must have 2 or 3 ends and has {len(ends)}")
        terminals = tuple(self._end_position(end) for end in ends)
        if len(set(terminals)) < len(terminals):
            raise transformer.error("two of its ends are on the same ConnectivityNode")
        voltages_v = tuple(_rated_v(end) for end in ends)
        return Transformer(
            mrid_of(transformer),
            terminals,
            voltages_v,
            tuple(
                _mode(terminals[first], voltages_v[first], terminals[second], voltages_v[second])
                for first, second in combinations(range(len(ends)), 2)
            ),
        )

    def _end_position(self, end: CimObject) -> int:
        terminal = end.reference("TransformerEnd.Terminal")
        if terminal is None:
            raise end.error("TransformerEnd.Terminal is missing")
        return self._position_at(terminal)

    def _warn(self, about: CimObject, what: str) -> None:
        self.warnings.append(f"{about.described}: {what}")


def mrid_of(read: CimObject) -> str:
    """The MRID of an object in use."""
    if not read.mrid:
        raise read.error("IdentifiedObject.mRID is missing")
    return read.mrid


def is_providing(injection: CimObject) -> bool:
    """Whether an injection stands for something that gives power."""
    p_max = injection.number("EquivalentInjection.maxP")
    return p_max is not None and p_max <= 0


def base_voltage_v(equipment: CimObject) -> float:
    """The base voltage of equipment: its own, or that of the voltage level in which it lies.

    Raises:
        DocumentError: it has none.
    """
    own = equipment.reference("ConductingEquipment.BaseVoltage")
    if own is not None:
        return own.required_number("BaseVoltage.nominalVoltage")
    container = equipment.reference("Equipment.EquipmentContainer")
    if container is None:
        raise equipment.error("it has no BaseVoltage, and lies in no VoltageLevel or Bay")
    if not (container.is_a("VoltageLevel") or container.is_a("Bay")):
        raise equipment.error(f"it has no BaseVoltage, and lies in a {container.cim_class}, not a VoltageLevel or Bay")
    level = container.reference("Bay.VoltageLevel") if container.is_a("Bay") else container
    if level is None:
        raise container.error("Bay.VoltageLevel is missing")
    voltage = level.reference("VoltageLevel.BaseVoltage")
    if voltage is None:
        raise level.error("VoltageLevel.BaseVoltage is missing")
    return voltage.required_number("BaseVoltage.nominalVoltage")


def _limits_of(segment: CimObject) -> Iterator[CimObject]:
    sets = [*segment.referring("OperationalLimitSet.Equipment")]
    for terminal in segment.referring(TERMINALS):
        sets += terminal.referring("OperationalLimitSet.Terminal")
    for limit_set in dict.fromkeys(sets):
        yield from limit_set.referring("OperationalLimit.OperationalLimitSet")


def _reactive_limits(machine: CimObject) -> tuple[float, float]:
    kind = machine.text("SynchronousMachine.type")
    if kind is None:
        raise machine.error("SynchronousMachine.type is missing")
    if kind != "generator":
        raise machine.error(f"SynchronousMachine.type must be generator and is {kind}")
    q_min_var, q_max_var = (machine.required_number(f"SynchronousMachine.{limit}") for limit in ("minQ", "maxQ"))
    if q_min_var > q_max_var:
        raise machine.error("SynchronousMachine.minQ is above SynchronousMachine.maxQ")
    return q_min_var, q_max_var


def _rated_v(end: CimObject) -> float:
    rated_v = end.required_number("PowerTransformerEnd.ratedU")
    if not rated_v > 0:
        raise end.error(f"PowerTransformerEnd.ratedU must be positive and is {number(rated_v)} V")
    return rated_v


def _end_number(end: CimObject) -> float:
    """By which the ends of a transformer are put in order; those that have none keep theirs and come last."""
    value = end.value("TransformerEnd.endNumber")
    return float(value) if isinstance(value, int) else math.inf


def _mode(first: int, first_v: float, second: int, second_v: float) -> TransformerMode:
    """Both ways between two ends, written from the higher voltage to the lower."""
    (source, high_v), (target, low_v) = sorted([(first, first_v), (second, second_v)], key=lambda end: -end[1])
    return TransformerMode(source, target, TransformerOperation.FIXED_RATIO, high_v / low_v)
