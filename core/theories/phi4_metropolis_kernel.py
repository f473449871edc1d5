"""Compiled local updates of φ⁴ on any hypercubic lattice of even extents: Metropolis sweeps and overrelaxation.

The two colours of the checkerboard do not touch each other, so a colour may be updated all at once. A lattice is
stored as the even and the odd sites of its rows, ``field[side, row, m]`` = φ at site 2m + side of the row: there the
sites of one colour and all their neighbours lie in contiguous memory, and the inner loops vectorise. Random numbers
are drawn in the kernel by address (``core.noise``): a chain's counters depend on its number alone.
"""

from __future__ import annotations

import math
from functools import cache

import numba as nb
import numpy as np

from core.noise import _philox, _radius

EXACT = {"reassoc", "nsz", "arcp", "contract"}
"""Liberties of the compiler that keep the rules for infinities and nan: a move to nan or to infinity is refused."""


@cache
def row_neighbours(shape: tuple[int, ...]) -> np.ndarray:
    """Indices of the neighbouring rows of each row, shape (rows, 2 (d - 1)), for a periodic lattice of that shape."""
    index = np.arange(math.prod(shape[:-1])).reshape(shape[:-1])
    shifted = [np.roll(index, s, axis).ravel() for axis in range(len(shape) - 1) for s in (1, -1)]
    return np.stack(shifted, axis=1) if shifted else np.zeros((1, 0), dtype=np.int64)


@cache
def row_parities(shape: tuple[int, ...]) -> np.ndarray:
    """Parity of the coordinate sum of each row's first site, shape (rows,)."""
    return (np.indices(shape[:-1]).sum(0) % 2).reshape(-1).astype(np.int64)


def reflection_centre(kappa: float, lam: float, scale: float) -> np.ndarray:
    """(a, b, c) such that min(a Σ, b + c Σ) bounds the minimum of a site's action from above, Σ >= 0 its neighbours.

    The minimum solves φ³ + p φ = q, p = (1-2λ)/(2λ), q = κΣ/(2λ), so it is below q/p and below √(-p) + q^{1/3}; the
    second bound is replaced by the tangent of the cube root at q = ``scale``³. Newton's method falls monotonically
    from there.
    """
    mass = 1 - 2 * lam
    steepest = kappa / mass if mass > 0 else 1e300
    if lam == 0:
        return np.array([steepest, 0.0, steepest])
    outer = math.sqrt(max(0.0, -mass / (2 * lam)))
    return np.array([steepest, outer + 2 * scale / 3, kappa / (6 * lam * scale**2)])


@nb.njit(inline="always")
def _exponential(word):  # pragma: no cover (compiled)
    """-log u, u = (word + ½)/2³²; the compiler leaves the root out."""
    radius = _radius(word)
    return radius * radius / 2


@nb.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def fill_decisions(out, counter, step, k0, k1):  # pragma: no cover (compiled)
    """-log u of out.size numbers (a multiple of 4), four to a counter from ``counter`` on: accept ΔS below it."""
    quarter = out.size // 4
    for i in range(quarter):
        low, high = np.uint32(counter + i), np.uint32((counter + i) >> 32)
        a, b, c, d = _philox(low, high, np.uint32(step), np.uint32(0), np.uint32(k0), np.uint32(k1))
        out[i], out[i + quarter] = _exponential(a), _exponential(b)
        out[i + 2 * quarter], out[i + 3 * quarter] = _exponential(c), _exponential(d)


@nb.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _fill_moves(move, decision, counter, step, k0, k1):  # pragma: no cover (compiled)
    """Uniform moves in (-1, 1) and -log u of their decisions, two sites to a counter."""
    half = move.size // 2
    for i in range(half):
        low, high = np.uint32(counter + i), np.uint32((counter + i) >> 32)
        a, b, c, d = _philox(low, high, np.uint32(step), np.uint32(0), np.uint32(k0), np.uint32(k1))
        move[i] = (a + 0.5) * 2.0**-31 - 1.0
        move[i + half] = (c + 0.5) * 2.0**-31 - 1.0
        decision[i], decision[i + half] = _exponential(b), _exponential(d)


