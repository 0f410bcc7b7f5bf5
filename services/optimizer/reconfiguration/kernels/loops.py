"""Compiled search for loops: the lines that close one, the shortest that a line closes, and how far out a line is."""

from __future__ import annotations

import numpy as np

from services.optimizer.reconfiguration.kernels.jit import compiled, compiled_allocating
from services.optimizer.reconfiguration.network import BoolArray, IntArray


@compiled_allocating
def closing_lines(vertex_count: int, source: IntArray, target: IntArray, is_absent: BoolArray) -> IntArray:
    """Present lines that close a loop with present lines before them, in line order; without them there is none."""
    parent = np.arange(vertex_count, dtype=np.int32)
    closing = np.empty(source.size, dtype=np.int32)
    count = 0
    for line in range(source.size):
        if is_absent[line]:
            continue
        a, b = _find(parent, source[line]), _find(parent, target[line])
        if a == b:
            closing[count] = line
            count += 1
        else:
            parent[a] = b
    return closing[:count]


@compiled_allocating
def shortest_loop(
    first: IntArray,
    incident: IntArray,
    source: IntArray,
    target: IntArray,
    is_absent: BoolArray,
    line: int,
    limit: int,
) -> IntArray:
    """The shortest loop of present lines through one line, if it has fewer than ``limit`` lines.

    Returns:
        Its lines in path order, ``line`` first and walked from source to target; empty when there is none so short.
    """
    came_by = np.full(first.size - 1, -1, dtype=np.int32)
    length = np.zeros(first.size - 1, dtype=np.int32)
    queue = np.empty(first.size - 1, dtype=np.int32)
    begin, goal = target[line], source[line]
    came_by[begin] = line
    length[begin] = 1
    queue[0] = begin
    head, end = 0, 1
    while head < end and came_by[goal] < 0 and length[queue[head]] + 1 < limit:
        vertex = queue[head]
        head += 1
        for position in range(first[vertex], first[vertex + 1]):
            taken = incident[position]
            other = source[taken] + target[taken] - vertex
            if not is_absent[taken] and taken != line and came_by[other] < 0:
                came_by[other] = taken
                length[other] = length[vertex] + 1
                queue[end] = other
                end += 1
    if came_by[goal] < 0 or length[goal] >= limit:
        return np.empty(0, dtype=np.int32)
    loop = np.empty(length[goal], dtype=np.int32)
    vertex = goal
    for position in range(length[goal] - 1, -1, -1):
        taken = came_by[vertex]
        loop[position] = taken
        vertex = source[taken] + target[taken] - vertex
    return loop


@compiled_allocating
def hop_distances(first: IntArray, incident: IntArray, source: IntArray, target: IntArray, root: int) -> IntArray:
    """(n,) lines on the shortest way from ``root`` to each vertex, all lines present; -1 where there is none."""
    distance = np.full(first.size - 1, -1, dtype=np.int32)
    queue = np.empty(first.size - 1, dtype=np.int32)
    distance[root] = 0
    queue[0] = root
    head, end = 0, 1
    while head < end:
        vertex = queue[head]
        head += 1
        for position in range(first[vertex], first[vertex + 1]):
            line = incident[position]
            other = source[line] + target[line] - vertex
            if distance[other] < 0:
                distance[other] = distance[vertex] + 1
                queue[end] = other
                end += 1
    return distance


@compiled
def _find(parent: IntArray, vertex: int) -> int:
    """The representative of a vertex's set; shortens the way to it."""
    while parent[vertex] != vertex:
        parent[vertex] = parent[parent[vertex]]
        vertex = parent[vertex]
    return vertex
