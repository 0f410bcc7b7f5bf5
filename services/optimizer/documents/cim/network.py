"""A CIM network as clients upload it: JSON-LD data, and how to read and convert them."""

from __future__ import annotations

from dataclasses import dataclass

from services.optimizer.documents.cim.conversion import Conversion, mrid_of
from services.optimizer.documents.cim.directory import CimDirectory, Entry
from services.optimizer.documents.cim.objects import CimObject, iri_of_mrid, objects_of, read_objects
from services.optimizer.documents.cim.options import read_conversion_options, read_units_profile
from services.optimizer.documents.cim.triples import read_triples
from services.optimizer.documents.cim.usage import InUse, check_in_use, find_in_use
from services.optimizer.documents.json_reader import read_camel_case_object
from services.optimizer.reconfiguration.network import PowerGrid


@dataclass(frozen=True)
class CimNetwork:
    """A grid, and what has to be remembered beside it."""

    grid: PowerGrid
    directory: CimDirectory


def read_cim_network(document: bytes) -> CimNetwork:
    """The network that an upload describes.

    Raises:
        UnreadableDocumentError: the upload has not the form of one.
        DocumentError: something is wrong with the data.
    """
    upload = read_camel_case_object(document)
    data = upload.required_json("network")
    parsing_options = upload.required_object("parsingOptions")
    conversion_options = upload.required_object("conversionOptions")
    profile = read_units_profile(parsing_options)
    options = read_conversion_options(conversion_options)
    objects = read_objects(read_triples(data), profile)
    used = find_in_use(objects)
    check_in_use(used)
    conversion = Conversion(used, options)
    grid = conversion.grid()
    shunts = [
        f"{shunt.described}: it is ignored"
        for kind in ("ShuntCompensator", "PetersenCoil")
        for shunt in objects_of(objects, kind)
    ]
    return CimNetwork(grid, CimDirectory(profile, _entries(used), (*conversion.warnings, *shunts)))


def _entries(used: InUse) -> tuple[Entry, ...]:
    known = [*used.switches, *used.consumers, *used.injections]
    return tuple(Entry(_lasting_iri(read), read.cim_class, mrid_of(read)) for read in known)


def _lasting_iri(read: CimObject) -> str:
    """The name of an object in documents about the network; one that has none is named by its MRID."""
    return iri_of_mrid(mrid_of(read)) if read.has_no_name else read.iri
