"""A result whose own figures do not add up is never reported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.optimizer.reconfiguration.evaluation import evaluate
from services.optimizer.reconfiguration.reduction import reduce_network
from services.optimizer.tasks.certificate import CertificateFailed, certify
from tests.support.grids import case


def test_the_certificate_of_a_right_result_is_close_to_nothing() -> None:
    # 100 V, 1 ohm, 1 W and 1 var: I = 0.01 A to first order, so the loss is about 2e-4 W in one hour.
    one = case("G 100V | L1 | C 1W 1var")
    found = evaluate(one.grid, reduce_network(one.grid), one.demands, one.opened(), None)
    certificate = certify(one.grid, one.demands, found.flows, found.verdict)
    assert certificate.power_balance_residual < 1e-9
    assert certificate.loss_by_balance_mwh == pytest.approx(2e-10, rel=1e-3)


@pytest.mark.parametrize("field", ["sent_power_va", "loss_va", "current_a"])
def test_figures_that_do_not_balance_are_found_out(field: str) -> None:
    one = case("G 100V | L1 x=1 | A | L2 x=1 | C 100W 50var")
    found = evaluate(one.grid, reduce_network(one.grid), one.demands, one.opened(), None)
    (flow,) = found.flows
    assert flow is not None
    wrong = replace(flow, **{field: getattr(flow, field) * 1.01})
    with pytest.raises(CertificateFailed):
        certify(one.grid, one.demands, (wrong,), found.verdict)


def test_a_loss_that_is_not_the_flows_is_found_out() -> None:
    one = case("G 100V | L1 | C 100W")
    found = evaluate(one.grid, reduce_network(one.grid), one.demands, one.opened(), None)
    for loss in (found.verdict.values[0] * 1.001, np.nan):
        values = found.verdict.values.copy()
        values[0] = loss
        with pytest.raises(CertificateFailed):
            certify(one.grid, one.demands, found.flows, replace(found.verdict, values=values))


def test_periods_without_a_flow_have_nothing_to_check() -> None:
    one = case("G 100V | L1 sw | C 1W", "G | L2 sw | C", factors=(1.0, 2.0))
    configurations = np.array([[False, False], [False, True]])
    found = evaluate(one.grid, reduce_network(one.grid), one.demands, configurations, None)
    assert found.flows[0] is None
    assert certify(one.grid, one.demands, found.flows, found.verdict).power_balance_residual < 1e-9
