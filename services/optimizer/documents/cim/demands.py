"""What a session on a CIM network is made from: periods with a steady state for each, and perhaps a start configuration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.documents.cim.directory import CimDirectory
from services.optimizer.documents.cim.objects import CimObject, mrid_in_session, objects_of, read_objects
from services.optimizer.documents.cim.triples import read_triples
from services.optimizer.documents.demand import read_periods
from services.optimizer.documents.errors import DocumentError
from services.optimizer.documents.json_reader import JsonObject, read_camel_case_object
from services.optimizer.reconfiguration.network import BusKind, Demands, FloatArray, PowerGrid
from services.optimizer.reconfiguration.wording import quoted
from shared.cim import UnitsProfile


@dataclass(frozen=True)
class CimSession:
    """An upload whose form was found right. ``start_configuration`` is None where none is given."""

    network_id: str
    period_entries: list[JsonObject]
    steady_states: list[object]  # JSON-LD, one for each period
    start_configuration: object | None  # JSON-LD


def read_cim_session(document: bytes) -> CimSession:
    """The parts of an upload.

    Raises:
        UnreadableDocumentError: it has not the form of one.
    """
    upload = read_camel_case_object(document)
    network_id = upload.required_text("networkId")
    entries = upload.required_objects("periodsAndDemands")
    return CimSession(
        network_id,
        [entry.required_object("period") for entry in entries],
        [entry.required_json("demands") for entry in entries],
        upload.json("startConfiguration"),
    )


def read_cim_demands(session: CimSession, grid: PowerGrid, directory: CimDirectory) -> Demands:
    """The demands of a session.

    Raises:
        DocumentError: what is wrong with the periods, or with the demands of one of them.
    """
    periods = read_periods(session.period_entries)
    shape = (len(periods), len(grid.nodes))
    p_w, q_var = np.zeros(shape), np.zeros(shape)
    for t, (period, steady_state) in enumerate(zip(periods, session.steady_states, strict=True)):
        try:
            _Reader(grid, directory).read(steady_state, p_w[t], q_var[t])
        except DocumentError as error:
            raise DocumentError(f"Period {quoted(period.id)}: {error.message}") from None
    p_w.flags.writeable = q_var.flags.writeable = False
    return Demands(periods, p_w, q_var)


def read_steady_state(document: object, profile: UnitsProfile) -> list[CimObject]:
    """The objects of a document about a network, in the units of which that is."""
    return read_objects(read_triples(document), profile)


class _Reader:
    """Reads the demands of one period."""

    def __init__(self, grid: PowerGrid, directory: CimDirectory) -> None:
        self._grid = grid
        self._directory = directory

    def read(self, document: object, p_w: FloatArray, q_var: FloatArray) -> None:
        """Fill in (N,) powers."""
        objects = read_steady_state(document, self._directory.units_profile)
        given: set[int] = set()
        for kind in ("EnergyConsumer", "EquivalentInjection"):
            for read in objects_of(objects, kind):
                position = self._position(read)
                if kind == "EquivalentInjection" and position is None:
                    continue
                power = self._power(read, kind, position)
                if position is None or self._grid.nodes[position].kind is BusKind.PROVIDER:
                    continue
                if position in given:
                    raise read.error("there is another demand for it")
                given.add(position)
                p_w[position], q_var[position] = power
        self._check_all_given(given)

    def _position(self, read: CimObject) -> int | None:
        """The node of the network that an object is."""
        mrid = mrid_in_session(read, self._directory.mrid_of_iri)
        if mrid is None:
            raise read.error("it has no MRID, and none can be derived from its IRI")
        return self._grid.node_index.get(mrid)

    def _power(self, read: CimObject, kind: str, position: int | None) -> tuple[float, float]:
        p_w, q_var = (read.required_number(f"{kind}.{power}") for power in ("p", "q"))
        role = BusKind.CONSUMER if position is None else self._grid.nodes[position].kind
        if role is BusKind.PROVIDER and kind == "EquivalentInjection":
            if p_w > 0:
                raise read.error(f"{kind}.p of a provider must not be positive and is {p_w:g} W")
        elif role is not BusKind.CONSUMER:
            raise read.error("it is in the network and no consumer there")
        elif not p_w > 0:
            raise read.error(f"{kind}.p of a consumer must be positive and is {p_w:g} W")
        return p_w, q_var

    def _check_all_given(self, given: set[int]) -> None:
        of_mrid = {entry.mrid: entry for entry in self._directory.entries}
        for position, node in enumerate(self._grid.document_nodes):
            if node.kind is BusKind.CONSUMER and position not in given:
                raise DocumentError(f"{of_mrid[node.id].cim_class} (MRID {node.id}): there is no demand for it")
