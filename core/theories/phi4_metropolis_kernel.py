"""Compiled local updates of φ⁴ on any hypercubic lattice of even extents: Metropolis sweeps and overrelaxation.

The sites of one colour of the checkerboard do not touch each other, so they may be updated all at once. A lattice is
stored colour by colour and the neighbours are gathered by a table, so that every loop runs over a whole block of
sites and vectorises, in any number of dimensions. Random numbers are drawn in the kernel by address
(``core.noise``): a chain's counters depend on its number and on the lattice's volume alone.
"""

from __future__ import annotations

import math
from functools import cache

import numba as nb
import numpy as np

from core.noise import box_muller_radius, philox

EXACT = {"reassoc", "nsz", "arcp", "contract"}
"""Liberties of the compiler that keep the rules for infinities and nan: a move to nan or to infinity is refused."""

BLOCK = 1024
"""Sites of one colour that are updated together, in the L1 cache; a multiple of 4."""


@cache
def checkerboard(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The sites by colour, (2, V/2), and their neighbours, (2, 2d, V/2), as positions among the other colour's sites.

    Every extent must be even. Unsigned, because compiled code then need not look for negative indices.
    """
    parity = (np.indices(shape).sum(0) % 2).ravel()
    sites = np.stack([np.flatnonzero(parity == colour) for colour in (0, 1)])
    position = np.empty(math.prod(shape), dtype=np.uint32)
    position[sites] = np.arange(sites.shape[1])
    position = position.reshape(shape)
    beside = np.stack([np.roll(position, s, axis).ravel() for axis in range(len(shape)) for s in (1, -1)])
    return sites.astype(np.uint32), np.ascontiguousarray(beside[:, sites].swapaxes(0, 1))


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
    radius = box_muller_radius(word)
    return radius * radius / 2


@nb.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def fill_decisions(out, counter, step, k0, k1):  # pragma: no cover (compiled)
    """-log u of out.size numbers (a multiple of 4), four to a counter from ``counter`` on: accept ΔS below it."""
    quarter = out.size // 4
    for i in range(quarter):
        low, high = np.uint32(counter + i), np.uint32((counter + i) >> 32)
        a, b, c, d = philox(low, high, np.uint32(step), np.uint32(0), np.uint32(k0), np.uint32(k1))
        out[i], out[i + quarter] = _exponential(a), _exponential(b)
        out[i + 2 * quarter], out[i + 3 * quarter] = _exponential(c), _exponential(d)


@nb.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _fill_moves(move, decision, counter, step, k0, k1):  # pragma: no cover (compiled)
    """Uniform moves in (-1, 1) and -log u of their decisions, two sites to a counter."""
    half = move.size // 2
    for i in range(half):
        low, high = np.uint32(counter + i), np.uint32((counter + i) >> 32)
        a, b, c, d = philox(low, high, np.uint32(step), np.uint32(0), np.uint32(k0), np.uint32(k1))
        move[i] = (a + 0.5) * 2.0**-31 - 1.0
        move[i + half] = (c + 0.5) * 2.0**-31 - 1.0
        decision[i], decision[i + half] = _exponential(b), _exponential(d)


@nb.njit(nogil=True, cache=True, fastmath=EXACT, error_model="numpy")
def _neighbours(other, table, start, out):  # pragma: no cover (compiled)
    """out[i] = Σ_{±μ} φ at the neighbours of site start + i of a colour, all of them in the ``other`` one."""
    for k in range(0, table.shape[0], 2):
        one, two = table[k, start:], table[k + 1, start:]
        if k == 0:
            for i in range(out.size):
                out[i] = other[one[i]] + other[two[i]]
        else:
            for i in range(out.size):
                out[i] += other[one[i]] + other[two[i]]


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
        for _ in range(3):  # where λ = 0.022, 99.9 % of the acceptance about the exact minimum
            c = (4 * lam * c * c * c + kappa * pull) / (mass + 6 * lam * c * c)
        y = 2 * (c if s > 0 else -c) - x
        own[m] = y if _change(x, y, s, kappa, lam) < decision[m] else x


@nb.njit(nogil=True, cache=True, error_model="numpy")
def sweeps(
    phi, sites, table, kappa, lam, bound, step_size, count, reflections, first, step, k0, k1, rate
):  # pragma: no cover (compiled)
    """Update every chain in place; ``phi`` is (chains, V), ``rate`` (chains,) takes the accepted fraction.

    ``count`` Metropolis sweeps with moves up to ``step_size``, each followed by ``reflections`` sweeps of
    overrelaxation about ``bound`` (see ``reflection_centre``), in the order of ``sites`` and ``table`` (see
    ``checkerboard``). ``first``, ``step``, ``k0``, ``k1`` address the noise.
    """
    half = sites.shape[1]
    block = min(BLOCK, 4 * ((half + 3) // 4))
    draws = (half + block - 1) // block * (block // 2)  # counters that a colour uses
    field = np.empty((2, half), dtype=phi.dtype)
    neighbours, move, decision = np.empty(block, phi.dtype), np.empty(block, phi.dtype), np.empty(block)
    for chain in range(phi.shape[0]):
        for colour in range(2):
            for i in range(half):
                field[colour, i] = phi[chain, sites[colour, i]]
        counter, accepted = (first + chain) * 2 * count * (1 + reflections) * draws, 0
        for kind in range(count * (1 + reflections)):
            for colour in range(2):
                for start in range(0, half, block):
                    own = field[colour, start : min(start + block, half)]
                    beside = neighbours[: own.size]
                    _neighbours(field[1 - colour], table[colour], start, beside)
                    if kind % (1 + reflections) == 0:
                        _fill_moves(move, decision, counter, step, k0, k1)
                        accepted += _metropolis(own, beside, move, decision, kappa, lam, step_size)
                    else:
                        fill_decisions(decision, counter, step, k0, k1)
                        _reflect(own, beside, decision, kappa, lam, bound)
                    counter += block // 2
        for colour in range(2):
            for i in range(half):
                phi[chain, sites[colour, i]] = field[colour, i]
        rate[chain] = accepted / (2.0 * half * count)
