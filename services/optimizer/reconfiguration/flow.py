"""The power flow of one period on the original network, as the evaluation hands it to whoever reports it. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from services.optimizer.reconfiguration.network import BoolArray, ComplexArray, FloatArray


class FlowStatus(IntEnum):
    """How far a computed flow can be trusted; a smaller value is worse, so the status of several is their minimum."""

    FAILED = 1
    APPROXIMATE = 2
    EXACT = 3


@dataclass(frozen=True)
class PeriodFlow:
    """Voltages, currents and powers of one period over the nodes and lines of the ``PowerGrid``, in SI units.

    Every line has a *sending end*: the one nearer to the provider, or the other one where the active power entering there
    would be negative. The arrays of lines are zero where a line is not present or without supply. The numbers of a
    failed flow mean nothing and need not be finite.
    """

    status: FlowStatus
    status_details: str
    voltage_v: FloatArray  # (N,) magnitude per node, 0 where unsupplied
    is_present: BoolArray  # (L,) not switchable, or closed
    from_source: BoolArray  # (L,) True where the sending end is the line's source
    current_a: FloatArray  # (L,) magnitude
    sent_power_va: ComplexArray  # (L,) power entering at the sending end
    loss_va: ComplexArray  # (L,) what does not reach the other end

    @property
    def loss_w(self) -> FloatArray:
        """(L,) thermal loss."""
        loss_w: FloatArray = self.loss_va.real
        return loss_w
