"""Entity addresses: what sensors are called between systems (EA1), a name of the server and the sensor's id."""

from __future__ import annotations

import re

# FlexMeasures' addresses name a month in which whoever has the host had it. It identifies nothing here, so it is always the same.
SINCE = "2024-01"
_PORT = re.compile(r":\d+$", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)


def entity_address(host: str, sensor_id: int) -> str:
    """The address of a sensor of the server that its client reached under this host."""
    name = _PORT.sub("", host)
    if _NAME.fullmatch(name) is None:
        # An address in brackets, or whatever else no name is.
        name = "localhost"
    return f"ea1.{SINCE}.{'.'.join(reversed(name.lower().split('.')))}:fm1.{sensor_id}"
