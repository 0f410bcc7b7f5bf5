"""``busbar import``: what comes out has the losses and voltages that the program has which it comes from."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandapower
import pandapower.networks
import pytest
from pandapower.converter.pypower import from_ppc

from services.cli.import_case import Case, documents_of
from services.cli.import_matpower import read_matpower
from services.cli.import_pandapower import read_pandapower
from services.cli.import_simbench import read_simbench
from services.cli.usage import WrongUsage
from services.optimizer.documents import read_demands, read_power_grid, read_start_configuration
from services.optimizer.reconfiguration.evaluation import evaluate
from services.optimizer.reconfiguration.reduction import reduce_network
from tests.support.command_line import CommandLine

DATA = Path(__file__).parents[3] / "benchmarks" / "data"
# Published base loss of the 33-bus feeder, Baran and Wu (1989), in kW.
BASE_LOSS_33_KW = 202.677


@pytest.fixture(scope="module")
def commands() -> Iterator[CommandLine]:
    with CommandLine({}) as running:
        yield running


@dataclass(frozen=True)
class Flow:
    """Loss, and voltages and largest currents by id."""

    loss_kw: float
    voltage_kv: dict[str, float]
    imax_a: dict[str, float]
    current_a: dict[str, float]


def flow_of(case: Case) -> Flow:
    """The power flow of a case as it was imported, with the switches as they are."""
    documents = documents_of(case)
    grid = read_power_grid(orjson.dumps(documents.network))
    demands = read_demands(orjson.dumps(documents.demands), grid, allow_unspecified=False)
    start = read_start_configuration(orjson.dumps(documents.start), grid)
    assert start is not None
    (flow,) = evaluate(grid, reduce_network(grid), demands, start[None, :], start).flows
    assert flow is not None
    lines = [line.id for line in grid.lines]
    return Flow(
        float(flow.loss_w.sum()) / 1e3,
        dict(zip([node.id for node in grid.nodes], (flow.voltage_v / 1e3).tolist(), strict=True)),
        dict(zip(lines, grid.imax_a.tolist(), strict=True)),
        dict(zip(lines, flow.current_a.tolist(), strict=True)),
    )


def assert_as_in_pandapower(flow: Flow, net: Any, bus_of: dict[str, int] | None = None) -> None:  # Any: no types there
    """Losses and voltages of a network that pandapower has solved."""
    loss_kw = 1e3 * (net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum())
    assert flow.loss_kw == pytest.approx(loss_kw, rel=1e-6)
    buses = bus_of or {str(index): index for index in net.bus.index}
    ours = np.array([flow.voltage_kv[name] / net.bus.vn_kv[bus] for name, bus in buses.items()])
    theirs = np.array([net.res_bus.vm_pu[bus] for bus in buses.values()])
    assert np.abs(ours - theirs).max() < 1e-7


def solved(net: Any) -> Any:  # Any: no types there
    pandapower.runpp(net, tolerance_mva=1e-10, numba=False)
    return net


# ------------------------------------------------------------------ pandapower


def test_a_pandapower_feeder_without_switches_has_all_lines_switchable() -> None:
    net = solved(pandapower.networks.case33bw())
    case = read_pandapower(pandapower.to_json(net).encode(), "33")
    assert_as_in_pandapower(flow_of(case), net)
    assert all(branch.is_switch for branch in case.branches)
    assert [branch.id for branch in case.branches if branch.is_open] == ["32", "33", "34", "35", "36"]


def medium_voltage() -> Any:  # Any: no types there
    """CIGRE's network with two transformers, switches at lines, transformers and a coupler; without what the model has not."""
    net = pandapower.networks.create_cigre_network_mv()
    net.line["c_nf_per_km"] = 0.0
    net.trafo["tap_side"] = ["hv", "lv"]
    net.trafo["tap_changer_type"] = "Ratio"
    net.trafo["tap_neutral"], net.trafo["tap_pos"], net.trafo["tap_step_percent"] = 0.0, [-3.0, 2.0], 1.5
    net.line.loc[3, "parallel"] = 2
    net.load.loc[2, "scaling"] = 0.5
    net.load.loc[4, "in_service"] = False
    split = pandapower.create_bus(net, 20.0)
    pandapower.create_switch(net, 11, split, "b")
    pandapower.create_load(net, split, p_mw=0.3, q_mvar=0.1)
    pandapower.create_sgen(net, 10, p_mw=0.1, q_mvar=0.02)
    return net


