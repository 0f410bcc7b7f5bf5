"""MATPOWER cases (format 2): bus, generator and branch tables, and those statements that convert their units.

A case is a program. Distribution cases end with statements that turn ohms into per unit and kW into MW; these are known here,
and a case with any that is not known is refused, as leaving it out could give another network.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from services.cli.import_case import Branch, Bus, Case
from services.cli.usage import WrongUsage

Row = Sequence[float]

# Columns, as MATPOWER's idx_bus, idx_gen and idx_brch count them, from 0.
BUS_I, BUS_TYPE, PD, QD, GS, BS, BASE_KV, VMAX, VMIN = 0, 1, 2, 3, 4, 5, 9, 11, 12
GEN_BUS, PG, QG, VG, GEN_STATUS, PMAX = 0, 1, 2, 5, 7, 8
F_BUS, T_BUS, BR_R, BR_X, BR_B, RATE_A, TAP, BR_STATUS = 0, 1, 2, 3, 4, 5, 8, 10
REFERENCE, ISOLATED = 3, 4
LEAST_COLUMNS = {"bus": 13, "gen": 10, "branch": 11}

# Statements without blanks, by what they mean. Vbase and Sbase are MATPOWER's own names for volts and volt-amperes.
_IMPEDANCES = re.compile(
    r"mpc\.branch\(:,\[BR_R,?BR_X\]\)=mpc\.branch\(:,\[BR_R,?BR_X\]\)/\(Vbase\^2/Sbase\)|"
    r"mpc\.branch\(:,\[3,?4\]\)=mpc\.branch\(:,\[3,?4\]\)/\(Vbase\^2/Sbase\)"
)
_LOADS = re.compile(
    r"mpc\.bus\(:,\[PD,?QD\]\)=mpc\.bus\(:,\[PD,?QD\]\)/(?:1e3|1000)|"
    r"mpc\.bus\(:,\[3,?4\]\)=mpc\.bus\(:,\[3,?4\]\)/(?:1e3|1000)"
)
_BASES = re.compile(r"Vbase=mpc\.bus\(1,(?:BASE_KV|10)\)\*(?:1e3|1000)|Sbase=mpc\.baseMVA\*(?:1e6|1000000)")
# What changes no table: names for columns, fields of the case that are none of the three tables, and the end.
_HARMLESS = re.compile(
    r"define_constants|\[[\w,~]*\]=idx_\w+(?:\(\))?|mpc\.(?!(?:bus|gen|branch|baseMVA)\b)\w+[^=]*=(?!=).*|"
    r"return|end|endfunction"
)
# A quote after anything that has a value transposes it.
_TEXT_OR_COMMENT = re.compile(r"""(?<![\w)\]}'.])'[^']*'|"[^"]*"|(%.*)""")


@dataclass
class _Program:
    base_mva: float | None = None
    tables: dict[str, list[Row]] = field(default_factory=dict)
    has_ohms: bool = False
    has_kilowatts: bool = False

    @property
    def is_converted(self) -> bool:
        return self.has_ohms or self.has_kilowatts


def read_matpower(text: str, name: str) -> Case:
    """The case that a MATPOWER file describes; branches have their row's number, counted from 1, as id.

    Raises:
        WrongUsage: it is none, or has statements that are not known.
    """
    program = _read(text)
    for table, columns in LEAST_COLUMNS.items():
        rows = program.tables.get(table)
        if rows is None:
            raise WrongUsage(f"mpc.{table} is missing; expected a case of MATPOWER's format 2")
        for number, row in enumerate(rows, start=1):
            if len(row) < columns:
                raise WrongUsage(f"mpc.{table}, row {number}: has {len(row)} columns, expected at least {columns}")
    if program.base_mva is None or not program.base_mva > 0.0:
        raise WrongUsage("mpc.baseMVA is missing; expected a number above 0")
    return _Conversion(program, program.base_mva).case(name)


