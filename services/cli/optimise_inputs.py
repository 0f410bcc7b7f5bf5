"""What ``busbar optimise`` is given: documents read and checked as the service does, with the file named that is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from services.cli.usage import WrongUsage
from services.gateway.dialects.reconfiguration.objectives import BadWeight, WeightOf, changed_weights
from services.gateway.dialects.reconfiguration.schemas import GivenWeight
from services.optimizer.documents import DocumentError
from services.optimizer.documents.errors import DEMANDS_PREFIX, SESSION_PREFIX, START_PREFIX
from services.optimizer.reconfiguration.connectivity import connectivity_status
from services.optimizer.reconfiguration.wording import listed_ids
from services.optimizer.tasks.sessions import checked
from services.optimizer.tasks.solutions import Session
from services.optimizer.tasks.values import SessionInput, Weights
from shared.objective import DEFAULT_WEIGHTS

_WEIGHTS = TypeAdapter(list[GivenWeight])


@dataclass(frozen=True, slots=True)
class Files:
    """Where the documents are."""

    network: Path
    demands: Path
    start: Path | None
    weights: Path | None


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents as they are, not looked at yet but for the weights."""

    files: Files
    given: SessionInput
    weights: Weights


def read_documents(files: Files) -> Documents:
    """The contents of the files.

    Raises:
        WrongUsage: one cannot be read, or the weights are none.
    """
    given = SessionInput(
        network_id=files.network.name,
        network=_read(files.network),
        connectivity_is_ok=True,  # looked at when the network has been read
        demands=_read(files.demands),
        start_configuration=None if files.start is None else _read(files.start),
        allow_unspecified_demands=False,
    )
    return Documents(files, given, DEFAULT_WEIGHTS if files.weights is None else _weights(files.weights))


def open_session(documents: Documents) -> Session:
    """What the documents say.

    Raises:
        WrongUsage: one is wrong, or they do not go together.
    """
    files = documents.files
    try:
        session = checked(documents.given)
    except DocumentError as err:  # of the network: what is wrong with other documents is refused
        raise WrongUsage(f"{files.network}: {err.message}") from err
    if not isinstance(session, Session):
        raise WrongUsage(_placed(files, session.text.removeprefix(SESSION_PREFIX)))
    status = connectivity_status(session.grid, session.reduction)
    if not status.ok:
        reason = (
            f"no switch can break the cycle of the lines {listed_ids(status.unbreakable_cycle)}"
            if status.unbreakable_cycle
            else f"no switch setting feeds the transformers {listed_ids(status.invalid_transformers or ())} in their modes"
        )
        raise WrongUsage(f"{files.network}: the network connectivity check failed: {reason}")
    return session


def _placed(files: Files, reason: str) -> str:
    """A reason with the file before it that it is about."""
    if reason.startswith(DEMANDS_PREFIX):
        return f"{files.demands}: {reason.removeprefix(DEMANDS_PREFIX)}"
    if reason.startswith(START_PREFIX):
        return f"{files.start}: {reason.removeprefix(START_PREFIX)}"
    return f"{files.network} with {files.demands}: {reason}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise WrongUsage(f"{path}: cannot be read: {err.strerror}") from err


def _weights(path: Path) -> Weights:
    try:
        given = _WEIGHTS.validate_json(_read(path))
        return tuple(changed_weights(DEFAULT_WEIGHTS, [WeightOf(one.objective_name, one.weight) for one in given]))
    except ValidationError as err:
        first = err.errors()[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        found = f", and found {first['input']!r}" if first["loc"] else ""
        raise WrongUsage(f"{path}: {place.lstrip('.') or 'document'}: {first['msg']}{found}") from err
    except BadWeight as err:
        raise WrongUsage(f"{path}: {err.message}") from err
