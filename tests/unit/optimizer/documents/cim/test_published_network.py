"""DIGIN10 with the results that were published with it; skipped where the data are absent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from services.optimizer.documents.cim import (
    CimNetwork,
    read_cim_demands,
    read_cim_network,
    read_cim_session,
    read_cim_start_configuration,
)
from services.optimizer.documents.power_grid import read_power_grid, write_power_grid
from services.optimizer.reconfiguration.evaluation import evaluate
from services.optimizer.reconfiguration.network import BoolArray, BusKind, Demands, PowerGrid
from services.optimizer.reconfiguration.problem import TOTAL_LOSS
from services.optimizer.reconfiguration.reduction import reduce_network
from tests.support.shared_data import shared_data


def published(part: str) -> Any:  # Any: JSON
    return orjson.loads(shared_data(f"pgo/digin10/{part}.jsonld").read_bytes().removeprefix(b"\xef\xbb\xbf"))


def upload(network: Any, **options: object) -> bytes:  # Any: JSON
    return orjson.dumps(
        {
            "network": network,
            "parsingOptions": {"unitsProfile": "digin"},
            "conversionOptions": {"lineImpedanceScaleFactor": 0.001, **options},
        }
    )


@dataclass(frozen=True)
class Case:
    network: CimNetwork
    demands: Demands
    start: BoolArray

    def injection_va(self) -> tuple[complex, float]:
        """What the unit injects, and the loss in MWh."""
        grid = read_power_grid(write_power_grid(self.network.grid))
        evaluation = evaluate(grid, reduce_network(grid), self.demands, self.start[None, :], self.start)
        (flow,) = evaluation.flows
        assert flow is not None
        (provider,) = [position for position, node in enumerate(grid.nodes) if node.kind is BusKind.PROVIDER]
        at_provider = [k for k, line in enumerate(grid.lines) if provider in {line.source, line.target}]
        assert evaluation.verdict.is_feasible
        return complex(flow.sent_power_va[at_provider].sum()), float(evaluation.verdict.values[TOTAL_LOSS])


def case(**options: object) -> Case:
    network = read_cim_network(upload(published("CombinedNetwork"), **options))
    state = published("CombinedSsh")
    period = {"id": "hour", "start_time": "2023-03-24T00:00:00Z", "end_time": "2023-03-24T01:00:00Z"}
    session = read_cim_session(
        orjson.dumps(
            {
                "networkId": "digin10",
                "periodsAndDemands": [{"period": period, "demands": state}],
                "startConfiguration": state,
            }
        )
    )
    grid, directory = network.grid, network.directory
    start = read_cim_start_configuration(session.start_configuration, grid, directory)
    return Case(network, read_cim_demands(session, grid, directory), start)


def test_network_with_consumers_from_energy_consumers_only() -> None:
    found = case(consumerSources=["energyConsumers"])
    grid = found.network.grid
    kinds = Counter(node.kind for node in grid.nodes)
    assert kinds == {BusKind.TRANSITION: 97, BusKind.TRANSFORMER: 4, BusKind.CONSUMER: 15, BusKind.PROVIDER: 1}
    assert (len(grid.lines), int(grid.is_switch.sum()), sum(line.is_breaker for line in grid.lines)) == (119, 31, 29)
    assert len(grid.lines) - len(grid.document_lines) == 8
    (provider,) = [node for node in grid.nodes if node.kind is BusKind.PROVIDER]
    assert provider.v_gen_v == pytest.approx(420e3)
    assert (provider.p_gen_min_w, provider.p_gen_max_w) == (0.0, 300e6)
    assert (provider.q_gen_min_var, provider.q_gen_max_var) == (-100e6, 300e6)
    assert complex(found.demands.p_w.sum(), found.demands.q_var.sum()) == pytest.approx(10567000 + 2084480j)
    assert found.start.sum() == 2
    injection_va, _ = found.injection_va()
    assert injection_va.real == pytest.approx(10568186.75, rel=1e-6)
    assert injection_va.imag == pytest.approx(2084756.09, rel=1e-6)
    pairs = Counter(
        frozenset((line.source, line.target)) for line in grid.lines if not line.is_switch and not line.is_breaker
    )
    assert sum(count == 2 for count in pairs.values()) == 1


def test_network_with_all_consumers() -> None:
    found = case()
    assert sum(node.kind is BusKind.CONSUMER for node in found.network.grid.nodes) == 18
    assert complex(found.demands.p_w.sum(), found.demands.q_var.sum()) == pytest.approx(171952996.70 + 2099040j)
    injection_va, loss_mwh = found.injection_va()
    assert injection_va.real == pytest.approx(171954219.18, rel=1e-6)
    assert injection_va.imag == pytest.approx(2099349.30, rel=1e-6)
    assert loss_mwh == pytest.approx(0.001222477505, rel=1e-6)


def test_the_separate_files_as_a_list_are_the_same_network() -> None:
    parts = ("BaseVoltage_RD", "MV1_EQ", "LV1_EQ", "MV1-LV1_BM", "HV1-MV1_BM")
    together = read_cim_network(upload(published("CombinedNetwork"))).grid
    apart = read_cim_network(upload([published(f"Grid/CIMJSON-LD/DIGIN10-30-{part}") for part in parts])).grid
    assert len(apart.nodes) == 120
    assert described(apart) == described(together)


def described(grid: PowerGrid) -> tuple[list[str], list[tuple[str, float, float, float, bool]]]:
    """Nodes and lines in no order: that of the files is another."""
    lines = sorted((line.id, line.r_ohm, line.x_ohm, line.imax_a, line.is_switch) for line in grid.lines)
    return sorted(node.id for node in grid.nodes), lines
