"""Networks that pandapower has written as JSON (``pandapower.to_json``); pandapower itself is not needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from services.cli.import_case import ROOT_3, Branch, Bus, Case
from services.cli.usage import WrongUsage

# Tables with elements that carry power and have no place here.
REFUSED = (
    *("trafo3w", "impedance", "ward", "xward", "dcline", "gen", "motor", "asymmetric_load", "asymmetric_sgen"),
    *("svc", "tcsc", "ssc", "vsc", "b2b_vsc", "line_dc"),
)
GENERATION = ("sgen", "storage")
# Shares of loads that are no constant power.
VOLTAGE_DEPENDENT = (
    *("const_z_percent", "const_i_percent"),
    *("const_z_p_percent", "const_z_q_percent", "const_i_p_percent", "const_i_q_percent"),
)


@dataclass(frozen=True, slots=True)
class _Element:
    """A row of a table; what is missing or null is absent."""

    table: str
    index: int
    values: Mapping[str, Any]  # Any: a cell

    def number(self, column: str, default: float | None = None) -> float:
        value = self.values.get(column)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise WrongUsage(f"{self.table} {self.index}: {column} is {value!r}, expected a finite number")
        return float(value)

    def flag(self, column: str, *, default: bool = True) -> bool:
        value = self.values.get(column)
        return default if value is None else bool(value)

    def place(self, column: str) -> int:
        return int(self.number(column))


def read_pandapower(document: bytes, name: str, *, with_generation: bool = True) -> Case:
    """The case of a network. Buses and branches have the index of their table as id, with its name before it but for buses and lines.

    A line is a switch if a switch of pandapower is at it, or if there are no line switches at all; it is open if it is out of
    service or one of its switches is open. A switch between buses is a line without impedance.

    Args:
        with_generation: whether what static generators and storages feed in counts, or is left out.

    Raises:
        WrongUsage: it is no such document, or has elements that the model does not.
    """
    tables = _Tables(document)
    for refused in REFUSED:
        found = [each.index for each in tables.rows(refused) if each.flag("in_service")]
        if found:
            raise WrongUsage(f"{refused}: the model has no such elements, and {len(found)} are in service")
    return _Conversion(tables, with_generation=with_generation).case(name)


class _Tables:
    def __init__(self, document: bytes) -> None:
        try:
            whole = orjson.loads(document)
            self._tables: Mapping[str, Any] = whole["_object"]  # Any: JSON
            if whole["_class"] != "pandapowerNet":
                raise KeyError(whole["_class"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as err:
            raise WrongUsage("expected a network as pandapower.to_json writes it") from err

    def rows(self, name: str) -> list[_Element]:
        """The rows of a table; none where it is not there."""
        table = self._tables.get(name)
        if table is None:
            return []
        try:
            frame = table["_object"]
            frame = orjson.loads(frame) if isinstance(frame, str) else frame
            return [
                _Element(name, int(index), dict(zip(frame["columns"], values, strict=True)))
                for index, values in zip(frame["index"], frame["data"], strict=True)
            ]
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as err:
            raise WrongUsage(f"{name}: expected a table in pandas' format 'split'") from err


class _Conversion:
    def __init__(self, tables: _Tables, *, with_generation: bool) -> None:
        self._tables = tables
        self._with_generation = with_generation
        self._buses = {each.index: each for each in tables.rows("bus") if each.flag("in_service")}
        self._known = {str(index) for index in self._buses}
        self._remarks: list[str] = []

    def case(self, name: str) -> Case:
        branches = [*self._lines(), *self._transformers(), *self._couplers()]
        return Case(name, list(self._all_buses()), branches, self._remarks)

    def _all_buses(self) -> Iterator[Bus]:
        sources = {each.place("bus"): each for each in self._tables.rows("ext_grid") if each.flag("in_service")}
        load = self._loads_mva()
        for index, bus in self._buses.items():
            kv = bus.number("vn_kv")
            source = sources.get(index)
            yield Bus(
                str(index),
                kv,
                p_mw=load[index].real,
                q_mvar=load[index].imag,
                v_min_pu=bus.number("min_vm_pu", 0.0),
                v_max_pu=bus.number("max_vm_pu", 0.0) or math.inf,
                source_kv=None if source is None else source.number("vm_pu", 1.0) * kv,
            )

    def _loads_mva(self) -> dict[int, complex]:
        """Load less generation of each bus."""
        load = dict.fromkeys(self._buses, 0j)
        for table, sign in (("load", 1.0), ("sgen", -1.0), ("storage", 1.0), ("shunt", 1.0)):
            found = [each for each in self._tables.rows(table) if each.flag("in_service")]
            if found and table in GENERATION and not self._with_generation:
                self._remarks.append(f"{table}: {len(found)} left out, as asked for")
                continue
            for each in found:
                if each.place("bus") in load:
                    factor = sign * each.number("scaling", 1.0) * each.number("step", 1.0)
                    load[each.place("bus")] += factor * complex(each.number("p_mw"), each.number("q_mvar", 0.0))
            if table == "shunt" and found:
                self._remarks.append("shunts: taken for constant power at nominal voltage")
            if any(each.number(column, 0.0) for each in found for column in VOLTAGE_DEPENDENT):
                self._remarks.append("loads that depend on the voltage: taken for constant power")
        return load

    def _lines(self) -> Iterator[Branch]:
        switches = [each for each in self._tables.rows("switch") if each.values.get("et") == "l"]
        switched = {each.place("element") for each in switches}
        opened = {each.place("element") for each in switches if not each.flag("closed")}
        lines = self._tables.rows("line")
        if any(each.number("c_nf_per_km", 0.0) or each.number("g_us_per_km", 0.0) for each in lines):
            self._remarks.append("capacitance and conductance of lines: left out, the model has none")
        for line in lines:
            parallel = line.number("parallel", 1.0)
            length = line.number("length_km") / parallel
            if line.number("max_i_ka", 0.0) < 0.0:
                raise WrongUsage(
                    f"line {line.index}: max_i_ka is {line.number('max_i_ka')}, expected 0 (no limit) or more"
                )
            imax_ka = line.number("max_i_ka", 0.0) * line.number("df", 1.0) * parallel
            yield from self._between_buses(
                Branch(
                    str(line.index),
                    str(line.place("from_bus")),
                    str(line.place("to_bus")),
                    r_ohm=line.number("r_ohm_per_km") * length,
                    x_ohm=line.number("x_ohm_per_km") * length,
                    imax_a=1e3 * ROOT_3 * imax_ka if imax_ka > 0.0 else math.inf,
                    is_switch=line.index in switched or not switches,
                    is_open=line.index in opened or not line.flag("in_service"),
                )
            )

    def _couplers(self) -> Iterator[Branch]:
        for switch in self._tables.rows("switch"):
            if switch.values.get("et") == "b":
                yield from self._between_buses(
                    Branch(
                        f"switch {switch.index}",
                        str(switch.place("bus")),
                        str(switch.place("element")),
                        r_ohm=switch.number("z_ohm", 0.0),
                        x_ohm=0.0,
                        is_open=not switch.flag("closed"),
                    )
                )

    def _transformers(self) -> Iterator[Branch]:
        opened = {
            each.place("element")
            for each in self._tables.rows("switch")
            if each.values.get("et") == "t" and not each.flag("closed")
        }
        transformers = self._tables.rows("trafo")
        if any(each.number("pfe_kw", 0.0) or each.number("i0_percent", 0.0) for each in transformers):
            self._remarks.append("no-load losses and currents of transformers: left out, the model has none")
        for trafo in transformers:
            hv_kv, lv_kv = _tapped_kv(trafo)
            # Impedances are stated on the side of the lower voltage, whose tap they follow.
            z_ohm = lv_kv**2 / trafo.number("sn_mva") / trafo.number("parallel", 1.0) / 100.0
            vk, vkr = trafo.number("vk_percent"), trafo.number("vkr_percent")
            yield from self._between_buses(
                Branch(
                    f"trafo {trafo.index}",
                    str(trafo.place("hv_bus")),
                    str(trafo.place("lv_bus")),
                    r_ohm=vkr * z_ohm,
                    x_ohm=math.sqrt(max(vk**2 - vkr**2, 0.0)) * z_ohm,
                    is_switch=False,
                    is_open=trafo.index in opened or not trafo.flag("in_service"),
                    ratio=hv_kv / lv_kv,
                )
            )

    def _between_buses(self, branch: Branch) -> Iterator[Branch]:
        """The branch, unless it leads to a bus that is out of service."""
        if branch.source in self._known and branch.target in self._known:
            yield branch


def _tapped_kv(trafo: _Element) -> tuple[float, float]:
    """Rated voltages with the tap changer where it stands."""
    kv = {"hv": trafo.number("vn_hv_kv"), "lv": trafo.number("vn_lv_kv")}
    steps = trafo.number("tap_pos", 0.0) - trafo.number("tap_neutral", 0.0)
    side = trafo.values.get("tap_side")
    kind = trafo.values.get("tap_changer_type", "Ratio")  # the column is younger than the format
    if side is None or kind is None or not steps:
        return kv["hv"], kv["lv"]
    if kind != "Ratio" or trafo.number("tap_step_degree", 0.0) or trafo.flag("tap_phase_shifter", default=False):
        raise WrongUsage(f"trafo {trafo.index}: tap_changer_type is {kind!r}, expected 'Ratio' without angle")
    if side not in kv:
        raise WrongUsage(f"trafo {trafo.index}: tap_side is {side!r}, expected 'hv' or 'lv'")
    kv[side] *= 1.0 + steps * trafo.number("tap_step_percent", 0.0) / 100.0
    return kv["hv"], kv["lv"]