def test_a_pandapower_network_with_transformers_taps_and_couplers_has_the_same_flow() -> None:
    net = solved(medium_voltage())
    case = read_pandapower(pandapower.to_json(net).encode(), "mv")
    flow = flow_of(case)
    assert_as_in_pandapower(flow, net)
    assert {branch.id for branch in case.branches if branch.is_switch} == {"12", "13", "14", "switch 8"}
    assert {branch.id for branch in case.branches if branch.is_open} == {"12", "13", "14"}
    # Load as a share of the limit is the same in both conventions of current.
    loading = {name: 100 * flow.current_a[name] / flow.imax_a[name] for name in ("0", "3", "10")}
    assert loading == pytest.approx({name: net.res_line.loading_percent[int(name)] for name in loading}, rel=1e-6)
    assert case.remarks == []


def test_what_the_model_has_not_is_told_or_refused() -> None:
    net = pandapower.networks.create_cigre_network_mv()
    net.trafo["pfe_kw"] = 1.0
    remarks = " ".join(read_pandapower(pandapower.to_json(net).encode(), "mv").remarks)
    assert "capacitance" in remarks and "transformers" in remarks
    pandapower.create_sgen(net, 3, p_mw=0.1)
    assert (
        "sgen: 1 left out, as asked for"
        in read_pandapower(pandapower.to_json(net).encode(), "mv", with_generation=False).remarks
    )
    pandapower.create_gen(net, 3, p_mw=0.1)
    with pytest.raises(WrongUsage, match="gen: the model has no such elements, and 1"):
        read_pandapower(pandapower.to_json(net).encode(), "mv")


def test_a_transformer_that_turns_angles_is_refused() -> None:
    net = medium_voltage()
    net.trafo["tap_changer_type"] = "Ideal"
    with pytest.raises(WrongUsage, match="trafo 0: tap_changer_type is 'Ideal', expected 'Ratio'"):
        read_pandapower(pandapower.to_json(net).encode(), "mv")


@pytest.mark.parametrize(
    ("table", "column", "value", "said"),
    [
        ("trafo", "tap_side", "HV", "trafo 0: tap_side is 'HV', expected 'hv' or 'lv'"),
        ("line", "max_i_ka", -0.1, r"line 0: max_i_ka is -0\.1, expected 0 \(no limit\) or more"),
    ],
)
def test_a_value_that_means_nothing_is_refused(table: str, column: str, value: object, said: str) -> None:
    net = medium_voltage()
    net[table][column] = value
    with pytest.raises(WrongUsage, match=said):
        read_pandapower(pandapower.to_json(net).encode(), "mv")


@pytest.mark.parametrize("document", [b"{", b"[]", b'{"_class": "DataFrame", "_object": {}}'])
def test_what_pandapower_has_not_written_is_refused(document: bytes) -> None:
    with pytest.raises(WrongUsage, match="to_json"):
        read_pandapower(document, "x")


# ------------------------------------------------------------------ SimBench

