"""How hypothesis runs here: a machine that is busy with something else is no reason to fail."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
