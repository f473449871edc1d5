"""Compiled cluster updates of the signs of a φ⁴ field, on any lattice given by its table of neighbours.

At fixed |φ| the signs are an Ising model with couplings 2κ |φ_x φ_y|. A link between equal signs is bound with
probability ``p = 1 - exp(-4κ |φ_x φ_y|)``; where an extent is 2, two sites share two links, each bound on its own.
Random numbers are drawn in the kernel by address: a chain's counters depend on its number alone.
"""

from __future__ import annotations

from functools import cache

import numba as nb
import numpy as np

from core.noise import philox
from core.theories.phi4_metropolis_kernel import fill_decisions

BATCH = 64
"""Random numbers that the growth of a single cluster draws at a time."""


@cache
def site_neighbours(shape: tuple[int, ...]) -> np.ndarray:
    """Indices of the neighbours of each site, shape (2d, V): forward and backward in the first direction, and so on."""
    index = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
    return np.stack([np.roll(index, s, axis).ravel() for axis in range(len(shape)) for s in (-1, 1)])


@nb.njit(inline="always")
def _words(counter, step, k0, k1):  # pragma: no cover (compiled)
    low, high = np.uint32(counter), np.uint32(counter >> 32)
    return philox(low, high, np.uint32(step), np.uint32(0), np.uint32(k0), np.uint32(k1))


@nb.njit(inline="always")
def _root(parent, x):  # pragma: no cover (compiled)
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@nb.njit(nogil=True, cache=True, error_model="numpy")
def swendsen_wang(phi, table, kappa, first, step, k0, k1):  # pragma: no cover (compiled)
    """Flip every cluster of every chain with probability ½, in place; ``phi`` is (chains, V)."""
    volume, directions = phi.shape[1], table.shape[0] // 2
    links, signs = (volume + 3) // 4, (volume + 127) // 128  # counters for the links of a direction, for the flips
    decision = np.empty(4 * links)
    parent, bits = np.empty(volume, dtype=np.int32), np.empty(4 * signs, dtype=np.uint32)
    for chain in range(phi.shape[0]):
        field = phi[chain]
        counter = (first + chain) * (directions * links + signs)
        for x in range(volume):
            parent[x] = x
        for mu in range(directions):
            fill_decisions(decision, counter, step, k0, k1)
            counter += links
            forward = table[2 * mu]
            for x in range(volume):
                if decision[x] < 4 * kappa * np.float64(field[x]) * np.float64(field[forward[x]]):
                    a, b = _root(parent, x), _root(parent, forward[x])
                    parent[max(a, b)] = min(a, b)  # so a parent comes before its children
        for block in range(signs):
            a, b, c, d = _words(counter + block, step, k0, k1)
            bits[4 * block], bits[4 * block + 1], bits[4 * block + 2], bits[4 * block + 3] = a, b, c, d
        for x in range(volume):
            root = parent[parent[x]]
            parent[x] = root
            if (bits[root >> 5] >> np.uint32(root & 31)) & np.uint32(1):  # the root's own bit decides for its cluster
                field[x] = -field[x]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def wolff(phi, table, kappa, first, step, k0, k1):  # pragma: no cover (compiled)
    """Flip the cluster of one random site of every chain, in place; ``phi`` is (chains, V)."""
    volume, directions = phi.shape[1], table.shape[0]
    batches = (directions // 2 * volume) // BATCH + 1  # no link is asked twice
    decision = np.empty(BATCH)
    stack = np.empty(volume, dtype=np.int32)
    for chain in range(phi.shape[0]):
        field = phi[chain]
        counter, drawn = (first + chain) * (1 + batches * (BATCH // 4)), BATCH
        stack[0] = (np.uint64(_words(counter, step, k0, k1)[0]) * np.uint64(volume)) >> np.uint64(32)
        counter += 1
        field[stack[0]] = -field[stack[0]]
        height = 1
        while height > 0:  # a site flips when it joins, so links inside the cluster are no longer antiparallel
            height -= 1
            x = stack[height]
            for k in range(directions):
                y = table[k, x]
                strength = -4 * kappa * np.float64(field[x]) * np.float64(field[y])
                if strength > 0:
                    if drawn == BATCH:
                        fill_decisions(decision, counter, step, k0, k1)
                        counter, drawn = counter + BATCH // 4, 0
                    drawn += 1
                    if decision[drawn - 1] < strength:
                        field[y] = -field[y]
                        stack[height] = y
                        height += 1
