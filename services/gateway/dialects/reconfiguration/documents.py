"""The documents that clients upload and download, described for the OpenAPI document and its readers.

Nothing parses with these: the workers read uploads, the gateway passes them on as they are. Input is more lenient than the
descriptions say (names in any case, unknown properties, numbers as texts).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Infinite = Literal["Infinity"]
Limit = Annotated[float | Infinite, Field(description="A number, or the text 'Infinity' for none.")]


class ConsumerTypeFraction(BaseModel):
    """The share of one category in a consumer's power."""

    consumer_type: Literal["agriculture", "household", "industry", "services", "public", "elind"]
    power_fraction: float = Field(gt=0, le=1)


class Node(BaseModel):
    """A provider, consumer or transition; voltages in kV, powers in MW and MVAr."""

    id: str = Field(min_length=1)
    type: Literal["transition", "provider", "consumer"]
    consumer_type: Literal["agriculture", "household", "industry", "services", "public", "elind", "undefined"] = (
        "undefined"
    )
    consumer_type_fractions: list[ConsumerTypeFraction] | None = Field(
        default=None, description="Only on consumers, instead of consumer_type; the fractions add up to 1."
    )
    v_min: float = Field(default=0, description="kV; not on providers.")
    v_max: Limit = Field(default="Infinity", description="kV, or 'Infinity'; not on providers.")
    v_gen: float = Field(default=0, description="kV; required on providers, 0 elsewhere.")
    p_gen_max: Limit = Field(default="Infinity", description="MW, or 'Infinity'; only on providers.")
    p_gen_min: float = Field(default=0, description="MW; only on providers.")
    q_gen_max: Limit = Field(default="Infinity", description="MVAr, or 'Infinity'; only on providers.")
    q_gen_min: float = Field(default=0, description="MVAr; only on providers.")
    coordinates: list[float] | None = Field(default=None, min_length=2, max_length=2, description="x and y.")


class Line(BaseModel):
    """A line between two nodes; its direction has no electrical meaning."""

    id: str = Field(min_length=1)
    source: str
    target: str
    r: float = Field(default=0, ge=0, description="Resistance in ohm.")
    x: float = Field(default=0, description="Reactance in ohm.")
    imax: Limit = Field(default="Infinity", description="Highest current in A, or 'Infinity'.")
    vmax: Limit = Field(default="Infinity", description="Highest voltage in kV, or 'Infinity'.")
    switchable: bool = False
    switching_cost: float | None = None
    breaker: bool = False
    fault_frequency: float | None = Field(default=None, ge=0, description="Faults per year.")
    sectioning_time: str | None = Field(default=None, description="ISO 8601 duration, such as PT1H30M.")
    repair_time: str | None = Field(default=None, description="ISO 8601 duration.")


class TransformerConnection(BaseModel):
    """A terminal of a transformer."""

    node_id: str
    end_voltage: float = Field(gt=0, description="kV.")


class TransformerMode(BaseModel):
    """A direction in which a transformer can be used."""

    source: str
    target: str
    operation: Literal["fixed_ratio", "automatic"]
    ratio: float | None = Field(default=None, description="Input voltage over output voltage; only with fixed_ratio.")
    power_factor: float = Field(default=1, gt=0, le=1, description="Output power over input power.")
    bidirectional: bool = Field(default=True, description="Also defines the reverse mode.")


class Transformer(BaseModel):
    """A transformer with two or three windings."""

    id: str = Field(min_length=1)
    connections: list[TransformerConnection] = Field(min_length=2, max_length=3)
    modes: list[TransformerMode] = Field(min_length=1)
    coordinates: list[float] | None = Field(default=None, min_length=2, max_length=2)


class PowerGrid(BaseModel):
    """A network."""

    name: str | None = None
    schema_version: Literal[1] = Field(alias="@schema_version")
    nodes: list[Node]
    lines: list[Line]
    transformers: list[Transformer] | None = None


class Period(BaseModel):
    """A span of time with constant demands; each starts when the one before ends."""

    id: str = Field(min_length=1)
    start_time: str = Field(description="ISO 8601 date and time.")
    end_time: str = Field(description="ISO 8601 date and time.")


class LoadSeries(BaseModel):
    """The demand of one consumer, one value for each period."""

    node_id: str
    p_loads: list[float] = Field(description="MW, not negative.")
    q_loads: list[float] = Field(description="MVAr.")


class Demand(BaseModel):
    """The demands of a session over its periods."""

    schema_version: Literal[1] = Field(alias="@schema_version")
    periods: list[Period] = Field(min_length=1)
    loads: list[LoadSeries]


class SwitchState(BaseModel):
    """How one switch is set."""

    line_id: str
    open: bool


class SinglePeriodSettings(BaseModel):
    """How all switches are set in one period. ``period`` is ignored in a start configuration."""

    period: str | None = None
    switch_settings: list[SwitchState]


class SolutionSettings(BaseModel):
    """The switch settings of every period of a session, in any order. A whole ``Solution`` will do: the rest is ignored."""

    period_solutions: list[SinglePeriodSettings]


class OutgoingCurrent(BaseModel):
    """The current in a line, listed under the node that it flows out of."""

    target: str
    line_id: str
    current: float = Field(description="kA.")


class OutgoingPower(BaseModel):
    """The power into a line, listed under the node that it flows out of."""

    target: str
    line_id: str
    active: float = Field(description="MW at the sending end.")
    reactive: float = Field(description="MVAr at the sending end.")
    thermal_loss: float = Field(description="MW.")


class PowerFlow(BaseModel):
    """The power flow of one period."""

    period_id: str
    status: Literal["failed", "approximate", "exact"]
    status_details: str
    voltages: dict[str, float] = Field(description="kV by node id; 0 without supply.")
    currents: dict[str, list[OutgoingCurrent]]
    injected_power: dict[str, list[OutgoingPower]]


class KileCosts(BaseModel):
    """The expected cost of interruptions in one period, by consumer."""

    period_id: str
    expected_costs: dict[str, float]


class Solution(BaseModel):
    """The switch settings of every period, and the flows that follow from them."""

    period_solutions: list[SinglePeriodSettings]
    flows: list[PowerFlow]
    kile_costs: list[KileCosts]
