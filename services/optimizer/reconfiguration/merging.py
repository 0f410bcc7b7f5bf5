"""Series-parallel reduction of the supplied part of a grid: the bookkeeping behind :mod:`reduction`.

Transition buses at which nothing can be decided disappear: with a line that leads nowhere else, or between two lines in
series; lines in parallel become one. Every line that results is a *composite*: an original line, or others in series or
in parallel, nested as they were merged.
"""

from __future__ import annotations

import cmath
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from services.optimizer.reconfiguration.network import BusKind, PowerGrid


class Structure(Enum):
    """What a composite is made of."""

    SINGLE = auto()
    SERIAL = auto()
    PARALLEL = auto()


@dataclass(slots=True, eq=False)
class Composite:
    """A line of the network while it is reduced, from ``near`` to ``far`` (nodes of the grid).

    ``children`` are the merged composites with whether they run against this one; two for a serial one, whose ``middle``
    is the bus that it swallowed. ``first_line`` and ``first_id`` are the lowest position and id of its original lines.
    """

    near: int
    far: int
    z_ohm: complex
    imax_a: float
    first_line: int
    first_id: str
    is_mergeable: bool = True
    structure: Structure = Structure.SINGLE
    children: list[tuple[Composite, bool]] = field(default_factory=list)
    middle: int = -1

    def other_end(self, bus: int) -> int:
        """The end that is not ``bus``."""
        return self.far if bus == self.near else self.near


@dataclass(frozen=True, slots=True)
class Part:
    """An original line inside a composite that carries current I and has voltage V where it starts.

    The part carries ``share * I`` and has ``V - offset_near * I`` and ``V - offset_far * I`` at its ends; ``is_forward``
    when its own source is the near one.
    """

    line: int
    share: complex
    offset_near: complex
    offset_far: complex
    is_forward: bool


@dataclass(frozen=True, slots=True)
class Middle:
    """A swallowed bus inside a composite; its voltage is ``V - offset * I``."""

    node: int
    offset: complex


@dataclass(frozen=True, slots=True)
class Dangling:
    """A bus that was cut off together with its last line, which led to the bus it hung on."""

    node: int
    hung_on: int
    composite: Composite


class Merger:
    """The network while buses and lines disappear from it.

    Attributes:
        lines_at: composites at each remaining bus, in order of their appearance; the keys are the remaining buses.
        dangling: what was cut off, first cut first.
    """

    def __init__(self, grid: PowerGrid, supplied: Iterable[int]) -> None:
        self._grid = grid
        self.lines_at: dict[int, dict[Composite, None]] = {node: {} for node in supplied}
        self.dangling: list[Dangling] = []
        self._mergeable_between: dict[tuple[int, int], Composite] = {}
        for position, line in enumerate(grid.lines):
            if line.source in self.lines_at:
                z = complex(line.r_ohm, line.x_ohm)
                mergeable = not (line.is_switch or line.is_breaker or line.transformer >= 0)
                self._add(Composite(line.source, line.target, z, line.imax_a, position, line.id, mergeable))

    def run(self) -> None:
        """Remove and merge until nothing changes."""
        pending = deque(node for node in sorted(self.lines_at) if self._is_transition(node))
        while pending:
            bus = pending.popleft()
            lines = list(self.lines_at.get(bus, {}))
            if len(lines) == 1 and self._grid.lines[lines[0].first_line].transformer < 0:
                touched = self._cut_off(bus, lines[0])
            elif len(lines) == 2 and self._is_serial(bus, lines[0], lines[1]):
                touched = self._merge_serial(bus, lines[0], lines[1])
            else:
                continue
            pending.extend(node for node in touched if self._is_transition(node))

    def composites(self) -> list[Composite]:
        """The lines that are left, in the order of the lowest original line in each."""
        found = {line for lines in self.lines_at.values() for line in lines}
        return sorted(found, key=lambda line: line.first_line)

    def _is_transition(self, node: int) -> bool:
        return self._grid.nodes[node].kind is BusKind.TRANSITION

    def _is_serial(self, bus: int, first: Composite, second: Composite) -> bool:
        # Two lines to the same bus are a loop; a serial line from a bus to itself would be none.
        return first.is_mergeable and second.is_mergeable and first.other_end(bus) != second.other_end(bus)

    def _cut_off(self, bus: int, line: Composite) -> tuple[int, ...]:
        hung_on = line.other_end(bus)
        self._remove(line)
        del self.lines_at[bus]
        self.dangling.append(Dangling(bus, hung_on, line))
        return (hung_on,)

    def _merge_serial(self, bus: int, first: Composite, second: Composite) -> tuple[int, ...]:
        self._remove(first)
        self._remove(second)
        del self.lines_at[bus]
        near, far = first.other_end(bus), second.other_end(bus)
        self._add(
            Composite(
                near,
                far,
                first.z_ohm + second.z_ohm,
                min(first.imax_a, second.imax_a),
                min(first.first_line, second.first_line),
                min(first.first_id, second.first_id),
                structure=Structure.SERIAL,
                children=[(first, first.near == bus), (second, second.near != bus)],
                middle=bus,
            )
        )
        return near, far  # each may have lost a line to a parallel one

    def _add(self, line: Composite) -> None:
        """Put a line in place, merged with one that is parallel to it if there is one."""
        if line.is_mergeable:
            between = (min(line.near, line.far), max(line.near, line.far))
            present = self._mergeable_between.get(between)
            if present is None:
                self._mergeable_between[between] = line
            elif _can_be_parallel(present, line):
                self._remove(present)
                line = _parallel(present, line)
                self._mergeable_between[between] = line
        self.lines_at[line.near][line] = None
        self.lines_at[line.far][line] = None

    def _remove(self, line: Composite) -> None:
        del self.lines_at[line.near][line]
        del self.lines_at[line.far][line]
        between = (min(line.near, line.far), max(line.near, line.far))
        if self._mergeable_between.get(between) is line:
            del self._mergeable_between[between]