SIMBENCH = {
    "Node": """id;type;vmSetp;vaSetp;vmR;vmMin;vmMax;substation;coordID;subnet;voltLvl
hv;busbar;1.02;0;110;NULL;NULL;S;NULL;x;3
bar;busbar;NULL;NULL;20;0.95;1.05;S;NULL;x;5
bar_1;auxiliary;NULL;NULL;20;0.95;1.05;S;NULL;x;5
A;node;NULL;NULL;20;0.95;1.05;NULL;NULL;x;5
A_1;auxiliary;NULL;NULL;20;0.95;1.05;NULL;NULL;x;5
A_2;auxiliary;NULL;NULL;20;0.95;1.05;NULL;NULL;x;5
B;node;NULL;NULL;20;0.95;1.05;NULL;NULL;x;5
B_1;auxiliary;NULL;NULL;20;0.95;1.05;NULL;NULL;x;5
C;node;NULL;NULL;20;0.95;1.05;NULL;NULL;x;5
""",
    "Switch": """id;nodeA;nodeB;type;cond;substation;subnet;voltLvl
s1;bar;bar_1;CB;1;S;x;5
s2;A_1;A;LBS;1;NULL;x;5
s3;A;A_2;LBS;1;NULL;x;5
s4;B;B_1;LBS;0;NULL;x;5
s5;B;C;DS;1;NULL;x;5
""",
    "Line": """id;nodeA;nodeB;type;length;loadingMax;subnet;voltLvl
l1;bar_1;A_1;cable;2.5;100;x;5
l2;A_2;B_1;cable;1.5;100;x;5
l3;bar;C;overhead;4;100;x;5
""",
    "LineType": """id;r;x;b;iMax;type
cable;0.4;0.12;0;210;cable
overhead;0.6;0.35;0;160;ohl
""",
    "Load": """id;node;profile;pLoad;qLoad;sR;subnet;voltLvl
d1;A;H0;1.5;0.5;2;x;5
d2;B;H0;0.9;0.2;1;x;5
d3;C;H0;0.4;0.1;1;x;5
""",
    "RES": """id;node;type;profile;calc_type;pRES;qRES;sR;subnet;voltLvl
r1;B;PV;PV1;pq;0.3;0.05;1;x;5
""",
    "Transformer": """id;nodeHV;nodeLV;type;tappos;autoTap;autoTapSide;loadingMax;substation;subnet;voltLvl
t;hv;bar;kind;-2;0;NULL;100;S;x;4
""",
    "TransformerType": """id;sR;vmHV;vmLV;va0;vmImp;pCu;pFe;iNoLoad;tapable;tapside;dVm;dVa;tapNeutr;tapMin;tapMax
kind;25;110;20;150;11.2;90;0;0;1;HV;1.5;0;1;-9;9
""",
    "ExternalNet": """id;node;calc_type;dspf;pExtNet;qExtNet;pWardShunt;qWardShunt;rXWard;xXWard;vmXWard;subnet;voltLvl
grid;hv;vavm;1;NULL;NULL;NULL;NULL;NULL;NULL;NULL;x;3
""",
    "LoadProfile": "time;H0_pload\n",
}


def simbench_folder(tmp_path: Path, **changes: str) -> Path:
    folder = tmp_path / "grid"
    folder.mkdir()
    for name, text in (SIMBENCH | changes).items():
        (folder / f"{name}.csv").write_text(text, "utf-8")
    return folder


def same_in_pandapower(*, with_generation: bool) -> Any:  # Any: no types there
    """The grid of those tables, put together by hand: 25 MVA, 90 kW of copper losses, so 0.36 %; line 2 is open."""
    net = pandapower.create_empty_network()
    hv, bar, a, b, c = (pandapower.create_bus(net, kv) for kv in (110, 20, 20, 20, 20))
    pandapower.create_ext_grid(net, hv, vm_pu=1.02)
    pandapower.create_transformer_from_parameters(
        net, hv, bar, 25, 110, 20, 0.36, 11.2, 0, 0, tap_side="hv", tap_pos=-2, tap_neutral=1, tap_step_percent=1.5,
        tap_changer_type="Ratio",
    )  # fmt: skip
    pandapower.create_line_from_parameters(net, bar, a, 2.5, 0.4, 0.12, 0, 0.21)
    pandapower.create_line_from_parameters(net, a, b, 1.5, 0.4, 0.12, 0, 0.21, in_service=False)
    pandapower.create_line_from_parameters(net, bar, c, 4.0, 0.6, 0.35, 0, 0.16)
    pandapower.create_switch(net, b, c, "b")
    for bus, p_mw, q_mvar in ((a, 1.5, 0.5), (b, 0.9, 0.2), (c, 0.4, 0.1)):
        pandapower.create_load(net, bus, p_mw, q_mvar)
    if with_generation:
        pandapower.create_sgen(net, b, 0.3, 0.05)
    return solved(net)


