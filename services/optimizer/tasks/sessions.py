"""Creating a session: checks in the order that clients rely on, then the first solution."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from services.optimizer.documents import (
    DocumentError,
    UnreadableDocumentError,
    read_demands,
    read_power_grid,
    read_start_configuration,
    write_demands,
)
from services.optimizer.documents.cim import (
    CimDirectory,
    read_cim_demands,
    read_cim_session,
    read_cim_start_configuration,
)
from services.optimizer.documents.errors import DEMANDS_PREFIX, SESSION_PREFIX, START_PREFIX
from services.optimizer.reconfiguration.network import BoolArray, Demands, PowerGrid
from services.optimizer.reconfiguration.plausibility import Implausible, check_plausibility
from services.optimizer.reconfiguration.protection import Unprotected, check_protection
from services.optimizer.reconfiguration.reduction import reduce_network
from services.optimizer.tasks.solutions import Session, evaluate_in, provenance_of, rendered
from services.optimizer.tasks.values import Malformed, NewSession, Refused, SessionInput


def create(given: SessionInput) -> NewSession | Refused | Malformed:
    """Check what a session is made from, then evaluate its first solution."""
    session = checked(given)
    if not isinstance(session, Session):
        return session
    first = first_configurations(session)
    return NewSession(
        write_demands(session.demands, session.grid), rendered(session, first, evaluate_in(session, first))
    )


def checked(given: SessionInput) -> Session | Refused | Malformed:
    """Check form, connectivity, demands, start configuration, protection and plausibility, in this order.

    Raises:
        DocumentError: the network's document, which usually was found right before, is wrong.
    """
    try:
        documents: _Documents = _CimDocuments(given) if given.is_cim else _OwnDocuments(given)
        return _checked(given, documents)
    except UnreadableDocumentError as err:  # what is wrong with the form of documents of our own is part of a sentence
        if not given.is_cim:
            raise
        return Malformed(err.path, err.message)


def _checked(given: SessionInput, documents: _Documents) -> Session | Refused:
    if not given.connectivity_is_ok:
        return _refused(
            "the network connectivity check failed for the network "
            f"'{given.network_id}'; see {documents.root}/networks/{given.network_id}/connectivityStatus"
        )
    grid = read_power_grid(given.network)
    try:
        demands = documents.demands(grid)
    except DocumentError as err:
        if given.is_cim and isinstance(err, UnreadableDocumentError):
            raise
        return _refused(f"{DEMANDS_PREFIX}{err.message}")
    start: BoolArray | None = None
    try:
        start = documents.start(grid)
    except DocumentError as err:
        return _refused(f"{START_PREFIX}{err.message}")
    session = Session(grid, reduce_network(grid), demands, start, provenance_of(given), documents.directory)
    try:
        check_protection(grid)
        check_plausibility(grid, session.reduction, demands)
    except (Unprotected, Implausible) as err:
        return _refused(err.message)
    return session


class _Documents(Protocol):
    """What a session is made from."""

    root: str  # of the API's paths
    directory: CimDirectory | None

    def demands(self, grid: PowerGrid) -> Demands:
        """The demands."""
        ...

    def start(self, grid: PowerGrid) -> BoolArray | None:
        """(L,) the start configuration, if there is one."""
        ...


class _OwnDocuments:
    root = "/api"
    directory: CimDirectory | None = None

    def __init__(self, given: SessionInput) -> None:
        self._given = given

    def demands(self, grid: PowerGrid) -> Demands:
        return read_demands(self._given.demands, grid, allow_unspecified=self._given.allow_unspecified_demands)

    def start(self, grid: PowerGrid) -> BoolArray | None:
        given = self._given.start_configuration
        return None if given is None else read_start_configuration(given, grid)


class _CimDocuments:
    root = "/api/cim"
    directory: CimDirectory | None

    def __init__(self, given: SessionInput) -> None:
        self._upload = read_cim_session(given.demands)
        self._known = CimDirectory.of_network(given.network)
        self.directory = self._known

    def demands(self, grid: PowerGrid) -> Demands:
        return read_cim_demands(self._upload, grid, self._known)

    def start(self, grid: PowerGrid) -> BoolArray | None:
        settings = self._upload.start_configuration
        return None if settings is None else read_cim_start_configuration(settings, grid, self._known)


def first_configurations(session: Session) -> BoolArray:
    """(T, L) the start configuration in every period, or all switches closed where there is none."""
    shape = (len(session.demands.periods), len(session.grid.lines))
    is_open: BoolArray = np.zeros(shape, dtype=bool)
    if session.start is not None:
        is_open[:] = session.start
    return is_open


def _refused(reason: str) -> Refused:
    return Refused(f"{SESSION_PREFIX}{reason}")
