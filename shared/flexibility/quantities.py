"""Variable quantities: a fixed value, a sensor to be read, or timed segments. Values are in the internal units.

Internal units: MW, MWh, shares (1 = 100 %), currency per MWh and currency per MW. A reference keeps what its sensor's unit has to
be convertible to, since its values come from the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import Enum

from shared.durations import Duration


class QuantityKind(Enum):
    """What a quantity measures; the value names the internal unit."""

    POWER = "MW"
    # Of a stock: its sensors may also be in % of ``soc-max``.
    ENERGY = "MWh"
    ENERGY_PRICE = "currency/MWh"
    POWER_PRICE = "currency/MW"
    SHARE = "%"
    # Of a user's commitment: per energy or per power, as its unit says.
    COMMITMENT_PRICE = "currency/MWh or currency/MW"


class Overlap(Enum):
    """Which of several values for one slot counts."""

    FIRST = "first"
    SMALLEST = "smallest"
    LARGEST = "largest"


class Gap(Enum):
    """What stands where nothing is given."""

    # The first and last known values are extended to the window's edges; in between, the last one is carried forward (prices).
    CARRIED = "carried"
    ZERO = "zero"
    # No bound, or the surrounding one.
    UNBOUND = "unbound"
    FULL = "full"


@dataclass(frozen=True)
class Filling:
    """How a variable quantity becomes one value for each slot, and whether a segment [start, end) includes its end."""

    overlap: Overlap
    gap: Gap
    includes_end: bool = False


@dataclass(frozen=True)
class Fixed:
    """One value for all time, in the internal unit of ``kind``; prices tell their currency."""

    value: float
    kind: QuantityKind
    currency: str | None = None


@dataclass(frozen=True)
class SensorReference:
    """A sensor to be read, of which sources, and what stands in slots without a value."""

    sensor_id: int
    kind: QuantityKind
    source_types: tuple[str, ...] = ()
    exclude_source_types: tuple[str, ...] = ()
    source_ids: tuple[int, ...] = ()
    source_account_ids: tuple[int, ...] = ()
    default: Fixed | None = None


@dataclass(frozen=True)
class Segment:
    """A value from ``start`` to ``end`` (aware, UTC); a point in time has both the same.

    Of a ``duration`` in days or months only one of the ends is known before the place's clock is: the other is None.
    """

    value: Fixed
    start: datetime | None
    end: datetime | None
    duration: Duration | None = None

    def period(self, timezone: tzinfo) -> tuple[datetime, datetime]:
        """Both ends, in UTC, where days are those of the timezone's clock."""
        if self.start is not None and self.end is not None:
            return self.start, self.end
        assert self.duration is not None
        if self.start is not None:
            return self.start, self.duration.added_to(self.start, timezone)
        assert self.end is not None
        return self.duration.negated().added_to(self.end, timezone), self.end


@dataclass(frozen=True)
class Segments:
    """Timed values, in the order given."""

    segments: tuple[Segment, ...]
    kind: QuantityKind


VariableQuantity = Fixed | SensorReference | Segments


def is_fixed_zero(quantity: VariableQuantity) -> bool:
    """Whether it is 0 at all times that it speaks of. A sensor counts as something else, whatever its values."""
    if isinstance(quantity, Segments):
        return bool(quantity.segments) and all(one.value.value == 0 for one in quantity.segments)
    return isinstance(quantity, Fixed) and quantity.value == 0


PRICE_FILLING = Filling(Overlap.FIRST, Gap.CARRIED)
COMMITMENT_FILLING = Filling(Overlap.FIRST, Gap.ZERO)
CAPACITY_FILLING = Filling(Overlap.SMALLEST, Gap.UNBOUND)
SOC_MINIMA_FILLING = Filling(Overlap.LARGEST, Gap.UNBOUND, includes_end=True)
SOC_MAXIMA_FILLING = Filling(Overlap.SMALLEST, Gap.UNBOUND, includes_end=True)
SOC_TARGETS_FILLING = Filling(Overlap.FIRST, Gap.UNBOUND, includes_end=True)
EFFICIENCY_FILLING = Filling(Overlap.FIRST, Gap.FULL)
STOCK_FLOW_FILLING = Filling(Overlap.FIRST, Gap.ZERO)