@pytest.mark.parametrize("with_generation", [True, False])
def test_a_simbench_grid_has_the_flow_of_the_same_grid_in_pandapower(tmp_path: Path, with_generation: bool) -> None:
    case = read_simbench(simbench_folder(tmp_path), with_generation=with_generation)
    flow = flow_of(case)
    net = same_in_pandapower(with_generation=with_generation)
    assert_as_in_pandapower(flow, net, {"hv": 0, "bar": 1, "A": 2, "B": 3, "C": 4})
    assert 100 * flow.current_a["l1"] / flow.imax_a["l1"] == pytest.approx(net.res_line.loading_percent[0], rel=1e-6)
    assert {(branch.id, branch.is_open) for branch in case.branches if branch.is_switch} == {
        ("l1", False),
        ("l2", True),
        ("s5", False),
    }
    assert case.remarks == ([] if with_generation else ["1 generators and storages: left out, as asked for"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Line": SIMBENCH["Line"].replace("overhead", "wire")}, "its type 'wire' is not in LineType.csv"),
        ({"Load": SIMBENCH["Load"].replace("1.5", "much")}, "'d1': pLoad is 'much', expected a number"),
        ({"Switch": SIMBENCH["Switch"].replace("s5;B", "s5;X")}, "'s5': its node 'X' is not in Node.csv"),
        ({"ExternalNet": SIMBENCH["ExternalNet"].replace("vavm", "pvm")}, "calc_type is 'pvm', expected 'vavm'"),
        ({"PowerPlant": "id;node\np;A\n"}, "PowerPlant.csv: the model has no such elements"),
    ],
)
def test_a_simbench_grid_that_is_wrong_is_refused(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    with pytest.raises(WrongUsage, match=said):
        documents_of(read_simbench(simbench_folder(tmp_path, **changes), with_generation=True))


# ------------------------------------------------------------------ MATPOWER


def table(name: str, rows: Any) -> str:  # Any: numbers of whichever array
    return f"mpc.{name} = [\n" + "".join("\t" + "\t".join(f"{v:.17g}" for v in row) + ";\n" for row in rows) + "];\n"


def two_levels() -> dict[str, Any]:  # Any: as pandapower's converter takes it
    """A transformer with a tap, a feeder behind it with an open branch, another tap between buses of one level, a generator."""
    bus = [[k, 1, 0.5 * (k > 2), 0.2 * (k > 2), 0, 0, 1, 1, 0, 110 if k == 1 else 20, 1, 1.1, 0.9] for k in range(1, 8)]
    bus[0][1] = 3
    gen = [[1, 0, 0, 99, -99, 1.03, 10, 1, 50, 0], [5, 0.2, 0.05, 99, -99, 1, 10, 1, 50, 0]]
    ends = [(1, 2, 0.98), (2, 3, 0), (3, 4, 0), (4, 5, 1.02), (2, 6, 0), (6, 7, 0), (7, 5, 0)]
    branch = [
        [f, t, 0.01 * k, 0.02 * k, 0, 2.0 * k, 0, 0, tap, 0, int(k < 7), -360, 360]
        for k, (f, t, tap) in enumerate(ends, start=1)
    ]
    return {
        "version": "2",
        "baseMVA": 10.0,
        "bus": np.array(bus, float),
        "gen": np.array(gen, float),
        "branch": np.array(branch, float),
    }


def matpower_text(case: dict[str, Any], end: str = "") -> str:  # Any: see above
    tables = "".join(table(name, case[name]) for name in ("bus", "gen", "branch"))
    return (
        "function mpc = case7\n%CASE7  a test; of mpc.bus = [ in a comment nothing is read\n"
        f"mpc.version = '2';\nmpc.baseMVA = {case['baseMVA']};  % MVA\n{tables}"
        f"mpc.bus_name = {{'a'; 'b % no comment'}};\nmpc.gencost = [2 0 0 3 0 20 0];\n{end}"
    )


def test_a_matpower_case_has_the_flow_that_pandapower_finds_for_it() -> None:
    given = two_levels()
    case = read_matpower(matpower_text(given), "case7")
    # The generator is constant power here; the converter makes it one that holds a voltage, so it goes into the load.
    given["gen"] = given["gen"][:1]
    given["bus"][4, 2:4] -= [0.2, 0.05]
    net = solved(from_ppc(given, f_hz=50))
    flow = flow_of(case)
    assert_as_in_pandapower(flow, net, {str(k): k for k in range(1, 8)})
    assert [branch.id for branch in case.branches if branch.ratio] == ["1", "4"]
    assert [branch.id for branch in case.branches if branch.is_open] == ["7"]
    assert flow.imax_a["2"] == pytest.approx(
        4.0 / 20.0 * 1e3
    )  # 4 MVA at 20 kV in the convention without the root of three
    assert case.remarks == ["generators away from references: taken for constant power (PG, QG) at 5"]


CONVERSIONS = """
%% convert branch impedances from Ohms to p.u.
[PQ, PV, REF, NONE, BUS_I, BUS_TYPE, PD, QD, GS, BS, BUS_AREA, VM, ...
    VA, BASE_KV, ZONE, VMAX, VMIN, LAM_P, LAM_Q, MU_VMAX, MU_VMIN] = idx_bus;
Vbase = mpc.bus(1, BASE_KV) * 1e3;      %% in Volts
Sbase = mpc.baseMVA * 1e6;              %% in VA
mpc.branch(:, [BR_R BR_X]) = mpc.branch(:, [BR_R BR_X]) / (Vbase^2 / Sbase);

%% convert loads from kW to MW
mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;
"""


def rows_of(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def baran_wu_case() -> dict[str, Any]:  # Any: numbers
    """The 33-bus feeder as MATPOWER's distribution cases are written: ohms and kW, converted by statements at the end."""
    bus = [
        [
            int(row["bus"]),
            3 if row["bus"] == "1" else 1,
            float(row["p_kw"]),
            float(row["q_kvar"]),
            0,
            0,
            1,
            1,
            0,
            12.66,
            1,
            1.1,
            0.9,
        ]
        for row in rows_of("baran33_buses.csv")
    ]
    branch = [
        [
            int(row["from_bus"]),
            int(row["to_bus"]),
            float(row["r_ohm"]),
            float(row["x_ohm"]),
            0,
            0,
            0,
            0,
            0,
            0,
            1 - int(row["is_open"]),
            -360,
            360,
        ]
        for row in rows_of("baran33_branches.csv")
    ]
    return {"baseMVA": 10.0, "bus": bus, "gen": [[1, 0, 0, 10, -10, 1, 100, 1, 10, 0]], "branch": branch}


def test_a_matpower_case_in_ohms_and_kilowatts_is_converted_as_it_says() -> None:
    flow = flow_of(read_matpower(matpower_text(baran_wu_case(), CONVERSIONS), "case33bw"))
    assert flow.loss_kw == pytest.approx(BASE_LOSS_33_KW, abs=1e-3)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("mpc.bus(:, PD) = mpc.bus(:, PD) * 0.85;", r"line \d+: the statement 'mpc.bus\(:, PD\)"),
        ("Vbase = 230;", "Vbase = 230"),
        ("mpc = scale_load(2, mpc);", "scale_load"),
        ("for k = 1:3, mpc.bus(k, 3) = 0; end", "for k = 1:3"),
        ("if true\n  mpc.bus(2, 3) = 5;\nend", "if true"),
        ("mpc.note = 'x', mpc.bus(2, 3) = 5;", r"mpc.bus\(2, 3\) = 5"),
        ("[mpc.bus, rest] = deal(mpc.bus, 1);", r"\[mpc.bus, rest\] = deal"),
        ("mpc.('bus')(2, 3) = 5;", r"mpc.\(''\)\(2, 3\)"),
        ("eval('mpc.bus(2, 3) = 5');", "eval"),
        ("x = mpc.bus'; mpc.bus(2, 3) = 5; y = mpc.bus';", "x = mpc.bus'"),
        ("mpc.x = mpc.bus'; mpc.bus(2, 3) = 5; mpc.y = mpc.bus';", r"mpc.bus\(2, 3\) = 5"),
        ("PD = 4;", "PD = 4"),
        ("function mpc = other(mpc)", "function mpc = other"),
        (CONVERSIONS + "mpc.bus = [1 2];", r"mpc.bus = \[1 2\]"),
        (CONVERSIONS + CONVERSIONS, r"the statement 'mpc.branch\("),
        ("mpc.branch = [1 2 x 0];", "'x' is no number"),
        ("mpc.branch = [1 2 0 0];", "mpc.branch, row 1: has 4 columns, expected at least 11"),
        ("mpc.branch = [1 2", "not closed"),
        ("mpc.baseMVA = 0;", "baseMVA"),
    ],
)
def test_a_matpower_case_that_is_not_understood_is_refused(end: str, said: str) -> None:
    with pytest.raises(WrongUsage, match=said):
        read_matpower(matpower_text(two_levels(), end), "case7")


