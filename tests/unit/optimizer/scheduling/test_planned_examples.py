"""The worked examples of the model: powers, states of charge, costs by name, wishes, and what is stored on sensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.optimizer.scheduling.planning import PlanFailed, Planned
from tests.support.schedules import Example, examples, hour

EXAMPLES = examples()
# Powers and energies are given to 1e-6, costs too (relative); preferences are tiny and given to nine digits after the point.
POWER_KW = 1e-4
COST = 1e-6
TINY_COST = 1e-9


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_worked_example_comes_out_as_it_is_written(name: str) -> None:
    example = Example(EXAMPLES[name])
    expected = EXAMPLES[name]["expected"]
    outcome = example.outcome()
    if "failure" in expected:
        assert isinstance(outcome, PlanFailed)
        assert expected["failure"] in outcome.message
        return
    assert isinstance(outcome, Planned), outcome
    _check_costs(outcome, expected)
    for sensor, powers in expected.get("power", {}).items():
        _same(example.site.output(outcome, sensor).values, powers, POWER_KW)
    for sensor, values in expected.get("stored", {}).items():
        _same(example.site.output(outcome, sensor).stored_values, values, POWER_KW)
    for field in ("resolved", "unresolved"):
        if field in expected:
            assert list(getattr(outcome, field)) == [_wishes(example, field, one) for one in expected[field]]
    if "num-beliefs" in expected:
        assert outcome.num_beliefs == expected["num-beliefs"]
    for text in expected.get("warnings", ()):
        assert any(text in warning for warning in outcome.warnings)


@pytest.mark.parametrize("name", [name for name, one in EXAMPLES.items() if "soc" in one["expected"]])
def test_the_states_of_charge_of_a_worked_example_are_written_on_a_sensor(name: str) -> None:
    example = Example(EXAMPLES[name])
    sensor = example.site.sensor("levels", "kWh", 0)
    raw = dict(EXAMPLES[name], model=[dict(EXAMPLES[name]["model"][0], **{"state-of-charge": {"sensor": sensor}})])
    example.example = raw
    outcome = example.outcome()
    assert isinstance(outcome, Planned), outcome
    _same(example.site.output(outcome, "levels").values, EXAMPLES[name]["expected"]["soc"]["power"], POWER_KW)


def _check_costs(outcome: Planned, expected: dict[str, Any]) -> None:
    for name, cost in expected["costs"].items():
        tolerance = TINY_COST if name.startswith("prefer") else max(COST * abs(cost), 1e-7)
        assert outcome.commitment_costs[name] == pytest.approx(cost, abs=tolerance), name
    if expected.get("exact-costs"):
        assert set(outcome.commitment_costs) == set(expected["costs"])
    assert not set(expected.get("absent-costs", ())) & set(outcome.commitment_costs)


def _same(values: Any, expected: list[float | None], tolerance: float) -> None:
    assert len(values) == len(expected)
    wanted = np.array([value if one is None else one for value, one in zip(values, expected, strict=True)])
    np.testing.assert_allclose(values, wanted, atol=tolerance, rtol=0)


def _wishes(example: Example, kind: str, expected: dict[str, Any]) -> dict[str, Any]:
    site = example.site
    item: dict[str, Any] = {"asset": site.sensors[site.names[expected["device"]]].asset_id}
    word = "margin" if kind == "resolved" else "violation"
    for field, moments in expected.items():
        if field != "device":
            item[field] = [{"datetime": hour(float(at[1:])), word: f"{float(kwh)} kWh"} for at, kwh in moments.items()]
    return item
