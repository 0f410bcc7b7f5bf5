"""Published grids with published or independently computed results: losses, voltages, currents, rounds, objectives.

The feeder of Baran and Wu comes with the project; the other files are read where they lie beside the checkout.
Values were rounded when they were written down, so they are compared to the relative tolerance of 1e-6 of their source.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources

import numpy as np
import pytest

from services.optimizer.documents.demand import read_demands
from services.optimizer.documents.power_grid import read_power_grid
from services.optimizer.documents.switch_settings import read_start_configuration
from services.optimizer.reconfiguration.constraints import CONNECTED, CYCLIC, RADIAL
from services.optimizer.reconfiguration.evaluation import Evaluation, evaluate
from services.optimizer.reconfiguration.flow import FlowStatus, PeriodFlow
from services.optimizer.reconfiguration.network import BoolArray, Demands, PowerGrid
from services.optimizer.reconfiguration.problem import IMAX, IMAX_50, TOTAL_LOSS
from services.optimizer.reconfiguration.reduction import reduce_network
from shared.objective import DEFAULT_WEIGHTS
from tests.support.grids import Winding, case
from tests.support.shared_data import shared_data

Documents = tuple[PowerGrid, Demands]


def published(network: str, demands: str) -> Documents:
    grid = read_power_grid(shared_data(f"pgo/{network}.json").read_bytes())
    return grid, read_demands(shared_data(f"pgo/{demands}.json").read_bytes(), grid, allow_unspecified=False)


def own_feeder(part: str = "") -> bytes:
    return (resources.files("services.cli.demo") / f"baran_wu_33{part}.json").read_bytes()


def with_open(documents: Documents, opened: Iterable[str], start: BoolArray | None = None) -> Evaluation:
    grid, demands = documents
    ids = set(opened)
    configuration = np.array([line.id in ids for line in grid.lines], dtype=bool)
    configurations = np.tile(configuration, (len(demands.periods), 1))
    return evaluate(grid, reduce_network(grid), demands, configurations, start)


def switches(*numbers: int) -> list[str]:
    return [f"switch{k}" for k in numbers]


def objective(evaluation: Evaluation) -> float:
    return float(np.dot(DEFAULT_WEIGHTS, evaluation.verdict.values))


def only_flow(evaluation: Evaluation) -> PeriodFlow:
    (flow,) = evaluation.flows
    assert flow is not None
    return flow


class TestFeederOfBaranAndWu:
    @pytest.fixture
    def feeder(self) -> Documents:
        grid = read_power_grid(own_feeder())
        return grid, read_demands(own_feeder("_demands"), grid, allow_unspecified=False)

    def test_has_the_published_size_and_load(self, feeder: Documents) -> None:
        grid, demands = feeder
        assert (len(grid.nodes), len(grid.lines), int(grid.is_switch.sum())) == (33, 37, 37)
        assert demands.p_w.sum() == pytest.approx(3_715_000)
        assert demands.q_var.sum() == pytest.approx(2_300_000)

    def test_published_loss_with_the_tie_switches_open(self, feeder: Documents) -> None:
        grid, demands = feeder
        start = read_start_configuration(own_feeder("_start"), grid)
        assert start is not None
        result = evaluate(grid, reduce_network(grid), demands, start[None, :], start)
        flow = only_flow(result)
        assert result.verdict.is_feasible
        assert result.verdict.values[TOTAL_LOSS] == pytest.approx(0.2026771, abs=5e-8)  # MWh in one hour
        assert flow.status_details == "10 iterations"
        assert flow.voltage_v.min() == pytest.approx(11559.725, abs=1e-3)
        assert grid.nodes[int(flow.voltage_v.argmin())].id == "18"

    def test_published_best_loss(self, feeder: Documents) -> None:
        result = with_open(feeder, ["7", "9", "14", "32", "37"])
        assert result.verdict.is_feasible
        assert result.verdict.values[TOTAL_LOSS] == pytest.approx(0.1395513, abs=5e-8)
        assert only_flow(result).voltage_v.min() == pytest.approx(0.93782 * 12660, abs=0.1)


def test_one_line_carries_a_yearly_load() -> None:
    given = case("Source 22000V | line r=1 x=1 | Load 500000W", hours=8784)
    result = evaluate(given.grid, reduce_network(given.grid), given.demands, given.opened(), None)
    flow = only_flow(result)
    assert flow.voltage_v[1] == pytest.approx(21977.2374, abs=5e-5)
    assert flow.current_a[0] == pytest.approx(22.75081, abs=5e-6)
    assert flow.sent_power_va[0] == pytest.approx(500517.5995 + 517.5995j, abs=1e-4)
    assert result.verdict.values[TOTAL_LOSS] == pytest.approx(4.546593596, rel=1e-9)
    assert objective(result) == pytest.approx(4546593.60, rel=1e-8)
    assert flow.status_details == "5 iterations"
    assert flow.status is FlowStatus.EXACT


def test_one_transformer_on_the_way_of_a_yearly_load() -> None:
    winding = Winding({"primary": 22000.0, "secondary": 11000.0}, [("primary", "secondary", None, 1.0)])
    given = case(
        "Source 22000V | first r=0.1 x=0.1 | primary",
        "secondary | second r=0.1 x=0.1 | Load 500000W vmin=10000 vmax=12000",
        hours=8784,
        transformers={"Transformer": winding},
    )
    result = evaluate(given.grid, reduce_network(given.grid), given.demands, given.opened(), None)
    flow = only_flow(result)
    at = {node.id: float(v) for node, v in zip(given.grid.nodes, flow.voltage_v, strict=True)}
    assert at["primary"] == pytest.approx(21997.7250, abs=5e-5)
    assert at["secondary"] == pytest.approx(11000, rel=1e-12)
    assert at["Load"] == pytest.approx(10995.4517, abs=5e-5)
    assert flow.current_a[:2] == pytest.approx([22.73903, 45.47335], abs=5e-6)
    assert flow.sent_power_va[:2].real == pytest.approx([500258.4889, 500206.7825], abs=5e-5)
    assert result.verdict.values[TOTAL_LOSS] == pytest.approx(2.270566169, rel=1e-9)
    assert result.verdict.is_feasible


@pytest.mark.parametrize(
    ("network", "opened", "loss_mwh"),
    [
        ("doc-provider-consumer-example", [], 4.546593596),
        ("doc-provider-transformer-consumer-example", [], 2.270566169),
        ("doc-two-providers-consumer", ["Source 2-Junction line"], 9.112111639),
    ],
)
def test_documents_that_explain_the_format(network: str, opened: list[str], loss_mwh: float) -> None:
    result = with_open(published(f"examples/{network}", "examples/doc-example_forecast"), opened)
    assert result.verdict.is_feasible
    assert result.verdict.values[TOTAL_LOSS] == pytest.approx(loss_mwh, rel=1e-9)


class TestTwoProviders:
    given = case(
        "Source-1 22000V | near x=1 sw | Junction | last x=1 | Load 500000W",
        "Source-2 22000V | far r=1e8 x=1e8 sw | Junction",
        hours=8784,
    )

    def evaluated(self, opened: str) -> Evaluation:
        grid = self.given.grid
        return evaluate(grid, reduce_network(grid), self.given.demands, self.given.opened([opened]), None)

    def test_load_is_fed_over_the_near_line(self) -> None:
        result = self.evaluated("far")
        flow = only_flow(result)
        assert flow.voltage_v[1:3] == pytest.approx([21977.1902, 21954.4039], abs=5e-5)
        assert flow.current_a == pytest.approx([22.77447, 22.77447, 0], abs=5e-6)
        assert flow.sent_power_va.real == pytest.approx([501037.3533, 500518.6767, 0], abs=5e-5)
        assert result.verdict.values[TOTAL_LOSS] == pytest.approx(9.112111639, rel=1e-9)
        assert flow.status_details == "up to 5 iterations"

    def test_flow_over_the_far_line_fails_in_the_first_round(self) -> None:
        flow = only_flow(self.evaluated("near"))
        assert flow.status is FlowStatus.FAILED
        assert "voltage drop" in flow.status_details
        assert flow.status_details.endswith("(up to 1 iterations)")


def test_radial_feeder_as_published_without_switches() -> None:
    documents = published("baran-wu/baran-wu_network", "baran-wu/baran-wu_forecast")
    result = with_open(documents, [])
    flow = only_flow(result)
    assert result.verdict.values[TOTAL_LOSS] == pytest.approx(4.864251035, rel=1e-9)
    assert flow.voltage_v.min() == pytest.approx(11559.725, abs=1e-3)
    assert documents[0].nodes[int(flow.voltage_v.argmin())].id == "18"
    assert flow.status_details == "10 iterations"


class TestModifiedFeeder:
    @pytest.fixture
    def feeder(self) -> Documents:
        return published("baran-wu/baran-wu-modified_network", "baran-wu/baran-wu-modified_forecast")

    def test_start_configuration(self, feeder: Documents) -> None:
        grid, _ = feeder
        start = read_start_configuration(
            shared_data("pgo/baran-wu/baran-wu-modified_startconfig.json").read_bytes(), grid
        )
        result = with_open(feeder, switches(3, 5, 6, 8, 13, 14), start)
        flow = only_flow(result)
        assert result.verdict.is_feasible
        assert result.verdict.changed_switches == (0,)
        assert result.verdict.values[TOTAL_LOSS] == pytest.approx(1.772321607, rel=1e-9)
        assert objective(result) == pytest.approx(1772321.6073, rel=1e-10)
        assert grid.nodes[int(flow.voltage_v.argmin())].id == "28"
        assert flow.voltage_v.min() == pytest.approx(12169.761, abs=1e-3)
        assert flow.status_details == "up to 8 iterations"

    def test_runner_up_without_and_with_the_price_of_switching(self, feeder: Documents) -> None:
        grid, _ = feeder
        start = read_start_configuration(
            shared_data("pgo/baran-wu/baran-wu-modified_startconfig.json").read_bytes(), grid
        )
        assert objective(with_open(feeder, switches(3, 5, 6, 7, 13, 14))) == pytest.approx(1779307.142, rel=1e-9)
        switched = with_open(feeder, switches(3, 5, 6, 7, 13, 14), start)
        assert objective(switched) == pytest.approx(1779307.290, rel=1e-9)
        assert switched.verdict.changed_switches == (2,)

    def test_third_best(self, feeder: Documents) -> None:
        assert objective(with_open(feeder, switches(4, 5, 6, 8, 13, 14))) == pytest.approx(1826110.81, rel=1e-8)


class TestIeee34:
    @pytest.fixture
    def feeder(self) -> Documents:
        return published("ieee34/ieee34", "ieee34/ieee34_forecast")

    def test_one_switch_open(self, feeder: Documents) -> None:
        result = with_open(feeder, ["line8"])
        values = result.verdict.values
        assert values[[TOTAL_LOSS, IMAX, IMAX_50]] == pytest.approx([330.0634476, 77595.36544, 177860.6199], rel=1e-8)
        assert objective(result) == pytest.approx(407836673.69, rel=1e-9)
        assert only_flow(result).status_details == "up to 8 iterations"

    def test_best_switch_open(self, feeder: Documents) -> None:
        assert objective(with_open(feeder, ["line15"])) == pytest.approx(386760370.62, rel=1e-9)

    def test_two_switches_open_leave_consumers_dark(self, feeder: Documents) -> None:
        result = with_open(feeder, ["line8", "line21"])
        assert CONNECTED in {violation.name for violation in result.verdict.violations}
        assert result.verdict.values[TOTAL_LOSS] == pytest.approx(230.5541587, rel=1e-8)

    def test_all_closed_joins_the_providers(self, feeder: Documents) -> None:
        result = with_open(feeder, [])
        assert result.flows == (None,)
        assert {RADIAL, CYCLIC} <= {violation.name for violation in result.verdict.violations}
        assert result.verdict.values[TOTAL_LOSS] == 0
