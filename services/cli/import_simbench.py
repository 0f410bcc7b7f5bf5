"""SimBench grids as their tables (``Node.csv``, ``Line.csv`` and so on, with semicolons) in one folder.

SimBench puts a switch between a bus and an auxiliary node, from which the line leaves. Here that is one switchable line: open
where one of its switches is.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.cli.import_case import ROOT_3, Branch, Bus, Case
from services.cli.usage import WrongUsage

NEEDED = ("Node", "Line", "LineType", "Load", "ExternalNet")
REFUSED = ("Transformer3W", "PowerPlant")
MISSING = {"", "NULL"}


@dataclass(frozen=True, slots=True)
class _Element:
    """A row of a table."""

    table: str
    values: Mapping[str, str]

    def text(self, column: str, default: str | None = None) -> str:
        value = (self.values.get(column) or "").strip()
        if value in MISSING:
            if default is None:
                raise WrongUsage(f"{self.table}.csv, '{self.values.get('id', '')}': {column} is missing")
            return default
        return value

    def number(self, column: str, default: float | None = None) -> float:
        text = self.text(column, None if default is None else str(default))
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise WrongUsage(
                f"{self.table}.csv, '{self.values.get('id', '')}': {column} is '{text}', expected a number"
            )
        return number


def read_simbench(folder: Path, *, with_generation: bool) -> Case:
    """The case of a grid's tables, at its nominal loads; ids are SimBench's.

    Args:
        with_generation: whether what RES and storages feed in counts, or is left out.

    Raises:
        WrongUsage: tables are missing or wrong, or have elements that the model does not.
    """
    tables = {path.stem: _table(path) for path in sorted(folder.glob("*.csv")) if not path.stem.endswith("Profile")}
    missing = [name for name in NEEDED if name not in tables]
    if missing:
        raise WrongUsage(f"{folder}: there is no {', '.join(f'{name}.csv' for name in missing)}")
    for refused in REFUSED:
        if tables.get(refused):
            raise WrongUsage(f"{refused}.csv: the model has no such elements, and there are {len(tables[refused])}")
    return _Conversion(tables, with_generation=with_generation).case(folder.name)


def _table(path: Path) -> list[_Element]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [_Element(path.stem, row) for row in csv.DictReader(file, delimiter=";", restval="")]
    except OSError as err:
        raise WrongUsage(f"{path}: cannot be read: {err.strerror}") from err
    except (UnicodeDecodeError, csv.Error) as err:
        raise WrongUsage(f"{path}: is no table in UTF-8: {err}") from err


class _Conversion:
    def __init__(self, tables: Mapping[str, list[_Element]], *, with_generation: bool) -> None:
        self._tables = tables
        self._with_generation = with_generation
        self._nodes = {node.text("id"): node for node in tables["Node"]}
        self._remarks: list[str] = []
        self._behind = self._line_switches()

    def case(self, name: str) -> Case:
        branches = [*self._lines(), *self._transformers(), *self._couplers()]
        return Case(name, list(self._buses()), branches, self._remarks)

    def _node(self, name: str, element: _Element) -> _Element:
        """The node that an element names."""
        node = self._nodes.get(name)
        if node is None:
            raise WrongUsage(f"{element.table}.csv, '{element.text('id')}': its node '{name}' is not in Node.csv")
        return node

    def _rows(self, table: str) -> list[_Element]:
        return self._tables.get(table, [])

    def _line_switches(self) -> dict[str, tuple[str, bool, str]]:
        """For auxiliary nodes between one switch and one other branch: the bus beyond the switch, whether that is open, its id."""
        touching: dict[str, int] = defaultdict(int)
        for table, columns in (
            *((name, ("nodeA", "nodeB")) for name in ("Line", "Switch")),
            ("Transformer", ("nodeHV", "nodeLV")),
            *((name, ("node",)) for name in ("Load", "RES", "Storage", "Shunt", "ExternalNet")),
        ):
            for row in self._rows(table):
                for column in columns:
                    self._node(row.text(column), row)
                    touching[row.text(column)] += 1
        behind: dict[str, tuple[str, bool, str]] = {}
        for switch in self._rows("Switch"):
            ends = switch.text("nodeA"), switch.text("nodeB")
            for bus, auxiliary in (ends, ends[::-1]):
                is_auxiliary = self._node(auxiliary, switch).text("type") == "auxiliary"
                if is_auxiliary and touching[auxiliary] == 2 and bus not in behind:
                    behind[auxiliary] = (bus, not switch.number("cond"), switch.text("id"))
                    break
        return behind

    def _buses(self) -> Iterator[Bus]:
        sources: dict[str, float] = {}
        for source in self._rows("ExternalNet"):
            if source.text("calc_type") != "vavm":
                raise WrongUsage(
                    f"ExternalNet.csv, '{source.text('id')}': calc_type is '{source.text('calc_type')}', expected 'vavm'"
                )
            name = source.text("node")
            sources[name] = self._node(name, source).number("vmSetp", 1.0)
        load = self._loads_mva()
        for name, node in self._nodes.items():
            if name not in self._behind:
                kv = node.number("vmR")
                yield Bus(
                    name,
                    kv,
                    p_mw=load[name].real,
                    q_mvar=load[name].imag,
                    v_min_pu=node.number("vmMin", 0.0),
                    v_max_pu=node.number("vmMax", 0.0) or math.inf,
                    source_kv=sources[name] * kv if name in sources else None,
                )

    def _loads_mva(self) -> dict[str, complex]:
        load: dict[str, complex] = defaultdict(complex)
        consuming = [("Load", "pLoad", "qLoad", 1.0), ("Shunt", "p0", "q0", 1.0)]
        feeding = [("RES", "pRES", "qRES", -1.0), ("Storage", "pStor", "qStor", 1.0)]
        for table, p, q, sign in (*consuming, *(feeding if self._with_generation else ())):
            for row in self._rows(table):
                load[row.text("node")] += sign * complex(row.number(p, 0.0), row.number(q, 0.0))
        if self._rows("Shunt"):
            self._remarks.append("shunts: taken for constant power at nominal voltage")
        left_out = sum(len(self._rows(table)) for table, *_ in feeding)
        if left_out and not self._with_generation:
            self._remarks.append(f"{left_out} generators and storages: left out, as asked for")
        return load

    def _beyond(self, *nodes: str) -> tuple[list[str], bool, bool]:
        """The buses that nodes stand for, whether a switch is between, and whether one of these is open."""
        found = [self._behind.get(node, (node, False, "")) for node in nodes]
        return [bus for bus, _, _ in found], any(name for *_, name in found), any(opened for _, opened, _ in found)

    def _lines(self) -> Iterator[Branch]:
        types = {kind.text("id"): kind for kind in self._rows("LineType")}
        if any(kind.number("b", 0.0) for kind in types.values()):
            self._remarks.append("capacitance of lines: left out, the model has none")
        for line in self._rows("Line"):
            kind = types.get(line.text("type"))
            if kind is None:
                raise WrongUsage(
                    f"Line.csv, '{line.text('id')}': its type '{line.text('type')}' is not in LineType.csv"
                )
            length = line.number("length")
            (source, target), is_switch, is_open = self._beyond(line.text("nodeA"), line.text("nodeB"))
            imax_a = ROOT_3 * kind.number("iMax", 0.0)
            yield Branch(
                line.text("id"),
                source,
                target,
                r_ohm=kind.number("r") * length,
                x_ohm=kind.number("x") * length,
                imax_a=imax_a or math.inf,
                is_switch=is_switch,
                is_open=is_open,
            )

    def _transformers(self) -> Iterator[Branch]:
        types = {kind.text("id"): kind for kind in self._rows("TransformerType")}
        if any(kind.number("pFe", 0.0) or kind.number("iNoLoad", 0.0) for kind in types.values()):
            self._remarks.append("no-load losses and currents of transformers: left out, the model has none")
        for trafo in self._rows("Transformer"):
            kind = types.get(trafo.text("type"))
            if kind is None:
                raise WrongUsage(
                    f"Transformer.csv, '{trafo.text('id')}': its type '{trafo.text('type')}' is not in TransformerType.csv"
                )
            (source, target), _, is_open = self._beyond(trafo.text("nodeHV"), trafo.text("nodeLV"))
            kv = {"HV": kind.number("vmHV"), "LV": kind.number("vmLV")}
            side = kind.text("tapside", "HV").upper()
            if side not in kv:
                raise WrongUsage(f"TransformerType.csv, '{kind.text('id')}': tapside is '{side}', expected HV or LV")
            steps = trafo.number("tappos", 0.0) - kind.number("tapNeutr", 0.0)
            kv[side] *= 1.0 + steps * kind.number("dVm", 0.0) / 100.0
            rated_mva = kind.number("sR")
            r_share = kind.number("pCu") / 1e3 / rated_mva
            z_share = kind.number("vmImp") / 100.0
            base_ohm = kv["LV"] ** 2 / rated_mva
            yield Branch(
                trafo.text("id"),
                source,
                target,
                r_ohm=r_share * base_ohm,
                x_ohm=math.sqrt(max(z_share**2 - r_share**2, 0.0)) * base_ohm,
                is_switch=False,
                is_open=is_open,
                ratio=kv["HV"] / kv["LV"],
            )

    def _couplers(self) -> Iterator[Branch]:
        """Switches between buses."""
        in_lines = {name for *_, name in self._behind.values()}
        for switch in self._rows("Switch"):
            if switch.text("id") not in in_lines:
                yield Branch(
                    switch.text("id"),
                    switch.text("nodeA"),
                    switch.text("nodeB"),
                    r_ohm=0.0,
                    x_ohm=0.0,
                    is_open=not switch.number("cond"),
                )
