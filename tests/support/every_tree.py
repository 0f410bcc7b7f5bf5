"""Every radial configuration of a small grid with one provider, with its loss: all at once by linear algebra.

Nothing of the optimiser is used. A set of open lines leaves a tree where the loops that they close are independent, and the
flow of a tree follows from the inverse of its incidence matrix, by repeating the currents of loads at constant power.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from services.optimizer.reconfiguration.network import BoolArray, BusKind, ComplexArray, FloatArray, PowerGrid

CHUNK = 2000  # trees at a time
FIRST_ROUNDS = 4
NEAR = 0.97  # of the lowest voltage: a tree that is below it by then is given up
ROUNDS = 14
SETTLED = 1e-13  # change of a voltage in the last round, relative


def every_tree(grid: PowerGrid) -> BoolArray:
    """(K, L) all configurations that connect every node over one path; every line must be switchable."""
    incidence = _incidence(grid)
    loops = _independent_loops(incidence)
    count = loops.shape[0]
    chosen = np.array(list(combinations(range(len(grid.lines)), count)))
    is_tree = np.concatenate(
        [np.abs(np.linalg.det(loops[:, part].transpose(1, 0, 2))) > 0.5 for part in np.array_split(chosen, 50)]
    )
    is_open: BoolArray = np.zeros((int(is_tree.sum()), len(grid.lines)), dtype=bool)
    np.put_along_axis(is_open, chosen[is_tree], values=True, axis=1)
    return is_open


def losses_w(grid: PowerGrid, trees: BoolArray, demand_va: ComplexArray) -> FloatArray:
    """(T, K) loss of each tree under each of several demands (T, N).

    It is infinite where a consumer's voltage is beyond its limits or the flow does not settle.
    """
    parts = np.array_split(trees, max(len(trees) // CHUNK, 1))
    return np.concatenate([_losses(grid, part, demand_va) for part in parts], axis=1)


def _incidence(grid: PowerGrid) -> FloatArray:
    """(N - 1, L) without the provider: 1 where a line begins, -1 where it ends."""
    matrix = np.zeros((len(grid.nodes), len(grid.lines)))
    for k, line in enumerate(grid.lines):
        matrix[line.source, k], matrix[line.target, k] = 1.0, -1.0
    return matrix[[node.kind is not BusKind.PROVIDER for node in grid.nodes]]


def _independent_loops(incidence: FloatArray) -> FloatArray:
    """(L - N + 1, L) loops, one for each line that a first tree does not have."""
    tree: list[int] = []
    for line in range(incidence.shape[1]):
        if np.linalg.matrix_rank(incidence[:, [*tree, line]]) == len(tree) + 1:
            tree.append(line)
    others = [line for line in range(incidence.shape[1]) if line not in tree]
    loops = np.zeros((len(others), incidence.shape[1]))
    loops[:, others] = np.eye(len(others))
    loops[:, tree] = -np.rint(np.linalg.solve(incidence[:, tree], incidence[:, others])).T
    return loops


def _losses(grid: PowerGrid, trees: BoolArray, demand_va: ComplexArray) -> FloatArray:
    incidence = _incidence(grid)
    consumers = [k for k, node in enumerate(grid.nodes) if node.kind is not BusKind.PROVIDER]
    (v_gen,) = (node.v_gen_v for node in grid.nodes if node.kind is BusKind.PROVIDER)
    lowest = np.array([grid.nodes[k].v_min_v for k in consumers])
    highest = np.array([grid.nodes[k].v_max_v for k in consumers])
    closed = np.nonzero(~trees)[1].reshape(len(trees), -1)
    # Currents in the lines are -paths @ currents drawn, and voltages at the nodes fall by paths.T @ (z * currents).
    paths = np.linalg.inv(incidence[:, closed].transpose(1, 0, 2))
    r = np.array([line.r_ohm for line in grid.lines])[closed]
    z = np.array([complex(line.r_ohm, line.x_ohm) for line in grid.lines])[closed]
    impedance = paths.transpose(0, 2, 1) @ (z[:, :, None] * paths)
    losses = np.full((len(demand_va), len(trees)), np.inf)

    def drawn(power_va: ComplexArray, v: ComplexArray) -> ComplexArray:
        current: ComplexArray = np.conj(power_va / v)[:, :, None]
        return current

    for loss, power_va in zip(losses, demand_va[:, consumers], strict=True):
        v = np.full((len(trees), len(consumers)), complex(v_gen))
        for _ in range(FIRST_ROUNDS):
            v = v_gen - (impedance @ drawn(power_va, v))[:, :, 0]
        near = np.flatnonzero((np.abs(v) >= NEAR * lowest).all(axis=1))  # voltages only fall from round to round
        v, its_impedance = v[near], impedance[near]
        for _ in range(ROUNDS):
            before = v
            v = v_gen - (its_impedance @ drawn(power_va, v))[:, :, 0]
        current = (paths[near] @ drawn(power_va, v))[:, :, 0]
        is_fine = (np.abs(v - before) <= SETTLED * v_gen).all(axis=1)
        is_fine &= ((np.abs(v) >= lowest) & (np.abs(v) <= highest)).all(axis=1)
        loss[near[is_fine]] = (r[near] * np.abs(current) ** 2).sum(axis=1)[is_fine]
    return losses
