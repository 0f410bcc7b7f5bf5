"""How a client wants CIM data to be read and made into a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from services.optimizer.documents.errors import DocumentError
from services.optimizer.documents.json_reader import JsonObject
from shared.cim import UnitsProfile

_Choice = TypeVar("_Choice", bound=StrEnum)


class LimitSource(StrEnum):
    """Attributes of a current limit that may say how high it is."""

    VALUE = "value"
    NORMAL_VALUE = "normalvalue"

    @property
    def attribute(self) -> str:
        """The CIM name of the attribute."""
        return {"value": "CurrentLimit.value", "normalvalue": "CurrentLimit.normalValue"}[self.value]


class ProviderSource(StrEnum):
    """What providers are made of."""

    GENERATING_UNITS = "generatingunits"
    EQUIVALENT_INJECTIONS = "equivalentinjections"


class ConsumerSource(StrEnum):
    """What consumers are made of."""

    ENERGY_CONSUMERS = "energyconsumers"
    EQUIVALENT_INJECTIONS = "equivalentinjections"


class SwitchType(StrEnum):
    """Kinds of switches that become lines; each is the class of that name in small letters."""

    FUSE = "fuse"
    JUMPER = "jumper"
    SECTIONALIZER = "sectionalizer"
    DISCONNECTOR = "disconnector"
    LOAD_BREAK_SWITCH = "loadbreakswitch"
    BREAKER = "breaker"
    DISCONNECTING_CIRCUIT_BREAKER = "disconnectingcircuitbreaker"
    RECLOSER = "recloser"


@dataclass(frozen=True, slots=True)
class ConversionOptions:
    """How a grid is made of CIM objects. Factors are finite and not negative."""

    min_voltage_factor: float | None = None
    max_voltage_factor: float | None = None
    impedance_factor: float = 1.0
    limit_sources: tuple[LimitSource, ...] = (LimitSource.VALUE, LimitSource.NORMAL_VALUE)
    provider_sources: frozenset[ProviderSource] = frozenset(ProviderSource)
    consumer_sources: frozenset[ConsumerSource] = frozenset(ConsumerSource)
    controllable_switches: frozenset[SwitchType] = frozenset(
        {
            SwitchType.DISCONNECTOR,
            SwitchType.LOAD_BREAK_SWITCH,
            SwitchType.BREAKER,
            SwitchType.DISCONNECTING_CIRCUIT_BREAKER,
        }
    )
    breaking_switches: frozenset[SwitchType] = frozenset(
        {SwitchType.FUSE, SwitchType.SECTIONALIZER, SwitchType.RECLOSER}
    )


def read_units_profile(parsing_options: JsonObject) -> UnitsProfile:
    """In which units the data are; a client must say."""
    return parsing_options.required_choice("unitsProfile", UnitsProfile)


def read_conversion_options(fields: JsonObject) -> ConversionOptions:
    """The options, with what is not given as it is by default. A list that is given replaces the default; the .NET client
    sends values twice, which changes nothing.
    """
    default = ConversionOptions()
    impedance_factor = _factor(fields, "lineImpedanceScaleFactor")
    return ConversionOptions(
        min_voltage_factor=_factor(fields, "consumerMinVoltageFactor"),
        max_voltage_factor=_factor(fields, "consumerMaxVoltageFactor"),
        impedance_factor=1.0 if impedance_factor is None else impedance_factor,
        limit_sources=_listed(fields, "operationalLimitSources", LimitSource, default.limit_sources),
        provider_sources=frozenset(_listed(fields, "providerSources", ProviderSource, default.provider_sources)),
        consumer_sources=frozenset(_listed(fields, "consumerSources", ConsumerSource, default.consumer_sources)),
        controllable_switches=frozenset(
            _listed(fields, "controllableSwitchTypes", SwitchType, default.controllable_switches)
        ),
        breaking_switches=frozenset(_listed(fields, "breakingSwitchTypes", SwitchType, default.breaking_switches)),
    )


def _factor(fields: JsonObject, name: str) -> float | None:
    factor = fields.optional_number(name)
    if factor is not None and not 0 <= factor < math.inf:
        raise DocumentError(f"the conversion option {name} must be finite and not negative and is {factor:g}")
    return factor


def _listed(
    fields: JsonObject, name: str, kind: type[_Choice], default: tuple[_Choice, ...] | frozenset[_Choice]
) -> tuple[_Choice, ...]:
    """The values of a list, each once, in order."""
    chosen = fields.choices(name, kind)
    return tuple(default) if chosen is None else tuple(dict.fromkeys(chosen))