def test_what_changes_no_table_of_a_matpower_case_does_not_matter() -> None:
    given = two_levels()
    end = (
        "define_constants;\n[PQ, PV, REF] = idx_bus;\n%{\nmpc.bus(2, 3) = 5;\n%}\n"
        "mpc.note = 'mpc.bus = [1]; % or so'; mpc.other(3).x = \"y;\";\nmpc.reserves.cost = mpc.bus(:, 3)';\nend\n"
    )
    assert read_matpower(matpower_text(given, end), "case7") == read_matpower(matpower_text(given), "case7")


def test_a_limit_below_nothing_is_refused() -> None:
    given = two_levels()
    given["branch"][1, 5] = -4.0
    with pytest.raises(WrongUsage, match=r"mpc\.branch, row 2: RATE_A is -4, expected 0 \(no limit\) or more"):
        read_matpower(matpower_text(given), "case7")


def test_a_bus_that_feeds_in_is_refused_by_its_id() -> None:
    given = two_levels()
    given["gen"][1, 1] = 0.7
    with pytest.raises(WrongUsage, match=r"bus .5.: its load is -0\.2 MW"):
        documents_of(read_matpower(matpower_text(given), "case7"))


# ------------------------------------------------------------------ tables, and the command


def csv_arguments(*more: str) -> list[str]:
    return ["import", "csv", str(DATA / "baran33_branches.csv"), "--kv", "12.66", "--source", "1", *more]


