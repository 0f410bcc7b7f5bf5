"""What the bounds do not cover."""

from __future__ import annotations


class NoRelaxation(ValueError):
    """The problem has something for which no bound is known here."""
