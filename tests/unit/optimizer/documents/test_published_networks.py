"""The published example networks: sizes and totals as their descriptions give them, and nothing lost on the way through."""

from __future__ import annotations

import pytest

from services.optimizer.documents.demand import read_demands, write_demands
from services.optimizer.documents.power_grid import read_power_grid, write_power_grid
from services.optimizer.documents.switch_settings import read_start_configuration
from tests.support.shared_data import shared_data


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("examples/doc-provider-consumer-example", (2, 1, 0, 0)),
        ("examples/doc-provider-transformer-consumer-example", (4, 2, 0, 1)),
        ("examples/doc-two-providers-consumer", (4, 3, 2, 0)),
        ("baran-wu/baran-wu_network", (33, 32, 0, 0)),
        ("baran-wu/baran-wu-modified_network", (34, 38, 15, 0)),
        ("baran-wu/baran-wu-mod_w_trans", (36, 39, 15, 1)),
        ("ieee34/ieee34", (34, 33, 3, 0)),
        ("demo/demoNetwork", (34, 33, 3, 0)),
    ],
)
def test_network(name: str, sizes: tuple[int, int, int, int]) -> None:
    grid = read_power_grid(shared_data(f"pgo/{name}.json").read_bytes())
    assert (
        len(grid.document_nodes),
        len(grid.document_lines),
        int(grid.is_switch.sum()),
        len(grid.transformers),
    ) == sizes
    assert grid.bus_count == sizes[0] + sizes[3]
    assert read_power_grid(write_power_grid(grid)) == grid


@pytest.mark.parametrize(
    ("network", "name", "hours", "total_mva"),
    [
        ("examples/doc-two-providers-consumer", "examples/doc-example_forecast", [8784.0], 0.5),
        ("baran-wu/baran-wu_network", "baran-wu/baran-wu_forecast", [24.0], 3.715 + 2.3j),
        (
            "baran-wu/baran-wu-modified_network",
            "baran-wu/baran-wu-modified_forecast-multiperiod",
            [24.0, 24.0],
            3.715 + 2.3j,
        ),
    ],
)
def test_demands(network: str, name: str, hours: list[float], total_mva: complex) -> None:
    grid = read_power_grid(shared_data(f"pgo/{network}.json").read_bytes())
    demands = read_demands(shared_data(f"pgo/{name}.json").read_bytes(), grid, allow_unspecified=False)
    assert demands.hours.tolist() == hours
    total = complex(demands.p_w[0].sum(), demands.q_var[0].sum()) / 1e6
    assert abs(total - total_mva) < 1e-12 * abs(total_mva)
    assert read_demands(write_demands(demands, grid), grid, allow_unspecified=False).periods == demands.periods


def test_start_configuration() -> None:
    grid = read_power_grid(shared_data("pgo/baran-wu/baran-wu-modified_network.json").read_bytes())
    start = read_start_configuration(shared_data("pgo/baran-wu/baran-wu-modified_startconfig.json").read_bytes(), grid)
    assert start is not None
    opened = {line.id for line, is_open in zip(grid.lines, start, strict=True) if is_open}
    assert opened == {"switch3", "switch5", "switch6", "switch8", "switch13", "switch14"}
