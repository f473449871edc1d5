"""Compiled leapfrog for φ⁴ on any hypercubic lattice: one chain after the other, whole trajectories in the cache.

A lattice of shape (L_1, …, L_d) is stored as rows of its last axis. A site's neighbours are the two beside it in its
row and the sites above it in the ``2 (d - 1)`` neighbouring rows listed in a table, so the inner loop runs over
contiguous memory in any number of dimensions.
"""

from __future__ import annotations

from functools import cache

import numba as nb
import numpy as np


@cache
def row_neighbours(shape: tuple[int, ...]) -> np.ndarray:
    """Indices of the neighbouring rows, shape (rows, 2 (d - 1)), for a periodic lattice of that shape."""
    index = np.arange(int(np.prod(shape[:-1]))).reshape(shape[:-1])
    shifted = [np.roll(index, s, axis).ravel() for axis in range(len(shape) - 1) for s in (1, -1)]
    return np.stack(shifted, axis=1) if shifted else np.zeros((1, 0), dtype=np.int64)


@nb.njit(inline="always")
def _neighbours(phi, table, r, out):  # pragma: no cover (compiled)
    """out[j] = Σ_{±μ} φ at the neighbours of site (r, j)."""
    row, last = phi[r], phi.shape[1] - 1
    for j in range(1, last):
        out[j] = row[j - 1] + row[j + 1]
    out[0] = row[last] + row[1]
    out[last] = row[last - 1] + row[0]
    for k in range(table.shape[1]):
        beside = phi[table[r, k]]
        for j in range(last + 1):
            out[j] += beside[j]


@nb.njit(inline="always")
def _kick(phi, p, table, c, step, out):  # pragma: no cover (compiled)
    for r in range(phi.shape[0]):
        _neighbours(phi, table, r, out)
        for j in range(phi.shape[1]):
            x = phi[r, j]
            p[r, j] += step * (c[0] * out[j] - x * (c[1] + c[2] * x * x))


@nb.njit(inline="always")
def _energy(phi, p, table, kappa, lam, out):  # pragma: no cover (compiled)
    total = 0.0
    for r in range(phi.shape[0]):
        _neighbours(phi, table, r, out)
        for j in range(phi.shape[1]):
            x, q = np.float64(phi[r, j]), np.float64(p[r, j])
            total += x * ((1 - 2 * lam) * x + lam * x * x * x - kappa * np.float64(out[j])) + q * q / 2
    return total


@nb.njit(nogil=True, cache=True, fastmath=True)
def leapfrog(phi, p, table, kappa, lam, step, steps, delta):  # pragma: no cover (compiled)
    """Integrate every chain in place; ``phi`` and ``p`` are (chains, rows, sites), ``delta`` takes ΔH (float64)."""
    out = np.empty(phi.shape[2], dtype=phi.dtype)
    c = np.empty(4, dtype=phi.dtype)  # coefficients in the precision of the field, so that loops stay in it
    c[0], c[1], c[2], c[3] = 2 * kappa, 2 * (1 - 2 * lam), 4 * lam, step
    half = np.empty(1, dtype=phi.dtype)
    half[0] = step / 2
    for chain in range(phi.shape[0]):
        x, q = phi[chain], p[chain]
        before = _energy(x, q, table, kappa, lam, out)
        _kick(x, q, table, c, half[0], out)
        for i in range(steps):
            for r in range(x.shape[0]):
                for j in range(x.shape[1]):
                    x[r, j] += c[3] * q[r, j]
            _kick(x, q, table, c, half[0] if i == steps - 1 else c[3], out)
        delta[chain] = _energy(x, q, table, kappa, lam, out) - before
