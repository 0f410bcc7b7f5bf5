"""What goes into a task and what comes out of it; picklable, and without numpy, since the service holds them too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.objective import weighted_sum

Weights = tuple[float, ...]  # (5,) in the order of the objectives


@dataclass(frozen=True, slots=True)
class Refused:
    """The client's input is wrong; ``text`` is the whole message for the client."""

    text: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """The client's input does not have the form that it should; ``path`` is where, ``text`` says what is wrong there."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A network that was read: its normalised document, its size, its connectivity as on the wire."""

    document: bytes
    bus_count: int
    connectivity: dict[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that was found right: the demands in effect and the first solution."""

    demands: bytes
    best: EvaluatedSolution


@dataclass(frozen=True, slots=True)
class SessionInput:
    """What a session is made from. ``start_configuration`` is None where none was uploaded."""

    network_id: str
    network: bytes
    connectivity_is_ok: bool
    demands: bytes
    start_configuration: bytes | None
    allow_unspecified_demands: bool
    is_cim: bool = False  # then ``demands`` is the whole upload, start configuration included


@dataclass(frozen=True, slots=True)
class Rank:
    """How good a solution is. Order: feasible first, then less violation, then a lower objective."""

    is_feasible: bool
    violation_amount: float
    objective: float

    def precedes(self, other: Rank) -> bool:
        """Whether this is strictly better."""
        return self._key < other._key

    @property
    def _key(self) -> tuple[bool, float, float]:
        # What a diverged flow leaves is infinite (see ``solutions``), so that the comparison always decides.
        return (not self.is_feasible, self.violation_amount, self.objective)


@dataclass(frozen=True, slots=True)
class EvaluatedSolution:
    """A solution and the exact evaluation of it. ``verdict`` is as on the wire, with the certificate beside."""

    configuration: bytes  # packed bits of (T, L), True where open
    is_feasible: bool
    violation_amount: float
    objective_values: tuple[float, ...]  # (5,) unweighted
    verdict: dict[str, Any]  # Any: JSON
    document: bytes

    def rank(self, weights: Weights) -> Rank:
        """Its place in the order of solutions."""
        return Rank(self.is_feasible, self.violation_amount, weighted_sum(weights, self.objective_values))


@dataclass(frozen=True, slots=True)
class SolutionUpload:
    """A solution as a client has uploaded it for the pool of a session."""

    session: SessionInput
    document: bytes


@dataclass(frozen=True, slots=True)
class RepairInput:
    """A solution to be copied and made radial."""

    session: SessionInput
    configuration: bytes  # packed, as stored


@dataclass(frozen=True, slots=True)
class RepairedSolution:
    """A radial solution, and how many switches it took over all periods."""

    solution: EvaluatedSolution
    opened: int
    closed: int


@dataclass(frozen=True, slots=True)
class RunJob:
    """An optimisation. ``start`` is the packed configuration to start from, or None for all switches closed."""

    session: SessionInput
    weights: Weights
    seed: int
    start: bytes | None
    best: Rank
    enumeration_limit: int
    threads: int  # to use at most


@dataclass(frozen=True, slots=True)
class Started:
    """The start of a run after it was made radial; published once even where it is no better than the best known."""

    solution: EvaluatedSolution


@dataclass(frozen=True, slots=True)
class Improved:
    """A solution better than all before it in this run, and than the best known at its beginning."""

    solution: EvaluatedSolution
    trials: int


@dataclass(frozen=True, slots=True)
class Bounded:
    """No solution of the session has a lower objective than ``bound``, under the weights of the run."""

    bound: float
    proof: str  # enumerated | relaxation
    is_optimal: bool  # the best solution reaches the bound
    trials: int


@dataclass(frozen=True, slots=True)
class Discarded:
    """A solution that the search took for better failed the check of its own figures and was not reported."""

    reason: str


RunMessage = Started | Improved | Bounded | Discarded
