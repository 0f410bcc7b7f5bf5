"""How a schedule meets the wishes for states of charge, as the job result tells it."""

from __future__ import annotations

# {"asset": 31, "soc-minima": [{"datetime": "2024-03-02T06:00:00+00:00", "margin": "4.0 kWh"}]}
WishItem = dict[str, "int | list[dict[str, str]]"]
