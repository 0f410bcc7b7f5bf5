"""The documents of the CIM API, described for the OpenAPI document; the optimizer reads and writes them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.gateway.dialects.reconfiguration.documents import Period

JsonLd = dict[str, Any] | list[dict[str, Any]]  # Any: JSON-LD in any of its forms

SwitchType = Literal[
    "fuse",
    "jumper",
    "sectionalizer",
    "disconnector",
    "loadBreakSwitch",
    "breaker",
    "disconnectingCircuitBreaker",
    "recloser",
]


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class CimParsingOptions(_Camel):
    """How numbers are to be read."""

    units_profile: Literal["digin", "si"] = Field(description="digin: kV, MW, MVAr, A, Ω, m. si: V, W, var, A, Ω, m.")


class CimConversionOptions(_Camel):
    """How a grid is made of the data. A list that is given replaces the default."""

    consumer_min_voltage_factor: float | None = Field(default=None, ge=0, description="Times the base voltage.")
    consumer_max_voltage_factor: float | None = Field(default=None, ge=0, description="Times the base voltage.")
    operational_limit_sources: list[Literal["value", "normalValue"]] | None = Field(
        default=None, description="Attributes of a current limit, the first that is there counts."
    )
    line_impedance_scale_factor: float | None = Field(default=None, ge=0, description="Times r and x of segments.")
    provider_sources: list[Literal["generatingUnits", "equivalentInjections"]] | None = None
    consumer_sources: list[Literal["energyConsumers", "equivalentInjections"]] | None = None
    controllable_switch_types: list[SwitchType] | None = None
    breaking_switch_types: list[SwitchType] | None = None


class CimJsonLdNetworkData(_Camel):
    """A network."""

    network: JsonLd = Field(
        description="JSON-LD in any form, such as CimJsonLd. Contexts that lie elsewhere are not fetched."
    )
    parsing_options: CimParsingOptions
    conversion_options: CimConversionOptions


class CimPeriodAndDemands(_Camel):
    """A period and the demands in it."""

    period: Period
    demands: JsonLd = Field(description="A steady state: p and q of consumers and injections, as JSON-LD.")


class CimJsonLdSessionParameters(_Camel):
    """What a session is made from."""

    network_id: str
    periods_and_demands: list[CimPeriodAndDemands] = Field(min_length=1)
    start_configuration: JsonLd | None = Field(default=None, description="Switches with Switch.open, as JSON-LD.")


class CimJsonLdSolution(_Camel):
    """How the switches are set in each period, in the order of the periods."""

    period_solutions: list[JsonLd]
