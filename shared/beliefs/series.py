"""The values that go into the store of beliefs and come out of it. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.beliefs.knowledge import KnowledgeHorizon
from shared.ids import AccountId, SensorId, SourceId

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(when: datetime) -> int:
    """An aware moment in microseconds since 1970, exactly."""
    return (when - _EPOCH) // _MICROSECOND


def moment(when_us: int) -> datetime:
    """The moment in UTC that is so many microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=when_us)


@dataclass(frozen=True, slots=True)
class NewSeries:
    """What one source states about events of one sensor.

    ``starts_us`` (N,) are the starts of the events, none twice; ``values`` (N,) in the sensor's unit, NaN where nothing is stated.
    All were believed at ``belief_time``, or, where that is None, each ``believed_after_us`` after its event's start (negative:
    before). ``account_id`` is the sensor's, None for a public one.
    """

    account_id: AccountId | None
    sensor_id: SensorId
    source_id: SourceId
    starts_us: Sequence[int]
    values: Sequence[float]
    knowledge: KnowledgeHorizon
    belief_time: datetime | None = None
    believed_after_us: int = 0
    probability: float = 0.5


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a series: ``given`` values that were not NaN, ``stored`` of them.

    ``is_refused``: the same source had stated another value with the same belief time. ``is_without_sensor``: the account has no such
    sensor. In both cases nothing of the series was stored.
    """

    given: int
    stored: int
    is_refused: bool = False
    is_without_sensor: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """Events of one sensor in their order: ``starts_us`` (N,) [µs since 1970] and ``values`` (N,) [the sensor's unit]."""

    starts_us: array[int]
    values: array[float]

    def __len__(self) -> int:
        return len(self.starts_us)


@dataclass(frozen=True, slots=True)
class BeliefFilter:
    """Which beliefs count.

    ``prior``: those formed at that moment or before. ``horizon``: those formed at least so long before the end of their event.
    ``source_ids``, ``types``, ``excluded_types`` and ``accounts`` restrict the sources; None is any. ``first_listed_wins``: of beliefs
    of the same time that of the source first listed, else that of the source with the greatest id.
    """

    prior: datetime | None = None
    horizon: timedelta | None = None
    source_ids: Sequence[SourceId] | None = None
    types: Sequence[str] | None = None
    excluded_types: Sequence[str] | None = None
    accounts: Sequence[AccountId | UUID] | None = None
    first_listed_wins: bool = False

    @property
    def restricts_sources(self) -> bool:
        """Whether not every source counts."""
        return self.selects_sources or self.excluded_types is not None

    @property
    def selects_sources(self) -> bool:
        """Whether only sources count that are known to be meant; otherwise all do but those that are excluded."""
        return any(each is not None for each in (self.source_ids, self.types, self.accounts))


EVERY_BELIEF = BeliefFilter()