def test_tables_become_documents_that_can_be_optimised(commands: CommandLine, tmp_path: Path) -> None:
    written = commands.printed(
        *csv_arguments("--buses", str(DATA / "baran33_buses.csv"), "--out", str(tmp_path / "feeder"))
    )
    assert written == {
        **{kind: str(tmp_path / f"feeder.{kind}.json") for kind in ("network", "demands", "start")},
        "remarks": [],
    }
    files = (written["network"], written["demands"], "--start", written["start"])
    as_it_is = commands.printed("optimise", *files, "--minutes", "0")
    assert as_it_is["loss_kw"] == [pytest.approx(BASE_LOSS_33_KW, abs=1e-3)]
    best = commands.printed("optimise", *files)
    # Best known, in agreement of many publications since Goswami and Basu (1992).
    assert best["loss_kw"] == [pytest.approx(139.551, abs=1e-3)]
    assert best["open_lines"] == [["7", "9", "14", "32", "37"]]


def test_loads_may_stand_with_the_branches_that_lead_to_them(commands: CommandLine, tmp_path: Path) -> None:
    loads = {row["bus"]: row for row in rows_of("baran33_buses.csv")}
    seen = {"1"}
    with (tmp_path / "feeder.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["branch", "from_bus", "to_bus", "r_ohm", "x_ohm", "is_open", "p_kw", "q_kvar"])
        for row in rows_of("baran33_branches.csv"):
            load = loads[row["to_bus"]] if row["to_bus"] not in seen else {"p_kw": "", "q_kvar": ""}
            seen.add(row["to_bus"])
            writer.writerow([*row.values(), load["p_kw"], load["q_kvar"]])
    written = commands.printed(
        *("import", "csv", str(tmp_path / "feeder.csv"), "--kv", "12.66", "--source", "1"),
        *("--out", str(tmp_path / "f")),
    )
    files = (written["network"], written["demands"], "--start", written["start"])
    as_it_is = commands.printed("optimise", *files, "--minutes", "0")
    assert as_it_is["loss_kw"] == [pytest.approx(BASE_LOSS_33_KW, abs=1e-3)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("branch,from_bus,to_bus,r_ohm\n", "no column x_ohm"),
        ("branch,from_bus,to_bus,r_ohm,x_ohm\nL,1,2,a,0\n", "line 2: r_ohm is 'a', expected a finite number"),
        (
            "branch,from_bus,to_bus,r_ohm,x_ohm,is_open\nL,1,2,1,0,maybe\n",
            "line 2: is_open is 'maybe', expected 0 or 1",
        ),
        (
            "branch,from_bus,to_bus,r_ohm,x_ohm,p_kw\nL,2,1,1,0,5\nM,1,2,1,0,3\nN,3,2,1,0,3\n",
            "line 4: p_kw is '3', expected nothing",
        ),
        ("branch,from_bus,to_bus,r_ohm,x_ohm\nL,1,2,1,0\nL,1,2,1,0\n", "Line 'L'"),
        (
            "branch,from_bus,to_bus,r_ohm,x_ohm,imax_a\nL,1,2,1,0,-100\n",
            "line 2: imax_a is '-100', expected 0 (no limit) or more",
        ),
        ("branch,from_bus,to_bus,r_ohm,x_ohm\nL,2,3,1,0\n", "--source: there is no bus '1'"),
    ],
)
def test_a_table_that_is_wrong_is_named_with_line_column_value_and_what_was_expected(
    commands: CommandLine, tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "branches.csv"
    path.write_text(text, "utf-8")
    done = commands.run("import", "csv", str(path), "--kv", "10", "--source", "1", "--out", str(tmp_path / "x"))
    assert (done.returncode, done.stdout) == (2, "")
    assert str(path) in done.stderr and said in done.stderr
    assert list(tmp_path.iterdir()) == [path]


def test_of_documents_that_cannot_all_be_written_none_is(commands: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "x.start.json").mkdir()
    done = commands.run(*csv_arguments("--buses", str(DATA / "baran33_buses.csv"), "--out", str(tmp_path / "x")))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{tmp_path / 'x.start.json'}: cannot be written: Is a directory" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x.start.json"]


