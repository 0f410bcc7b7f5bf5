"""What has to be remembered of a CIM network beside its grid: who is who in the documents of its sessions, and the warnings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from shared.cim import ANCESTRY, UnitsProfile

_PROPERTY = "cim"


@dataclass(frozen=True, slots=True)
class Entry:
    """An object of the network to which documents of sessions may refer."""

    iri: str
    cim_class: str
    mrid: str


@dataclass(frozen=True)
class CimDirectory:
    """Consumers, injections and switches of a network, those too of which the grid knows nothing."""

    units_profile: UnitsProfile
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...]
    creator: str = "SINTEF PGO"  # who solutions say has made them; a client test of PGO compares it

    @cached_property
    def mrid_of_iri(self) -> dict[str, str]:
        """MRIDs by IRI."""
        return {entry.iri: entry.mrid for entry in self.entries}

    @cached_property
    def switches(self) -> dict[str, Entry]:
        """The switches by MRID, in the order of these as UTF-16 writes them, which is PGO's."""
        found = [entry for entry in self.entries if "Switch" in ANCESTRY[entry.cim_class]]
        return {entry.mrid: entry for entry in sorted(found, key=lambda entry: entry.mrid.encode("utf-16-be"))}

    def written_into(self, network: bytes) -> bytes:
        """The network's own document with this in a property that its readers pass over."""
        own = orjson.dumps(
            {
                "units_profile": self.units_profile.value,
                "entries": [(entry.iri, entry.cim_class, entry.mrid) for entry in self.entries],
                "warnings": self.warnings,
                "creator": self.creator,
            }
        )
        return b'%b,"%b":%b}' % (network.rstrip().removesuffix(b"}"), _PROPERTY.encode(), own)

    @classmethod
    def of_network(cls, network: bytes) -> CimDirectory:
        """What ``written_into`` wrote into a network's document."""
        kept: dict[str, Any] = orjson.loads(network)[_PROPERTY]  # Any: JSON
        return cls(
            UnitsProfile(kept["units_profile"]),
            tuple(Entry(*entry) for entry in kept["entries"]),
            tuple(kept["warnings"]),
            kept["creator"],
        )
