"""Reading the metrics of a process as a monitoring system would, and the difference between two readings."""

from __future__ import annotations

import math
import urllib.request
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Histogram:
    """Cumulative counts by upper bound, over all labels."""

    counts: dict[float, float]

    def since(self, earlier: Histogram) -> Histogram:
        """What was counted after an earlier reading."""
        return Histogram({bound: count - earlier.counts.get(bound, 0.0) for bound, count in self.counts.items()})

    @property
    def total(self) -> float:
        """How many values were counted."""
        return max(self.counts.values(), default=0.0)

    def quantile(self, share: float) -> float:
        """The least bucket bound below which at least this share of the values lies; infinity beyond the last bound."""
        return next((b for b, count in sorted(self.counts.items()) if count >= share * self.total), math.inf)


@dataclass(frozen=True)
class Samples:
    """One reading of all metrics of a process."""

    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def total(self, name: str, **labels: str) -> float:
        """The sum over all series of this name that have these labels."""
        return sum(
            v for (found, has), v in self.values.items() if found == name and labels.items() <= dict(has).items()
        )

    def histogram(self, name: str) -> Histogram:
        """A histogram by the name without suffix."""
        counts: dict[float, float] = {}
        for (found, labels), value in self.values.items():
            if found == f"{name}_bucket":
                bound = float(dict(labels)["le"])
                counts[bound] = counts.get(bound, 0.0) + value
        return Histogram(counts)


def scrape(url: str) -> Samples:
    """Read ``/metrics`` of a process."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=5) as response:
        text = response.read().decode()
    return Samples(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )
