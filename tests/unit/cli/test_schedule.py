"""``busbar schedule`` on a file: what it plans, what it prints, how it ends, and what it says of files that are wrong."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.optimizer.tasks import schedules
from services.optimizer.tasks.flexibility_values import Events, FoundSchedule, ScheduleInput, SolverLimits
from shared.flexibility.collection import Trigger
from shared.flexibility.facts import AssetFacts, SensorFacts
from tests.support.command_line import CommandLine, Outcome
from tests.support.stack import ROOT

Document = dict[str, Any]  # Any: JSON
START = "2030-01-01T00:00:00+01:00"
FIELDS = [
    *("schedules", "costs", "currency", "resolved", "unresolved", "gap", "warnings", "version", "input_sha256"),
]
NET = "electricity net energy"


@pytest.fixture(scope="module")
def commands() -> Iterator[CommandLine]:
    with CommandLine({}) as running:
        yield running


class Case:
    """A file, and the command on it."""

    def __init__(self, commands: CommandLine, folder: Path, document: object) -> None:
        self._commands = commands
        self.path = folder / "site.json"
        self.path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")

    def run(self, *more: str) -> Outcome:
        return self._commands.run("schedule", str(self.path), *more)

    def printed(self, *more: str) -> Any:  # Any: JSON
        return self._commands.printed("schedule", str(self.path), *more)


def hourly(*prices: float) -> list[Document]:
    """Prices [EUR/MWh] of the hours of the day."""
    return [
        {"value": f"{price} EUR/MWh", "start": f"2030-01-01T{hour:02d}:00:00+01:00", "duration": "PT1H"}
        for hour, price in enumerate(prices)
    ]


def battery() -> Document:
    """A battery of 100 kW and 100 kWh in four hours of 10, 50, 20 and 60 EUR/MWh: it buys twice and sells twice."""
    return {
        "start": START,
        "duration": "PT4H",
        "resolution": "PT1H",
        "flex-model": [{"soc-at-start": "0 kWh", "soc-min": "0 kWh", "soc-max": "100 kWh", "power-capacity": "100 kW"}],
        "flex-context": {"consumption-price": hourly(10, 50, 20, 60)},
    }


def depot() -> Document:
    """A site with a battery, a car that has to have 40 kWh at three o'clock, a fixed load, and prices in series.

    What is best: the battery (20 to 120 kWh, 100 kW) goes up and down with the prices; the car has 10 kWh and takes 22 kWh
    in the cheapest hour, the first, and the 8 kWh that it lacks in the next cheapest, the third.
    """
    return {
        "assets": [
            {
                "name": "depot",
                "type": "building",
                "flex-context": {
                    "site-power-capacity": "250 kW",
                    "consumption-price": {"sensor": "$prices"},
                    "aggregate-power": {"sensor": "$whole"},
                },
            },
            {
                "name": "store",
                "type": "battery",
                "parent": "depot",
                "flex-model": {
                    "soc-min": "20 kWh",
                    "soc-max": "120 kWh",
                    "power-capacity": "100 kW",
                    "consumption": {"sensor": "$store power"},
                },
            },
            {"name": "car", "type": "one-way_evse", "parent": "depot"},
        ],
        "sensors": [
            {"name": "prices", "unit": "EUR/MWh", "resolution": "PT1H"},
            {"name": "store power", "asset": "store", "unit": "MW", "resolution": "PT30M"},
            {"name": "soc", "asset": "store", "unit": "kWh", "resolution": "PT0S"},
            {"name": "whole", "unit": "kW", "resolution": "PT1H"},
            {"name": "load", "unit": "kW", "resolution": "PT1H", "attributes": {"consumption_is_positive": True}},
        ],
        "series": {
            "prices": {"start": START, "values": [0.1, 0.5, 0.2, 0.6], "unit": "EUR/kWh"},
            "soc": {"times": ["2029-12-31T23:00:00Z"], "values": [20]},
            # Energy of half hours: 10 kW, and 20 kW in the last hour.
            "load": {"start": START, "resolution": "PT30M", "values": [5, 5, 5, 5, 5, 5, 5, 15], "unit": "kWh"},
        },
        "start": START,
        "duration": "PT4H",
        "flex-model": [
            {"asset": "$store", "state-of-charge": {"sensor": "$soc"}},
            {
                "asset": "$car",
                "soc-at-start": "10 kWh",
                "soc-max": "60 kWh",
                "soc-minima": [{"value": "15 kWh", "datetime": "2030-01-01T02:00:00+01:00"}],
                "soc-targets": [{"value": "40 kWh", "datetime": "2030-01-01T03:00:00+01:00"}],
                "consumption-capacity": "22 kW",
                "production-capacity": "0 kW",
            },
        ],
        "flex-context": {"inflexible-device-sensors": ["$load"]},
    }


def by_sensor(result: Any) -> dict[str, Any]:  # Any: JSON
    return {one["sensor"]: one for one in result["schedules"]}


def test_a_battery_of_a_few_lines_buys_low_and_sells_high(commands: CommandLine, tmp_path: Path) -> None:
    case = Case(commands, tmp_path, battery())
    result = case.printed()
    assert list(result) == FIELDS
    power, soc = result["schedules"]
    assert power == {
        "sensor": "battery power",
        "asset": "battery",
        "start": START,
        "resolution": "PT1H",
        "unit": "kW",
        "values": [100.0, -100.0, 100.0, -100.0],
    }
    assert soc["sensor"] == "battery state of charge"
    assert (soc["unit"], soc["values"]) == ("kWh", [0.0, 100.0, 0.0, 100.0, 0.0])
    # 100 kWh are bought at 10 and at 20 EUR/MWh, and sold at 50 and at 60.
    assert result["costs"][NET] == pytest.approx(1 - 5 + 2 - 6)
    assert (result["currency"], result["gap"], result["warnings"]) == ("EUR", 0.0, [])
    assert result["input_sha256"] == hashlib.sha256(case.path.read_bytes()).hexdigest()


def test_the_file_of_the_guide_is_the_battery_that_it_says(commands: CommandLine, tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "flexibility.md").read_text("utf-8")
    _, found = guide.split("<!-- a battery in one file: run by tests/unit/cli -->\n```json\n")
    result = Case(commands, tmp_path, found.split("```")[0]).printed()
    assert result["schedules"][0]["values"] == [100.0, -100.0, 100.0, -100.0]
    assert result["costs"][NET] == pytest.approx(-8)


def test_a_site_is_planned_with_its_stored_configuration_and_its_series(commands: CommandLine, tmp_path: Path) -> None:
    result = Case(commands, tmp_path, depot()).printed()
    found = by_sensor(result)
    assert list(found) == ["store power", "car power", "whole", "soc", "car state of charge"]
    assert found["store power"]["unit"] == "MW"
    assert found["store power"]["values"] == pytest.approx([0.1, 0.1, -0.1, -0.1] * 2)
    car = found["car power"]
    assert (car["asset"], car["resolution"]) == ("car", "PT30M")
    kwh = [(one + other) / 2 for one, other in zip(car["values"][::2], car["values"][1::2], strict=True)]
    assert kwh == pytest.approx([22, 0, 8, 0])
    assert found["soc"]["values"] == pytest.approx([20, 70, 120, 70, 20, 70, 120, 70, 20])
    assert found["whole"]["values"] == pytest.approx([132, -90, 118, -80])
    # 132 kWh at 0.1, -90 at 0.5, 118 at 0.2, -80 at 0.6 EUR/kWh
    assert result["costs"][NET] == pytest.approx(13.2 - 45 + 23.6 - 48)
    margin = {"datetime": "2030-01-01T02:00:00+01:00", "margin": "17.0 kWh"}
    assert result["resolved"] == [{"asset": "car", "soc-minima": [margin]}]
    assert result["unresolved"] == []


def test_the_schedule_is_that_of_a_job_in_the_service(commands: CommandLine, tmp_path: Path) -> None:
    """The site as the service has it: ids for names, prices in the unit of their sensor, events one by one."""
    model = {"soc-at-start": "3 kWh", "soc-min": "3 kWh", "soc-max": "80 kWh", "power-capacity": "30 kW"} | {
        "roundtrip-efficiency": "81 %",
        "soc-targets": [{"value": "50 kWh", "datetime": "2030-01-01T18:00:00+01:00"}],
    }
    prices = [round(60 + 40 * math.sin(hour / 3) + 7 * (hour % 5), 2) for hour in range(24)]
    document = {
        "sensors": [
            {"name": "prices", "unit": "EUR/MWh", "resolution": "PT1H"},
            {"name": "power", "unit": "kW", "resolution": "PT15M"},
        ],
        "series": {"prices": {"start": START, "values": prices}},
        "start": START,
        "duration": "P1D",
        "flex-model": [{"sensor": "$power", **model}],
        "flex-context": {"consumption-price": {"sensor": "$prices"}},
    }
    start = datetime.fromisoformat(START).astimezone(UTC)
    context = {"consumption-price": {"sensor": 7}}
    given = ScheduleInput(
        Trigger(3, start, [{"sensor": 8, **model}], context),
        start + timedelta(days=1),
        None,
        {3: AssetFacts(3, None, "site", "building")},
        {7: SensorFacts(7, 3, "prices", "EUR/MWh", 3600), 8: SensorFacts(8, 3, "power", "kW", 900)},
    )
    first_us = int(start.timestamp()) * 1_000_000
    events = Events(array("q", [first_us + hour * 3_600_000_000 for hour in range(24)]), array("d", prices))
    found = schedules.plan(schedules.prepare(given), (events,), SolverLimits(60.0, 0.0))
    assert isinstance(found, FoundSchedule)
    result = Case(commands, tmp_path, document).printed()
    assert by_sensor(result)["power"]["values"] == list(found.found[0].values)
    assert result["costs"] == pytest.approx(found.info["commitment_costs"], abs=1e-8)
    assert result["warnings"] == found.result["warnings"]


def test_people_read_a_table_for_each_device_and_what_it_costs(commands: CommandLine, tmp_path: Path) -> None:
    done = Case(commands, tmp_path, depot()).run()
    assert (done.returncode, done.stderr) == (0, "")
    store, car, whole, summary = done.stdout.split("\n\n")
    assert store.splitlines()[0] == "store"
    assert "store power [MW]" in store and "soc [kWh]" in store
    assert store.splitlines()[2].split() == ["2030-01-01", "00:00", "0.100", "20.000"]
    assert store.splitlines()[-1].split() == ["2030-01-01", "04:00", "20.000"]
    assert car.splitlines()[2].split() == ["2030-01-01", "00:00", "22.000", "10.000"]
    assert whole.splitlines()[3].split() == ["2030-01-01", "01:00", "-90.000"]
    assert f"cost         -56.2 EUR {NET}" in summary
    assert "resolved     car: soc-minima at 2030-01-01T02:00:00+01:00, margin 17.0 kWh" in summary
    assert "gap          0.0000 %" in summary


def test_a_wish_that_cannot_be_met_is_told_as_unresolved(commands: CommandLine, tmp_path: Path) -> None:
    document = battery()
    document["flex-model"][0] |= {"soc-targets": [{"value": "90 kWh", "datetime": START.replace("T00", "T01")}]}
    document["flex-model"][0]["power-capacity"] = "60 kW"
    document["flex-context"]["relax-constraints"] = True
    case = Case(commands, tmp_path, document)
    result = case.printed()
    missed = {"datetime": "2030-01-01T01:00:00+01:00", "violation": "30.0 kWh"}
    assert result["unresolved"] == [{"asset": "battery", "soc-targets": [missed]}]
    told = "unresolved   battery: soc-targets at 2030-01-01T01:00:00+01:00, violation 30.0 kWh"
    assert told in case.run().stdout


def test_the_command_line_says_when_and_in_which_steps(commands: CommandLine, tmp_path: Path) -> None:
    case = Case(commands, tmp_path, battery())
    late = case.printed("--start", START.replace("T00", "T02"), "--duration", "PT2H", "--resolution", "PT30M")
    power, _ = late["schedules"]
    assert (power["start"], power["resolution"]) == ("2030-01-01T02:00:00+01:00", "PT30M")
    assert power["values"] == [100.0, 100.0, -100.0, -100.0]
    assert late["costs"][NET] == pytest.approx(2 - 6)


def test_without_a_resolution_steps_are_a_quarter_of_an_hour(commands: CommandLine, tmp_path: Path) -> None:
    document = battery()
    del document["resolution"]
    power, _ = Case(commands, tmp_path, document).printed()["schedules"]
    assert (power["resolution"], len(power["values"])) == ("PT15M", 16)


def test_devices_that_name_no_sensor_get_one_each(commands: CommandLine, tmp_path: Path) -> None:
    document = battery()
    document["flex-model"] += [
        copy.deepcopy(document["flex-model"][0]),
        {"power-capacity": "5 kW", "duration": "PT2H", "process-type": "INFLEXIBLE"},
    ]
    found = by_sensor(Case(commands, tmp_path, document).printed())
    assert found["battery power"]["values"] == found["battery (2) power"]["values"] == [100.0, -100.0, 100.0, -100.0]
    assert found["process power"]["values"] == [5.0, 5.0, 0.0, 0.0]


def test_devices_share_the_stock_that_another_entry_describes(commands: CommandLine, tmp_path: Path) -> None:
    """The entry of the stock names no power sensor, and does not become a device by that."""
    document = battery()
    document["sensors"] = [
        {"name": "soc", "unit": "kWh", "resolution": "PT0S"},
        {"name": "in", "unit": "kW", "resolution": "PT1H", "attributes": {"consumption_is_positive": True}},
        {"name": "out", "unit": "kW", "resolution": "PT1H"},
    ]
    stock = {"state-of-charge": {"sensor": "$soc"}}
    document["flex-model"] = [
        {**stock, "soc-at-start": "0 kWh", "soc-min": "0 kWh", "soc-max": "100 kWh"},
        {**stock, "sensor": "$in", "consumption-capacity": "100 kW", "production-capacity": "0 kW"},
        {**stock, "sensor": "$out", "consumption-capacity": "0 kW", "production-capacity": "100 kW"},
    ]
    found = by_sensor(Case(commands, tmp_path, document).printed())
    assert sorted(found) == ["in", "out", "soc"]
    assert found["in"]["values"] == [100.0, 0.0, 100.0, 0.0]
    assert found["out"]["values"] == [0.0, -100.0, 0.0, -100.0]


def test_the_result_is_written_as_it_is_printed(commands: CommandLine, tmp_path: Path) -> None:
    case, out = Case(commands, tmp_path, battery()), tmp_path / "plan.json"
    printed = case.printed("--out", str(out))
    assert json.loads(out.read_text("utf-8")) == printed
    assert "battery power [kW]" in case.run("--out", str(out)).stdout


def test_warnings_go_to_standard_error_with_names(commands: CommandLine, tmp_path: Path) -> None:
    document = battery()
    del document["flex-model"][0]["soc-at-start"]
    case = Case(commands, tmp_path, document)
    done = case.run("--json")
    told = "The state of charge of asset 'battery' at the start is not known: it counts as 0 kWh."
    assert done.stderr == f"busbar: {told}\n"
    assert json.loads(done.stdout)["warnings"] == [told]


def changed(document: Document, *path: str | int, to: Any) -> Document:  # Any: JSON
    copied = copy.deepcopy(document)
    inner: Any = copied
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = to
    return copied


B, D = battery(), depot()
WRONG: list[Any] = [  # Any: pytest's parameters
    pytest.param("{ no JSON", ["no JSON", "line 1"], id="no JSON"),
    pytest.param([], ["document:", "an object", "[]"], id="no object"),
    pytest.param(changed(B, "start", to=None), ["start: expected a moment", "--start"], id="no start"),
    pytest.param(changed(B, "start", to="2030-01-01T00:00"), ["start:", "timezone", '"2030-01-01T00:00"'], id="naive"),
    pytest.param(changed(B, "duration", to="PT0H"), ["duration: expected one above zero", '"PT0H"'], id="no time"),
    pytest.param(changed(B, "duration", to="4 h"), ["duration: expected a duration", '"4 h"'], id="no duration"),
    pytest.param(changed(B, "resolution", to="PT90S"), ["resolution: expected whole minutes", '"PT90S"'], id="step"),
    pytest.param(changed(B, "flex_model", to=[]), ["flex_model:", "not permitted"], id="unknown field"),
    pytest.param(changed(B, "flex-model", to={}), ["flex-model:", "array", "{}"], id="no list"),
    pytest.param(changed(B, "flex-model", to=[]), ["flex-model:", "nothing to schedule on asset 'site'"], id="empty"),
    pytest.param(
        changed(B, "flex-model", 0, "soc-max", to="60 apples"),
        ["flex-model[0].soc-max:", "'apples'", '"60 apples"'],
        id="unit",
    ),
    pytest.param(changed(B, "flex-model", 0, "soc-mx", to=1), ["flex-model[0].soc-mx: Unknown field"], id="field"),
    pytest.param(changed(B, "flex-context", to=[1]), ["flex-context:", "list of objects", "[1]"], id="context"),
    pytest.param(
        changed(D, "assets", 1, "flex-model", "soc-min", to="-3 kWh"),
        ["assets[1].flex-model.soc-min:", "greater than or equal to 0", '"-3 kWh"'],
        id="stored model",
    ),
    pytest.param(
        changed(D, "assets", 0, "flex-context", "site-power-capacity", to="much"),
        ["assets[0].flex-context.site-power-capacity:", '"much"'],
        id="stored context",
    ),
    pytest.param(
        changed(D, "flex-model", 0, "state-of-charge", "sensor", to="soc"),
        ["flex-model[0].state-of-charge.sensor: expected", '"$soc"', 'found "soc"'],
        id="name without its mark",
    ),
    pytest.param(
        changed(D, "flex-context", "inflexible-device-sensors", to=["$load", 3]),
        ["flex-context.inflexible-device-sensors[1]: expected", "found 3"],
        id="number for a name",
    ),
    pytest.param(changed(D, "flex-model", 0, "asset", to="$moon"), ["flex-model[0].asset:", '"$car"'], id="asset"),
    pytest.param(
        changed(D, "flex-model", 0, "state-of-charge", "sensor", to="$prices"),
        ["flex-model[0].state-of-charge.sensor:", "sensor 'prices' in EUR/MWh", '"$prices"'],
        id="sensor of something else",
    ),
    pytest.param(changed(D, "asset", to="moon"), ["asset: expected one of", "store", '"moon"'], id="nowhere"),
    pytest.param(
        changed(D, "assets", 0, "parent", to="car"), ["assets[0].parent: expected", "above", '"car"'], id="circle"
    ),
    pytest.param(changed(D, "assets", 2, "type", to="boat"), ["assets[2].type:", "one-way_evse", '"boat"'], id="type"),
    pytest.param(changed(D, "sensors", 0, "unit", to="shoes"), ["sensors[0].unit:", "'shoes'"], id="sensor's unit"),
    pytest.param(
        changed(D, "sensors", 0, "timezone", to="Mars"), ["sensors[0].timezone: expected", '"Mars"'], id="clock"
    ),
    pytest.param(changed(D, "sensors", 1, "name", to="prices"), ["sensors[1].name: expected a name"], id="twice"),
    pytest.param(
        changed(D, "series", "prices", "values", to=[1, "2"]), ["series.prices.values[1]:", 'found "2"'], id="text"
    ),
    pytest.param(
        changed(D, "series", "prices", "unit", to="kW"), ["series.prices.unit:", "EUR/MWh", 'found "kW"'], id="power"
    ),
    pytest.param(
        changed(D, "series", "soc", "times", to=[]), ["series.soc.times: expected as many", "1"], id="number of times"
    ),
    pytest.param(
        changed(D, "series", "soc", "resolution", to="PT1H"),
        ["series.soc.times: expected either"],
        id="times and steps",
    ),
    pytest.param(
        changed(D, "series", "weather", to={"start": START, "values": []}),
        ["series.weather: expected the name of one of the sensors: prices"],
        id="series of nothing",
    ),
    pytest.param(changed(D, "series", to={}), ["no schedule: Prices unknown", "'prices'"], id="no prices"),
    pytest.param(
        changed(D, "flex-context", "consumption-price", to={"sensor": "$prices", "source-types": ["market"]}),
        ["'prices'", "sources", "values of a file have none"],
        id="sources",
    ),
    pytest.param(
        changed(changed(B, "flex-model", 0, "soc-min", to="90 kWh"), "flex-model", 0, "power-capacity", to="50 kW"),
        ["no schedule: infeasible:", "state of charge of asset 'battery'", "step 1"],
        id="no way to the minimum",
    ),
    pytest.param(
        changed(D, "series", "soc", "times", to=["2029-12-31T20:00:00Z"]),
        ["no schedule: No recent state-of-charge", "sensor 'soc'"],
        id="old state of charge",
    ),
]


@pytest.mark.parametrize(("document", "said"), WRONG)
def test_a_file_that_is_wrong_is_named_with_the_place_the_value_and_the_reason(
    commands: CommandLine, tmp_path: Path, document: object, said: list[str]
) -> None:
    case, out = Case(commands, tmp_path, document), tmp_path / "plan.json"
    done = case.run("--out", str(out))
    assert (done.returncode, done.stdout) == (1, "")
    assert str(case.path) in done.stderr
    assert all(word in done.stderr for word in said), done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_all_that_is_wrong_is_told_at_once(commands: CommandLine, tmp_path: Path) -> None:
    document = changed(changed(B, "flex-model", 0, "soc-max", to="x"), "flex-model", 0, "power-capacity", to="y")
    done = Case(commands, tmp_path, document).run()
    assert "soc-max" in done.stderr and "power-capacity" in done.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--start", "2030-01-01"), "2030-01-01"),
        (("--duration", "soon"), "soon"),
        (("--duration", "-PT1H"), "--duration: expected one above zero"),
        (("--resolution", "PT1S"), "--resolution: expected whole minutes"),
        (("--out", "nowhere/plan.json"), "nowhere/plan.json"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_done(
    commands: CommandLine, tmp_path: Path, more: tuple[str, str], said: str
) -> None:
    done = Case(commands, tmp_path, battery()).run(*more)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_wrong_usage(commands: CommandLine) -> None:
    done = commands.run("schedule", "nowhere.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere.json: cannot be read" in done.stderr
