"""Beliefs: what sources have stated about the events of sensors, and when. Written, read, resampled and deleted here and nowhere else.

Moments are microseconds since 1970 in UTC (``_us``). Nothing here needs an array library, so that the gateway can read as well.
"""

from shared.beliefs.event_grid import frequency_s, is_floored
from shared.beliefs.knowledge import KnowledgeHorizon, KnowledgeHorizonInvalid, knowledge_horizon
from shared.beliefs.resampling import dense
from shared.beliefs.series import BeliefFilter, NewSeries, Series, Written, microseconds, moment

__all__ = [
    "BeliefFilter",
    "KnowledgeHorizon",
    "KnowledgeHorizonInvalid",
    "NewSeries",
    "Series",
    "Written",
    "dense",
    "frequency_s",
    "is_floored",
    "knowledge_horizon",
    "microseconds",
    "moment",
]
