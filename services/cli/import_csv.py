"""Networks of one voltage level as two tables: branches, and buses with their loads."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.cli.import_case import ROOT_3, Branch, Bus, Case
from services.cli.usage import WrongUsage

BRANCH_COLUMNS = ("branch", "from_bus", "to_bus", "r_ohm", "x_ohm")
FURTHER_BRANCH_COLUMNS = ("imax_a", "is_open", "is_switch", "p_kw", "q_kvar")
BUS_COLUMNS = ("bus", "p_kw", "q_kvar")
FURTHER_BUS_COLUMNS = ("v_min_pu", "v_max_pu")
FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Supply:
    """What tables do not say: the voltage, and where it comes from."""

    kv: float  # line to line
    source_buses: tuple[str, ...]
    source_pu: float = 1.0


def read_csv(branches: Path, buses: Path | None, supply: Supply) -> Case:
    """The case of a table of branches, and of one of buses; without that loads stand with the branches, at ``to_bus``.

    Impedances are in ohm, loads in kW and kvar of all phases, ``imax_a`` is the current of one phase.

    Raises:
        WrongUsage: a column is missing, a value is wrong, or the tables do not go together.
    """
    rows = _table(branches, BRANCH_COLUMNS, FURTHER_BRANCH_COLUMNS)
    by_bus = _loads_with_branches(rows) if buses is None else _table(buses, BUS_COLUMNS, FURTHER_BUS_COLUMNS)
    known = {row.text("bus") for row in by_bus}
    for row in rows:
        for end in ("from_bus", "to_bus"):
            if row.text(end) not in known:
                raise row.wrong(end, "an id of the table of buses")
    for source in supply.source_buses:
        if source not in known:
            raise WrongUsage(f"--source: there is no bus '{source}' in {buses or branches}")
    return Case(branches.stem, [_bus(row, supply) for row in by_bus], [_branch(row) for row in rows])


@dataclass(frozen=True, slots=True)
class _Row:
    place: str  # file and line
    values: Mapping[str, str]

    def text(self, column: str) -> str:
        found = self.values.get(column, "").strip()
        if not found:
            raise self.wrong(column, "a value")
        return found

    def number(self, column: str, default: float | None = None) -> float:
        if default is not None and not self.values.get(column, "").strip():
            return default
        try:
            number = float(self.text(column))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.wrong(column, "a finite number")
        return number

    def flag(self, column: str, *, default: bool) -> bool:
        found = self.values.get(column, "").strip().lower()
        if found and found not in FLAGS:
            raise self.wrong(column, "0 or 1")
        return FLAGS[found] if found else default

    def wrong(self, column: str, expected: str) -> WrongUsage:
        return WrongUsage(f"{self.place}: {column} is '{self.values.get(column, '')}', expected {expected}")


def _table(path: Path, columns: Sequence[str], further: Sequence[str]) -> list[_Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise WrongUsage(
                    f"{path}: no column {', '.join(missing)}; expected {', '.join(columns)} and, if wanted, "
                    f"{', '.join(further)}"
                )
            return [_Row(f"{path}, line {reader.line_num}", row) for row in reader]
    except OSError as err:
        raise WrongUsage(f"{path}: cannot be read: {err.strerror}") from err
    except (UnicodeDecodeError, csv.Error) as err:
        raise WrongUsage(f"{path}: is no table in UTF-8: {err}") from err


def _loads_with_branches(rows: Iterable[_Row]) -> list[_Row]:
    """A row for each bus that a branch touches; of two loads for one bus the later would hide the first, so that is refused."""
    buses: dict[str, _Row] = {}
    for row in rows:
        for end in ("from_bus", "to_bus"):
            bus = row.text(end)
            buses.setdefault(bus, _Row(row.place, {"bus": bus, "p_kw": "0", "q_kvar": "0"}))
        bus = row.text("to_bus")
        if row.number("p_kw", 0.0) or row.number("q_kvar", 0.0):
            if float(buses[bus].values["p_kw"]) or float(buses[bus].values["q_kvar"]):
                raise row.wrong("p_kw", f"nothing, as the load of bus '{bus}' was given before")
            load = {name: str(row.number(name, 0.0)) for name in ("p_kw", "q_kvar")}
            buses[bus] = _Row(row.place, {"bus": bus, **load})
    return list(buses.values())


def _bus(row: _Row, supply: Supply) -> Bus:
    name = row.text("bus")
    return Bus(
        name,
        supply.kv,
        p_mw=1e-3 * row.number("p_kw"),
        q_mvar=1e-3 * row.number("q_kvar"),
        v_min_pu=row.number("v_min_pu", 0.0),
        v_max_pu=row.number("v_max_pu", 0.0) or math.inf,
        source_kv=supply.source_pu * supply.kv if name in supply.source_buses else None,
    )


def _branch(row: _Row) -> Branch:
    imax_a = row.number("imax_a", 0.0)
    if imax_a < 0.0:
        raise row.wrong("imax_a", "0 (no limit) or more")
    return Branch(
        row.text("branch"),
        row.text("from_bus"),
        row.text("to_bus"),
        r_ohm=row.number("r_ohm"),
        x_ohm=row.number("x_ohm"),
        imax_a=ROOT_3 * imax_a if imax_a > 0.0 else math.inf,
        is_switch=row.flag("is_switch", default=True),
        is_open=row.flag("is_open", default=False),
    )
