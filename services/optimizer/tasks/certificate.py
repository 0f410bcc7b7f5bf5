"""The check that a result makes of itself before anybody sees it: do its own figures add up?

The loss is computed a second way, as what the providers feed in and the consumers do not take out, from the powers that the
solution document shows; the evaluation adds up the losses of the lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.flow import FlowStatus, PeriodFlow
from services.optimizer.reconfiguration.network import BoolArray, BusKind, Demands, PowerGrid
from services.optimizer.reconfiguration.problem import TOTAL_LOSS
from services.optimizer.reconfiguration.verdict import Verdict

# The flow iterates until the injected power is settled to 1e-10; 1e-6 is what results are promised to be right within.
TOLERANCE = 1e-6


class CertificateFailed(ArithmeticError):
    """A result's own figures do not add up; it must not be reported."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """``power_balance_residual`` is the largest over periods, as a share of the power that the consumers take."""

    power_balance_residual: float
    loss_by_balance_mwh: float


def certify(grid: PowerGrid, demands: Demands, flows: tuple[PeriodFlow | None, ...], verdict: Verdict) -> Certificate:
    """Check a result; periods whose flow did not converge have no figures that could be checked.

    Raises:
        CertificateFailed: powers do not balance, or the loss is not the one of the balance.
    """
    is_provider = np.array([node.kind is BusKind.PROVIDER for node in grid.nodes], dtype=bool)
    residual = loss_mwh = taken_mwh = 0.0
    is_complete = True
    for t, (flow, hours) in enumerate(zip(flows, demands.hours.tolist(), strict=True)):
        if flow is None or flow.status is FlowStatus.FAILED:
            is_complete = False
            continue
        is_served = (flow.voltage_v > 0) & ~is_provider
        served_va = complex(demands.p_w[t][is_served].sum(), demands.q_var[t][is_served].sum())
        injected_va = _injected_va(grid, is_provider, flow)
        in_transformers_var = flow.loss_va.imag[len(grid.document_lines) :].sum()
        lost_va = complex(flow.loss_w.sum(), (grid.x_ohm * flow.current_a**2).sum() + in_transformers_var)
        residual = max(residual, abs(injected_va - served_va - lost_va) / max(abs(served_va), 1.0))
        loss_mwh += hours * (injected_va - served_va).real / 1e6
        taken_mwh += hours * abs(served_va) / 1e6
    # Not `>`: a figure that is no number has to fail too.
    if not residual <= TOLERANCE:
        raise CertificateFailed(f"power balances only to {residual:.3g} of the demand")
    reported_mwh = float(verdict.values[TOTAL_LOSS])
    if is_complete and not abs(loss_mwh - reported_mwh) <= TOLERANCE * max(reported_mwh, taken_mwh):
        raise CertificateFailed(f"the loss is {reported_mwh:.9g} MWh by lines and {loss_mwh:.9g} MWh by balance")
    return Certificate(residual, loss_mwh)


def _injected_va(grid: PowerGrid, is_provider: BoolArray, flow: PeriodFlow) -> complex:
    """What leaves the providers (N,) through their lines, less what reaches them [VA]."""
    sending = np.where(flow.from_source, grid.line_source, grid.line_target)
    receiving = np.where(flow.from_source, grid.line_target, grid.line_source)
    sent = flow.sent_power_va[is_provider[sending]].sum() - flow.sent_power_va[is_provider[receiving]].sum()
    return complex(sent)
