"""What the gateway itself writes in this API's words: status objects, in the order of properties that clients see."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.number_text import number_in


class _Wire(BaseModel):
    # Infinity is the text "Infinity" on the wire.
    model_config = ConfigDict(ser_json_inf_nan="strings", frozen=True)


class _CamelWire(_Wire):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class CreatedId(_Wire):
    """The id of what was created."""

    id: str


class SessionStatus(_CamelWire):
    """How a session stands. Exactly one of the two values is there: the one for ``best`` being feasible, or not."""

    id: str
    network_id: str
    optimization_is_running: bool
    best_solution_value: float | None = Field(description="Objective of the best solution if it is feasible.")
    best_infeasible_solution_value: float | None = Field(description="Objective of the best solution if it is not.")
    solution_ids: list[str] = Field(description="The pool in order of insertion, then 'best'.")


class ServerStatus(_CamelWire):
    """The caller's networks and sessions, in order of creation."""

    networks: list[str]
    sessions: list[SessionStatus]


class ObjectiveComponent(_Wire):
    """One objective's share in the objective value."""

    name: str
    value: float = Field(description="Without its weight.")
    weight: float


class SolutionPeriod(_Wire):
    """A period of the session."""

    id: str
    start_time: str
    end_time: str


class PeriodInformation(_Wire):
    """How much a solution switches before a period."""

    period: SolutionPeriod
    changed_switches: int = Field(
        description="Switches that differ from the period before; for the first, from the start configuration."
    )


class SolutionViolation(_Wire):
    """One way in which a solution is infeasible."""

    name: str
    description: str | None = None


class SolutionInfo(_Wire):
    """What a solution is worth under the session's present weights, what is wrong with it, and how sure that it is the best."""

    is_feasible: bool
    is_optimal: bool = Field(description="True only with a proof.")
    objective_value: float
    objective_components: list[ObjectiveComponent]
    period_information: list[PeriodInformation]
    violations: list[SolutionViolation]
    bound: float | None = Field(description="No solution is better than this; null where nothing is known.")
    gap: float | None = Field(description="(objective - bound) / |objective|; null without a bound.")
    proof: Literal["enumerated", "relaxation", "none"] = Field(description="How the bound was proven.")


class ObjectiveWeight(_CamelWire):
    """The weight of one objective."""

    objective_name: str
    weight: float


def _number(value: object) -> object:
    """Clients may write a number as a text."""
    if not isinstance(value, str):
        return value
    number = number_in(value)
    if number is None:
        raise ValueError("Expected a finite number, or a text that is one.")
    return number


class NewWeight(BaseModel):
    """What one objective shall weigh from now on."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    objective_name: str
    weight: Annotated[float, BeforeValidator(_number)] = Field(allow_inf_nan=False, json_schema_extra={"minimum": 0})


def _names_in_any_case(given: object) -> object:
    """The properties of a ``NewWeight``, whose names match in any case."""
    if not isinstance(given, dict):
        return given
    names = {"objectivename": "objectiveName"}
    return {names.get(name.lower(), name.lower()): value for name, value in given.items()}


GivenWeight = Annotated[NewWeight, BeforeValidator(_names_in_any_case)]


class UserQuotas(_CamelWire):
    """How much the caller may have. 2147483647 stands for no limit; time spans are written as [d.]hh:mm:ss[.fffffff]."""

    network_limit: int = Field(description="Networks at a time.")
    session_limit: int = Field(description="Sessions at a time.")
    optimization_timeout: str = Field(description="An optimisation is stopped after so long.")
    session_timeout: str = Field(
        description="A session that has been idle for so long is deleted; reading it does not count."
    )
    network_max_size: int = Field(description="Nodes of a network, and one for each transformer.")


class NetworkConnectivityStatus(_Wire):
    """Whether a network can be operated radially at all, and what stands in the way."""

    ok: bool = Field(description="There is no unbreakable cycle and no invalid transformer.")
    unbreakable_cycle: list[str] | None = Field(default=None, description="Line ids in path order.")
    unconnectable_buses: list[str] | None = Field(
        default=None, description="What no switch setting can connect to a provider; leaves 'ok' as it is."
    )
    invalid_transformers: list[str] | None = None


def _truth(value: object) -> object:
    """Query texts 'true' and 'false' in any case, and nothing else, are truth values."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in {"true", "false"}:
        raise ValueError(f"The value '{value}' is not valid: true or false.")
    return text == "true"


class AnalysisQuery(BaseModel):
    """What the analysis report shall contain."""

    verbose: Annotated[bool, BeforeValidator(_truth)] = Field(default=False, description="Add the longer sections.")
