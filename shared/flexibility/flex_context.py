"""A flex-context: prices, limits of the connection, fixed loads and contracts, as typed values in internal units."""

from __future__ import annotations

from dataclasses import dataclass

from shared.flexibility.flex_model import ELECTRICITY, GroupReference
from shared.flexibility.quantities import SensorReference, VariableQuantity


@dataclass(frozen=True)
class Commitment:
    """A contract on the net power of some devices: deviating from the baseline has a price.

    A price is per power (and step) or per energy: ``kind`` of a fixed one says so, and the unit of its sensor otherwise.
    Without scope (no sensors, no group) it is about all devices of its commodity.
    """

    name: str
    baseline: VariableQuantity
    up_price: VariableQuantity | None = None
    down_price: VariableQuantity | None = None
    sensor_ids: tuple[int, ...] = ()
    group: GroupReference | None = None


@dataclass(frozen=True)
class CommodityContext:
    """What a context says about one commodity. None or empty means not given."""

    commodity: str = ELECTRICITY
    consumption_price: VariableQuantity | None = None
    production_price: VariableQuantity | None = None
    site_power_capacity: VariableQuantity | None = None
    site_consumption_capacity: VariableQuantity | None = None
    site_production_capacity: VariableQuantity | None = None
    site_consumption_breach_price: VariableQuantity | None = None
    site_production_breach_price: VariableQuantity | None = None
    site_peak_consumption: VariableQuantity | None = None
    site_peak_production: VariableQuantity | None = None
    site_peak_consumption_price: VariableQuantity | None = None
    site_peak_production_price: VariableQuantity | None = None
    inflexible_consumption: tuple[SensorReference, ...] = ()
    inflexible_production: tuple[SensorReference, ...] = ()
    # Older: the sign is that of the sensor's ``consumption_is_positive``.
    inflexible_device_sensor_ids: tuple[int, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    aggregate_consumption_sensor_id: int | None = None
    aggregate_production_sensor_id: int | None = None


@dataclass(frozen=True)
class FlexContext:
    """A whole context: the top level (electricity) and one context for each commodity listed.

    ``has_price_sensors``: prices were given in the old spelling, and no default breach prices are filled in.
    """

    top: CommodityContext = CommodityContext()
    commodities: tuple[CommodityContext, ...] = ()
    consumption_breach_price: VariableQuantity | None = None
    production_breach_price: VariableQuantity | None = None
    soc_minima_breach_price: VariableQuantity | None = None
    soc_maxima_breach_price: VariableQuantity | None = None
    relax_constraints: bool = True
    relax_soc_constraints: bool | None = None
    relax_site_capacity_constraints: bool | None = None
    relax_capacity_constraints: bool = False
    aggregate_power_sensor_id: int | None = None
    has_price_sensors: bool = False
    currency: str = "EUR"

    @property
    def commitments(self) -> tuple[Commitment, ...]:
        """Those of all commodities."""
        return tuple(one for place in (self.top, *self.commodities) for one in place.commitments)