def unfold(composite: Composite, *, is_reversed: bool = False) -> Iterator[Part | Middle]:
    """The original lines and swallowed buses of a composite, seen from its near end (its far end if reversed)."""
    pending: list[tuple[Composite, bool, complex, complex]] = [(composite, is_reversed, 1 + 0j, 0j)]
    while pending:
        line, against, share, offset = pending.pop()
        if line.structure is Structure.SINGLE:
            yield Part(line.first_line, share, offset, offset + line.z_ohm * share, not against)
        elif line.structure is Structure.SERIAL:
            (first, first_against), (second, second_against) = line.children[::-1] if against else line.children
            middle = offset + first.z_ohm * share
            yield Middle(line.middle, middle)
            pending.append((second, second_against != against, share, middle))
            pending.append((first, first_against != against, share, offset))
        else:
            shares = _parallel_shares([child for child, _ in line.children])
            for (child, child_against), part in reversed(list(zip(line.children, shares, strict=True))):
                pending.append((child, child_against != against, share * part, offset))


def shortest_path(composite: Composite) -> list[int]:
    """One way through a composite from near to far as original lines; of parallel ones that with the lowest id."""
    path: list[int] = []
    pending = [(composite, False)]
    while pending:
        line, against = pending.pop()
        if line.structure is Structure.SINGLE:
            path.append(line.first_line)
        elif line.structure is Structure.SERIAL:
            children = line.children if against else line.children[::-1]
            pending.extend((child, child_against != against) for child, child_against in children)
        else:
            child, child_against = min(line.children, key=lambda entry: entry[0].first_id)
            pending.append((child, child_against != against))
    return path


def _can_be_parallel(first: Composite, second: Composite) -> bool:
    """False for reactances in resonance: together they would be an infinite impedance, so they stay a loop."""
    return _is_ideal(first) or _is_ideal(second) or 1 / first.z_ohm + 1 / second.z_ohm != 0


def _is_ideal(line: Composite) -> bool:
    """Whether the line has no impedance, or one so small that its inverse is no number."""
    return line.z_ohm == 0 or not cmath.isfinite(1 / line.z_ohm)


def _parallel(present: Composite, added: Composite) -> Composite:
    """The two in parallel; a composite that is already parallel takes the other in, as equals share alike."""
    entry = (added, added.near != present.near)
    if present.structure is Structure.PARALLEL:
        merged = present
        merged.children.append(entry)
    else:
        merged = Composite(
            present.near,
            present.far,
            present.z_ohm,
            present.imax_a,
            present.first_line,
            present.first_id,
            structure=Structure.PARALLEL,
            children=[(present, False), entry],
        )
    ideal = [_is_ideal(present), _is_ideal(added)]
    if any(ideal):
        merged.imax_a = sum(line.imax_a for line, is_ideal in zip((present, added), ideal, strict=True) if is_ideal)
        merged.z_ohm = 0j
    else:
        z = 1 / (1 / present.z_ohm + 1 / added.z_ohm)
        merged.imax_a = min(present.imax_a * abs(present.z_ohm), added.imax_a * abs(added.z_ohm)) / abs(z)
        merged.z_ohm = z
    merged.first_line = min(present.first_line, added.first_line)
    merged.first_id = min(present.first_id, added.first_id)
    return merged


def _parallel_shares(lines: list[Composite]) -> list[complex]:
    """How a current splits over parallel lines."""
    ideal = [_is_ideal(line) for line in lines]
    if not any(ideal):
        admittances = [1 / line.z_ohm for line in lines]
        total = sum(admittances)
        return [admittance / total for admittance in admittances]
    limits = [line.imax_a if is_ideal else 0.0 for line, is_ideal in zip(lines, ideal, strict=True)]
    if float("inf") in limits:
        return [complex(position == limits.index(float("inf"))) for position in range(len(lines))]
    if sum(limits) > 0:
        return [complex(limit / sum(limits)) for limit in limits]
    return [complex(is_ideal) / sum(ideal) for is_ideal in ideal]