def _read(text: str) -> _Program:
    program = _Program()
    variable = "mpc"
    for number, (line, statement) in enumerate(_statements(text)):
        if number == 0 and statement.startswith("function"):
            declared = re.match(r"function\s+(\w+)\s*=", statement)
            variable = declared[1] if declared else variable
            continue
        flat = re.sub(rf"\b{variable}\.", "mpc.", re.sub(r"\s+", " ", statement))
        table = re.fullmatch(r"mpc\.(\w+) ?= ?\[(.*)\] ?", flat, re.DOTALL)
        base = re.fullmatch(r"mpc\.baseMVA ?= ?(\S+) ?", flat)
        if table and table[1] in LEAST_COLUMNS and not program.is_converted:
            program.tables[table[1]] = _rows(statement, table[1], line)
        elif base and not program.is_converted:
            program.base_mva = _value(base[1], f"line {line}: mpc.baseMVA")
        else:
            _note(program, flat.replace(" ", "") if "[" not in flat else _without_blanks(flat), statement, line)
    return program


def _without_blanks(flat: str) -> str:
    """Without blanks, but with a comma where one parts the columns of a list."""
    return re.sub(
        r"\[([^\]]*)\]", lambda found: "[" + ",".join(found[1].replace(",", " ").split()) + "]", flat
    ).replace(" ", "")