@nb.njit(inline="always")
def _neighbours(field, table, side, r, out):  # pragma: no cover (compiled)
    """out[m] = Σ_{±μ} φ at the neighbours of site 2m + side of row r."""
    other, last = field[1 - side, r], out.size - 1
    if side == 0:
        out[0] = other[0] + other[last]
        for m in range(1, last + 1):
            out[m] = other[m] + other[m - 1]
    else:
        out[last] = other[last] + other[0]
        for m in range(last):
            out[m] = other[m] + other[m + 1]
    for k in range(table.shape[1]):
        beside = field[side, table[r, k]]
        for m in range(last + 1):
            out[m] += beside[m]


@nb.njit(inline="always")
def _change(x, y, neighbours, kappa, lam):  # pragma: no cover (compiled)
    """S(y) - S(x) of one site, without the cancellation of large actions."""
    total = x + y
    return (y - x) * (total * (1 - 2 * lam + lam * (x * x + y * y)) - 2 * kappa * neighbours)


@nb.njit(nogil=True, cache=True, fastmath=EXACT, error_model="numpy")
def _metropolis(own, neighbours, move, decision, kappa, lam, step_size):  # pragma: no cover (compiled)
    accepted = 0
    for m in range(own.size):
        x = np.float64(own[m])
        y = x + step_size * np.float64(move[m])
        accept = _change(x, y, np.float64(neighbours[m]), kappa, lam) < decision[m]
        own[m] = y if accept else x
        accepted += accept
    return accepted


@nb.njit(nogil=True, cache=True, fastmath=EXACT, error_model="numpy")
def _reflect(own, neighbours, decision, kappa, lam, bound):  # pragma: no cover (compiled)
    mass = 1 - 2 * lam
    for m in range(own.size):
        x, s = np.float64(own[m]), np.float64(neighbours[m])
        pull = abs(s)
        c = min(bound[0] * pull, bound[1] + bound[2] * pull)
        for _ in range(4):
            c = (4 * lam * c * c * c + kappa * pull) / (mass + 6 * lam * c * c)
        y = 2 * (c if s > 0 else -c) - x
        own[m] = y if _change(x, y, s, kappa, lam) < decision[m] else x


@nb.njit(nogil=True, cache=True, error_model="numpy")
def sweeps(
    phi, table, parity, kappa, lam, bound, step_size, count, reflections, first, step, k0, k1, rate
):  # pragma: no cover (compiled)
    """Update every chain in place; ``phi`` is (chains, rows, sites), ``rate`` (chains,) takes the accepted fraction.

    ``count`` Metropolis sweeps with moves up to ``step_size``, each followed by ``reflections`` sweeps of
    overrelaxation about ``bound`` (see ``reflection_centre``). ``first``, ``step``, ``k0``, ``k1`` address the noise.
    """
    rows, half = phi.shape[1], phi.shape[2] // 2
    sites = rows * half  # of one colour
    size = 4 * ((sites + 3) // 4)
    field = np.empty((2, rows, half), dtype=phi.dtype)
    neighbours, move, decision = np.empty(half, phi.dtype), np.empty(size, phi.dtype), np.empty(size)
    for chain in range(phi.shape[0]):
        for r in range(rows):
            for m in range(half):
                field[0, r, m], field[1, r, m] = phi[chain, r, 2 * m], phi[chain, r, 2 * m + 1]
        counter, accepted = (first + chain) * 2 * count * (1 + reflections) * (size // 2), 0
        for _ in range(count):
            for kind in range(1 + reflections):
                for colour in range(2):
                    if kind == 0:
                        _fill_moves(move, decision, counter, step, k0, k1)
                    else:
                        fill_decisions(decision, counter, step, k0, k1)
                    counter += size // 2
                    for r in range(rows):
                        side = (colour + parity[r]) % 2
                        own, u = field[side, r], decision[r * half : (r + 1) * half]
                        _neighbours(field, table, side, r, neighbours)
                        if kind == 0:
                            v = move[r * half : (r + 1) * half]
                            accepted += _metropolis(own, neighbours, v, u, kappa, lam, step_size)
                        else:
                            _reflect(own, neighbours, u, kappa, lam, bound)
        for r in range(rows):
            for m in range(half):
                phi[chain, r, 2 * m], phi[chain, r, 2 * m + 1] = field[0, r, m], field[1, r, m]
        rate[chain] = accepted / (2.0 * sites * count)
