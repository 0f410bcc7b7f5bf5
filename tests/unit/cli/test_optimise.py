"""``busbar optimise`` on files: what it finds, what it prints, how it ends, and what it says of documents that are wrong."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.optimizer.tasks import runs
from services.optimizer.tasks.values import Bounded, Improved
from tests.support.command_line import CommandLine, Outcome
from tests.support.feeders import (
    Document,
    Feeder,
    baran_wu_33,
    consumer,
    demands,
    lattice,
    line,
    network,
    provider,
    start_configuration,
    two_feeders,
)
from tests.support.stack import ROOT, clean_environment
from tests.unit.optimizer.tasks.test_runs import WEIGHTS, Line, job_of

FIELDS = [
    *("feasible", "objective", "objective_components", "loss_kw", "loss_kwh", "open_lines", "bound", "gap", "proof"),
    *("time_to_best_s", "time_total_s", "trials", "trials_per_s", "seed", "threads"),
    *("violations", "version", "network_sha256", "demands_sha256"),
]
PRICE = 20_000.0  # times its weight of 0.002: forty watt-hours for each move
V_KV = 12.66


@pytest.fixture(scope="module")
def commands() -> Iterator[CommandLine]:
    with CommandLine({}) as running:
        yield running


class Case:
    """A feeder in files, and the command on it."""

    def __init__(self, commands: CommandLine, folder: Path, feeder: Feeder) -> None:
        self._commands = commands
        self.folder = folder
        self.feeder = feeder
        self.network = self.write("network.json", feeder.network)
        self.demands = self.write("demands.json", feeder.demands)
        self.start = self.write("start.json", feeder.start)

    def write(self, name: str, document: object) -> Path:
        path = self.folder / name
        path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
        return path

    def arguments(self, *more: str) -> list[str]:
        return ["optimise", str(self.network), str(self.demands), *more]

    def run(self, *more: str) -> Outcome:
        return self._commands.run(*self.arguments(*more))

    def printed(self, *more: str) -> Any:
        return self._commands.printed(*self.arguments(*more))


def two_hours() -> Feeder:
    """Five consumers and eight switches, with loads that change sides between two hours, and a price on each move."""
    nodes = [provider("G"), *(consumer(name) for name in "ABCDE")]
    ends = ["GA", "AB", "BC", "CG", "CD", "DE", "EG", "BE"]
    resistances = [0.4, 0.9, 0.5, 0.7, 0.3, 0.8, 0.6, 1.1]
    lines = [
        line(f"L{k}", *pair, r=r, switching_cost=PRICE)
        for k, (pair, r) in enumerate(zip(ends, resistances, strict=True))
    ]
    given = demands(dict.fromkeys("ABCDE", (0.0, 0.0)), periods=2)
    for load, (first, second) in zip(
        given["loads"], [(0.9, 0.1), (0.7, 0.2), (0.4, 0.5), (0.2, 0.8), (0.1, 1.0)], strict=True
    ):
        load["p_loads"], load["q_loads"] = [first, second], [0.3 * first, 0.3 * second]
    start = {each["id"]: each["id"] in ("L1", "L4", "L7") for each in lines}
    return Feeder(network(nodes, lines), given, start_configuration(start))


def loss_w(feeder: Feeder, open_ids: frozenset[str], period: int) -> float | None:
    """Active loss by sums of currents on the tree of closed lines; None where these are no tree."""
    closed = [each for each in feeder.network["lines"] if each["id"] not in open_ids]
    order = ["G"]
    upstream: dict[str, tuple[Document, str]] = {}  # of each bus its line and the bus before it
    for bus in order:
        for each in closed:
            if bus in (each["source"], each["target"]) and not (bus in upstream and upstream[bus][0] is each):
                other = each["target"] if bus == each["source"] else each["source"]
                if other in order:
                    return None
                upstream[other] = (each, bus)
                order.append(other)
    if len(order) < len(feeder.network["nodes"]):
        return None
    load = {
        each["node_id"]: 1e6 * complex(each["p_loads"][period], each["q_loads"][period])
        for each in feeder.demands["loads"]
    }
    voltage = dict.fromkeys(order, complex(1e3 * V_KV))
    current: dict[str, complex] = {}
    for _ in range(60):
        current = {bus: (load.get(bus, 0j) / voltage[bus]).conjugate() for bus in order}
        for bus in reversed(order[1:]):
            current[upstream[bus][1]] += current[bus]
        for bus in order[1:]:
            each, before = upstream[bus]
            voltage[bus] = voltage[before] - complex(each["r"], each["x"]) * current[bus]
    return float(sum(upstream[bus][0]["r"] * abs(current[bus]) ** 2 for bus in order[1:]))


def best_by_trying_all(feeder: Feeder) -> tuple[float, list[frozenset[str]]]:
    """The lowest objective [Wh] over all pairs of radial configurations, and the pair."""
    ids = [each["id"] for each in feeder.network["lines"]]
    loops = len(ids) - len(feeder.network["nodes"]) + 1
    start = frozenset(each["line_id"] for each in feeder.start["switch_settings"] if each["open"])
    losses = [
        {
            opened: loss
            for opened in map(frozenset, itertools.combinations(ids, loops))
            if (loss := loss_w(feeder, opened, t)) is not None
        }
        for t in (0, 1)
    ]
    return min(
        (a_w + b_w + 0.002 * PRICE * (len(a ^ start) + len(b ^ a)), [a, b])
        for a, a_w in losses[0].items()
        for b, b_w in losses[1].items()
    )


def test_the_optimum_is_found_and_proven_and_every_field_says_what_it_should(
    commands: CommandLine, tmp_path: Path
) -> None:
    case = Case(commands, tmp_path, two_hours())
    objective, configurations = best_by_trying_all(case.feeder)
    assert configurations[0] != configurations[1], "the case is to have a reason to switch between the hours"
    result = case.printed("--start", str(case.start), "--seed", "7", "--threads", "4")
    assert list(result) == FIELDS
    assert result["feasible"] is True and result["violations"] == []
    assert [frozenset(opened) for opened in result["open_lines"]] == configurations
    assert result["objective"] == pytest.approx(objective, rel=1e-9)
    assert sum(each["value"] * each["weight"] for each in result["objective_components"]) == pytest.approx(
        objective, rel=1e-9
    )
    assert result["objective_components"][0]["name"] == "Total loss (MWh)"
    losses_kw = [1e-3 * (loss_w(case.feeder, opened, t) or 0.0) for t, opened in enumerate(configurations)]
    assert result["loss_kw"] == pytest.approx(losses_kw, rel=1e-9)
    assert result["loss_kwh"] == pytest.approx(sum(losses_kw), rel=1e-9)
    assert result["bound"] == pytest.approx(objective, rel=1e-9)
    assert result["gap"] == pytest.approx(0.0, abs=1e-9)
    assert result["proof"] == "enumerated"
    assert 0.0 < result["time_to_best_s"] <= result["time_total_s"]
    assert result["trials_per_s"] == pytest.approx(result["trials"] / result["time_total_s"])
    assert (result["seed"], result["threads"]) == (7, 4)
    assert result["network_sha256"] == hashlib.sha256(case.network.read_bytes()).hexdigest()
    assert result["demands_sha256"] == hashlib.sha256(case.demands.read_bytes()).hexdigest()


def test_the_same_input_and_seed_give_the_same_result(commands: CommandLine, tmp_path: Path) -> None:
    case = Case(commands, tmp_path, baran_wu_33())
    first, second = (case.printed("--seed", "3") for _ in range(2))
    assert (first["open_lines"], first["objective"]) == (second["open_lines"], second["objective"])
    # Best known loss of this feeder, in agreement of many publications since Goswami and Basu (1992).
    assert first["loss_kw"] == [pytest.approx(139.55, abs=0.01)]
    assert first["open_lines"] == [["7", "9", "14", "32", "37"]]


def test_the_solution_is_written_as_the_api_has_it(commands: CommandLine, tmp_path: Path) -> None:
    case = Case(commands, tmp_path, two_hours())
    out = tmp_path / "solution.json"
    result = case.printed("--start", str(case.start), "--out", str(out))
    solution = json.loads(out.read_text("utf-8"))
    opened = [
        [each["line_id"] for each in period["switch_settings"] if each["open"]]
        for period in solution["period_solutions"]
    ]
    assert opened == result["open_lines"]
    assert [period["period"] for period in solution["period_solutions"]] == ["0", "1"]
    losses_kw = [
        1e3 * sum(each["thermal_loss"] for sent in flow["injected_power"].values() for each in sent)
        for flow in solution["flows"]
    ]
    assert losses_kw == pytest.approx(result["loss_kw"], rel=1e-12)


def test_the_result_is_that_of_a_run_in_the_service(commands: CommandLine, tmp_path: Path) -> None:
    case = Case(commands, tmp_path, two_hours())
    out = tmp_path / "solution.json"
    result = case.printed("--start", str(case.start), "--seed", "1", "--out", str(out))
    line = Line()
    runs.optimise(line, job_of(case.feeder))
    *_, best, bounded = line.sent
    assert isinstance(best, Improved) and isinstance(bounded, Bounded)
    assert out.read_bytes() == best.solution.document
    assert result["objective"] == best.solution.rank(WEIGHTS).objective
    assert (result["bound"], result["proof"]) == (bounded.bound, bounded.proof)


def test_without_json_people_read_the_result_and_progress_goes_elsewhere(commands: CommandLine, tmp_path: Path) -> None:
    done = Case(commands, tmp_path, two_feeders()).run()
    assert done.returncode == 0
    lines = dict(text.split(maxsplit=1) for text in done.stdout.splitlines())
    assert lines["feasible"] == "yes"
    assert lines["gap"] == "0.0000 %"
    assert lines["bound"].endswith("(enumerated)")
    assert lines["period"].startswith("0: loss ") and lines["period"].endswith("kW, open: L2")
    first, *_, last = done.stderr.splitlines()
    assert "objective" in first and "bound none" in first and "gap unknown" in first
    assert "gap 0.0000 %" in last


def test_weights_decide_what_is_best(commands: CommandLine, tmp_path: Path) -> None:
    case = Case(commands, tmp_path, two_feeders(switching_cost=3.0))
    weights = case.write(
        "weights.json",
        [{"objectiveName": "Total loss (MWh)", "weight": 0}, {"objectiveName": "Switching cost", "weight": 5}],
    )
    assert case.printed("--start", str(case.start))["open_lines"] == [["L2"]]
    stays = case.printed("--start", str(case.start), "--weights", str(weights))
    assert stays["open_lines"] == [["L1"]]
    assert (stays["objective"], stays["gap"]) == (0.0, 0.0)
    assert [each["weight"] for each in stays["objective_components"]] == [0.0, 1000.0, 1.0, 5.0, 1.0]


def test_what_cannot_be_made_feasible_says_why(commands: CommandLine, tmp_path: Path) -> None:
    feeder = two_feeders()
    feeder.network["nodes"][1]["v_min"] = 12.66
    result = Case(commands, tmp_path, feeder).printed()
    assert result["feasible"] is False
    assert [each["name"] for each in result["violations"]] == ["Consumer bus voltage limits (Iterated DF)"]
    assert (result["bound"], result["gap"], result["proof"]) == (None, None, "none")


def test_it_ends_when_its_time_is_over(commands: CommandLine, tmp_path: Path) -> None:
    case = Case(commands, tmp_path, lattice(12, 12, seed=1))
    result = case.printed("--minutes", "0.02")
    assert result["feasible"] is True
    assert result["time_total_s"] >= 1.2
    assert result["trials"] > 0
    assert all(len(opened) == 121 for opened in result["open_lines"])  # the lattice's loops: 264 lines for 144 nodes


def lattice_running(folder: Path, *options: str) -> subprocess.Popen[str]:
    """A run of minutes, begun, that writes its solution."""
    feeder = lattice(12, 12, seed=2)
    for name, document in (("n.json", feeder.network), ("d.json", feeder.demands)):
        (folder / name).write_text(json.dumps(document), "utf-8")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "services.cli.main",
            "optimise",
            "n.json",
            "d.json",
            "--json",
            "--out",
            "solution.json",
            *options,
        ],
        cwd=folder,
        env=clean_environment() | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "objective" in process.stderr.readline()
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_it_with_the_best_so_far(tmp_path: Path, number: int) -> None:
    with lattice_running(tmp_path) as process:
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    result = json.loads(stdout)
    assert result["feasible"] is True and result["time_total_s"] < 500
    assert len(json.loads((tmp_path / "solution.json").read_text("utf-8"))["flows"]) == 1


def test_threads_that_were_asked_for_are_there_and_end_with_the_command(tmp_path: Path) -> None:
    with lattice_running(tmp_path, "--threads", "3") as process:
        assert process.stderr is not None
        assert any("bound none" not in line for line in process.stderr)
        watched = psutil.Process(process.pid)
        assert watched.num_threads() >= 3
        assert watched.children() == []  # so that nothing is left when it is killed
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["threads"] == 3


def test_the_solution_is_written_though_nobody_reads_what_is_printed(tmp_path: Path) -> None:
    with lattice_running(tmp_path) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert process.returncode == 1
    assert len(json.loads((tmp_path / "solution.json").read_text("utf-8"))["flows"]) == 1


def test_a_terminal_shows_objective_bound_and_gap_and_standard_output_only_the_result(tmp_path: Path) -> None:
    feeder = two_feeders()
    for name, document in (("n.json", feeder.network), ("d.json", feeder.demands)):
        (tmp_path / name).write_text(json.dumps(document), "utf-8")
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "optimise", "n.json", "d.json", "--json"],
        cwd=tmp_path,
        env=clean_environment() | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=True,
        timeout=120,
    )
    os.close(theirs)
    seen = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert all(word in seen for word in ("objective", "bound", "gap", "0.0000 %"))
    assert "\x1b[" in seen
    assert json.loads(done.stdout)["proof"] == "enumerated"


def changed(document: Document, *path: str | int, to: Any) -> Document:  # Any: JSON
    copied = copy.deepcopy(document)
    inner: Any = copied
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = to
    return copied


F = two_feeders()
WRONG: list[Any] = [  # Any: pytest's parameters
    pytest.param("network.json", "{ no JSON", ["not JSON", "line 1"], id="no JSON"),
    pytest.param(
        "network.json", changed(F.network, "lines", 0, "r", to="x"), ["'x'", "number", "lines[0].r"], id="type"
    ),
    pytest.param("network.json", changed(F.network, "lines", 0, "r", to=-1), ["Line 'L1'", "r", "-1"], id="value"),
    pytest.param("demands.json", changed(F.demands, "loads", to=[]), ["consumers", "C"], id="missing load"),
    pytest.param(
        "demands.json", changed(F.demands, "loads", 0, "p_loads", to=[1, 2]), ["'C'", "p_loads", "1", "2"], id="count"
    ),
    pytest.param(
        "start.json", changed(F.start, "switch_settings", 0, "line_id", to="X"), ["unknown lines", "X"], id="start"
    ),
    pytest.param(
        "weights.json",
        [{"objectiveName": "KILE cost", "weight": -1}],
        ["KILE cost", "-1", "negative"],
        id="negative weight",
    ),
    pytest.param(
        "weights.json", [{"objectiveName": "Beauty", "weight": 1}], ["Beauty", "Total loss (MWh)"], id="unknown weight"
    ),
    pytest.param(
        "weights.json",
        [{"objectiveName": "KILE cost", "weight": None}],
        ["[0].weight", "number", "None"],
        id="no weight",
    ),
    pytest.param("weights.json", {"KILE cost": 1}, ["array"], id="no list of weights"),
]


@pytest.mark.parametrize(("name", "document", "said"), WRONG)
def test_a_document_that_is_wrong_is_named_with_the_place_and_the_reason(
    commands: CommandLine, tmp_path: Path, name: str, document: object, said: list[str]
) -> None:
    case = Case(commands, tmp_path, two_feeders())
    weights = case.write("weights.json", [])
    path = case.write(name, document)
    done = case.run("--start", str(case.start), "--weights", str(weights))
    assert (done.returncode, done.stdout) == (2, "")
    assert str(path) in done.stderr
    assert all(word in done.stderr for word in said), done.stderr
    assert "Traceback" not in done.stderr


def test_a_network_that_no_switch_makes_radial_is_refused_with_its_cycle(commands: CommandLine, tmp_path: Path) -> None:
    ring = [("G", "C"), ("C", "D"), ("D", "G")]
    feeder = Feeder(
        network(
            [provider("G"), consumer("C"), consumer("D")],
            [line(f"L{k}", *ends, switchable=False) for k, ends in enumerate(ring)],
        ),
        demands({"C": (0.5, 0.1), "D": (0.5, 0.1)}),
        start_configuration({}),
    )
    case = Case(commands, tmp_path, feeder)
    done = case.run()
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{case.network}: the network connectivity check failed" in done.stderr
    assert all(name in done.stderr for name in ("L0", "L1", "L2"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--start", "nowhere.json"), "nowhere.json: cannot be read"),
        (("--out", "nowhere/solution.json"), "nowhere/solution.json"),
        (("--gap", "nan"), "nan"),
        (("--gap", "-0.1"), "-0.1"),
        (("--minutes", "soon"), "soon"),
        (("--threads", "0"), "greater than or equal to 1"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_done(
    commands: CommandLine, tmp_path: Path, more: tuple[str, str], said: str
) -> None:
    done = Case(commands, tmp_path, two_feeders()).run(*more)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_ends_with_the_gap_that_was_asked_for_under_a_bound_by_relaxation(
    commands: CommandLine, tmp_path: Path
) -> None:
    """Of a lattice there are far too many radial configurations to visit; the proof is the same as a client of the service sees."""
    case = Case(commands, tmp_path, lattice(6, 6, seed=3))
    result = case.printed("--start", str(case.start), "--gap", "0.05", "--minutes", "2")
    assert result["proof"] == "relaxation"
    assert 0.0 < result["bound"] <= result["objective"]
    assert result["gap"] == pytest.approx((result["objective"] - result["bound"]) / result["objective"])
    assert result["gap"] <= 0.05
    assert result["time_total_s"] < 110