def _note(program: _Program, flat: str, statement: str, line: int) -> None:
    """Take in a statement that is no table."""
    if _IMPEDANCES.fullmatch(flat) and not program.has_ohms:
        program.has_ohms = True
    elif _LOADS.fullmatch(flat) and not program.has_kilowatts:
        program.has_kilowatts = True
    elif not _BASES.fullmatch(flat) and not _HARMLESS.fullmatch(flat):
        raise WrongUsage(
            f"line {line}: the statement '{' '.join(statement.split())[:120]}' is not known; expected tables and the usual "
            "conversions of ohms and kW. Save the case from MATPOWER (savecase), which writes the tables as they end up"
        )


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Statements with the line on which each starts, without comments and with empty texts."""
    without_comments = "\n".join(_without_comments(text.splitlines())) + "\n"
    depth, begun, line, has_begun, parts = 0, 1, 1, False, list[str]()
    for character in re.sub(r"\.\.\.[^\n]*\n", "\v", without_comments):
        if character in "\n;," and depth == 0:
            if has_begun:
                yield begun, "".join(parts).strip()
            parts, has_begun = [], False
        else:
            if not has_begun and not character.isspace():
                begun, has_begun = line, True
            depth += (character in "[{(") - (character in "]})")
            parts.append(" " if character == "\v" else character)
        line += character in "\n\v"
    if depth > 0:
        raise WrongUsage(f"line {begun}: a bracket is not closed")


def _without_comments(lines: Iterable[str]) -> Iterator[str]:
    """The lines, of which comments leave nothing and texts their quotes."""
    depth = 0
    for line in lines:
        depth += (line.strip() == "%{") - (line.strip() == "%}" and depth > 0)
        yield "" if depth else _TEXT_OR_COMMENT.sub(lambda found: "" if found[1] else "''", line)


def _rows(statement: str, table: str, line: int) -> list[Row]:
    body = statement[statement.index("[") + 1 : statement.rindex("]")]
    rows = [row.replace(",", " ").split() for row in re.split(r"[;\n]", body)]
    return [
        [_value(text, f"mpc.{table} (line {line}), row {number}, column {k}") for k, text in enumerate(row, start=1)]
        for number, row in enumerate(filter(None, rows), start=1)
    ]


def _value(text: str, place: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise WrongUsage(f"{place}: '{text}' is no number") from None


class _Conversion:
    """From the tables of a case to buses and branches."""

    def __init__(self, program: _Program, base_mva: float) -> None:
        self._base_mva = base_mva
        self._per_mw = 1e-3 if program.has_kilowatts else 1.0
        self._has_ohms = program.has_ohms
        self._buses = [row for row in program.tables["bus"] if row[BUS_TYPE] != ISOLATED]
        self._branches = program.tables["branch"]
        self._generators = [row for row in program.tables["gen"] if row[GEN_STATUS] > 0.0]
        self._left_out = len(program.tables["bus"]) - len(self._buses)
        self._kv = {row[BUS_I]: row[BASE_KV] for row in self._buses}

    def case(self, name: str) -> Case:
        buses = [self._bus(row) for row in self._buses]
        branches = [
            self._branch(number, row)
            for number, row in enumerate(self._branches, start=1)
            if row[F_BUS] in self._kv and row[T_BUS] in self._kv
        ]
        return Case(name, buses, branches, list(self._remarks()))

    def _bus(self, row: Row) -> Bus:
        identifier = _id(row[BUS_I])
        if not row[BASE_KV] > 0.0:
            raise WrongUsage(f"bus '{identifier}': BASE_KV is {row[BASE_KV]:g}, expected a number above 0")
        own = [each for each in self._generators if each[GEN_BUS] == row[BUS_I]]
        load = {
            "p_mw": row[PD] * self._per_mw + row[GS],
            "q_mvar": row[QD] * self._per_mw - row[BS],
        }
        if row[BUS_TYPE] == REFERENCE:
            if not own:
                raise WrongUsage(f"bus '{identifier}': is a reference (type 3) and has no generator in service")
            limit = sum(each[PMAX] for each in own)
            return Bus(
                identifier,
                row[BASE_KV],
                **load,
                source_kv=own[0][VG] * row[BASE_KV],
                p_max_mw=limit if limit > 0.0 else math.inf,
            )
        return Bus(
            identifier,
            row[BASE_KV],
            p_mw=load["p_mw"] - sum(each[PG] for each in own),
            q_mvar=load["q_mvar"] - sum(each[QG] for each in own),
            v_min_pu=row[VMIN],
            v_max_pu=row[VMAX] if row[VMAX] > 0.0 else math.inf,
        )

    def _branch(self, number: int, row: Row) -> Branch:
        if row[RATE_A] < 0.0:
            raise WrongUsage(f"mpc.branch, row {number}: RATE_A is {row[RATE_A]:g}, expected 0 (no limit) or more")
        source_kv, target_kv = self._kv[row[F_BUS]], self._kv[row[T_BUS]]
        ohm = 1.0 if self._has_ohms else target_kv**2 / self._base_mva
        ratio = (row[TAP] or 1.0) * source_kv / target_kv
        is_line = ratio == 1.0
        return Branch(
            str(number),
            _id(row[F_BUS]),
            _id(row[T_BUS]),
            r_ohm=row[BR_R] * ohm,
            x_ohm=row[BR_X] * ohm,
            imax_a=1e3 * row[RATE_A] / target_kv if row[RATE_A] > 0.0 else math.inf,
            is_switch=is_line,
            is_open=not row[BR_STATUS] > 0.0,
            ratio=None if is_line else ratio,
        )

    def _remarks(self) -> Iterator[str]:
        if self._left_out:
            yield f"{self._left_out} isolated buses (type 4): left out"
        if any(row[BR_B] for row in self._branches):
            yield "charging of lines (BR_B): left out, the model has none"
        if any(row[GS] or row[BS] for row in self._buses):
            yield "shunts (GS, BS): taken for constant power at 1 per unit"
        references = {row[BUS_I] for row in self._buses if row[BUS_TYPE] == REFERENCE}
        others = [_id(row[GEN_BUS]) for row in self._generators if row[GEN_BUS] not in references]
        if others:
            yield f"generators away from references: taken for constant power (PG, QG) at {', '.join(others)}"


def _id(number: float) -> str:
    return f"{number:.0f}"