@pytest.mark.parametrize("out", [".", "..", "/", "nowhere/x"])
def test_names_must_have_a_beginning_in_a_folder(commands: CommandLine, out: str) -> None:
    done = commands.run(*csv_arguments("--buses", str(DATA / "baran33_buses.csv"), "--out", out))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"busbar: {out}: --out wants the beginning of names in a folder that is there\n"


def test_the_formats_of_other_programs_are_read_by_the_command_too(commands: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "case33bw.m").write_text(matpower_text(baran_wu_case(), CONVERSIONS), "utf-8")
    (tmp_path / "net.json").write_text(pandapower.to_json(pandapower.networks.case33bw()), "utf-8")
    simbench_folder(tmp_path)
    for kind, name, lines in (("matpower", "case33bw.m", 37), ("pandapower", "net.json", 37), ("simbench", "grid", 5)):
        done = commands.run("import", kind, str(tmp_path / name), "--out", str(tmp_path / kind))
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [
            word for part in ("network", "demands", "start") for word in (part, str(tmp_path / f"{kind}.{part}.json"))
        ]
        assert len(json.loads((tmp_path / f"{kind}.network.json").read_text("utf-8"))["lines"]) == lines
    absent = commands.run("import", "matpower", str(tmp_path / "absent.m"))
    assert absent.returncode == 2 and "absent.m: cannot be read" in absent.stderr
