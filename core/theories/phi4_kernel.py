"""Compiled molecular dynamics for φ⁴ on any hypercubic lattice: one chain after the other, all of it in the cache.

A lattice is stored as planes of its last two axes, each plane framed by a copy of its opposite edges. A plane is then
one flat array in which the four neighbours of a site are at fixed distances, so that one loop without branches runs
over the whole of it and compiles to vector instructions; numbers in the frame's columns are computed along and
overwritten. Neighbours in the other directions are whole planes, listed in a table. A lattice in one dimension is one
row whose frame above and below holds zeros.

The field is written to a second array in the loop that changes the momenta, which are read and written once for a
kick and the drift after it.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numba as nb
import numpy as np

from core.noise import fill_normal, fill_uniform

# Sums may be reordered and products fused; unlike with fastmath=True, a chain that runs away still gives nan.
MATHS = {"reassoc", "contract", "nsz"}


class Layout(NamedTuple):
    """How the sites of a lattice lie in memory: ``planes`` of ``rows`` × ``columns`` sites.

    ``table`` (planes, 2 (d - 2)) lists the neighbouring planes of each plane; ``wrap`` is whether rows have
    neighbouring rows.
    """

    planes: int
    rows: int
    columns: int
    table: np.ndarray
    wrap: bool


@cache
def layout(shape: tuple[int, ...]) -> Layout:
    """The layout of a periodic lattice of this shape, in any number of dimensions."""
    if len(shape) == 1:
        return Layout(1, 1, shape[0], np.zeros((1, 0), dtype=np.int64), False)
    index = np.arange(int(np.prod(shape[:-2]))).reshape(shape[:-2])
    shifted = [np.roll(index, s, axis).ravel() for axis in range(index.ndim) for s in (1, -1)]
    table = np.stack(shifted, axis=1) if shifted else np.zeros((1, 0), dtype=np.int64)
    return Layout(index.size, shape[-2], shape[-1], table, True)


@nb.njit(inline="always")
def frame(phi, rows, columns, wrap):  # pragma: no cover (compiled)
    """Copy the edges of one plane to the opposite sides of its frame."""
    stride = columns + 2
    for r in range(1, rows + 1):
        phi[r * stride] = phi[r * stride + columns]
        phi[r * stride + columns + 1] = phi[r * stride + 1]
    if wrap:
        for j in range(stride):
            phi[j] = phi[rows * stride + j]
            phi[(rows + 1) * stride + j] = phi[stride + j]


@nb.njit(inline="always")
def kick_across(beside, p, columns, size, hop):  # pragma: no cover (compiled)
    """The part of the kick that comes from the plane ``beside``."""
    phi, momentum = beside[columns + 3 :], p[columns + 3 :]
    for j in range(size):
        momentum[j] += hop * phi[j]


@nb.njit(inline="always")
def kick_and_drift(phi, new, p, columns, size, hop, linear, cubic, drift):  # pragma: no cover (compiled)
    """p += kick · K(φ) within a plane, then new = φ + drift · p; the coefficients hold the length of the kick."""
    first, stride = columns + 3, columns + 2
    here, out, momentum = phi[first:], new[first:], p[first:]
    left, right, up, down = phi[first - 1 :], phi[first + 1 :], phi[first - stride :], phi[first + stride :]
    for j in range(size):
        x = here[j]
        q = momentum[j] + (hop * ((left[j] + right[j]) + (up[j] + down[j])) - x * (linear + cubic * x * x))
        momentum[j] = q
        out[j] = x + drift * q


@nb.njit(inline="always")
def _action(phi, table, rows, columns, kappa, lam):  # pragma: no cover (compiled)
    """S of one framed configuration, in float64: links to the right and below, half of those across planes."""
    total, stride = 0.0, columns + 2
    mass = 1 - 2 * lam
    for plane in range(phi.shape[0]):
        for r in range(1, rows + 1):
            here, right = phi[plane, r * stride + 1 :], phi[plane, r * stride + 2 :]
            down = phi[plane, (r + 1) * stride + 1 :]  # zeros in one dimension
            for j in range(columns):
                x = np.float64(here[j])
                links = np.float64(right[j]) + np.float64(down[j])
                total += x * (x * (mass + lam * x * x) - 2 * kappa * links)
            for k in range(table.shape[1]):
                beside = phi[table[plane, k], r * stride + 1 :]
                across = 0.0
                for j in range(columns):
                    across += np.float64(here[j]) * np.float64(beside[j])
                total -= kappa * across
    return total


@nb.njit(inline="always")
def _kinetic(p):  # pragma: no cover (compiled)
    total = 0.0
    for j in range(p.size):
        total += np.float64(p[j]) * np.float64(p[j])
    return total / 2


@nb.njit(inline="always")
def load(sites, framed, rows, columns):  # pragma: no cover (compiled)
    """Contiguous sites into the inside of the frames."""
    stride = columns + 2
    for plane in range(framed.shape[0]):
        for r in range(rows):
            source, target = sites[(plane * rows + r) * columns :], framed[plane, (r + 1) * stride + 1 :]
            for j in range(columns):
                target[j] = source[j]


@nb.njit(inline="always")
def store(framed, sites, rows, columns):  # pragma: no cover (compiled)
    """The inside of the frames into contiguous sites."""
    stride = columns + 2
    for plane in range(framed.shape[0]):
        for r in range(rows):
            source, target = framed[plane, (r + 1) * stride + 1 :], sites[(plane * rows + r) * columns :]
            for j in range(columns):
                target[j] = source[j]


@nb.njit(inline="always")
def _move(work, table, rows, columns, wrap, kappa, lam, kicks, drifts):  # pragma: no cover (compiled)
    """One chain, field and momenta framed in ``work[0]`` and ``work[2]``; returns where the field is then, 0 or 1."""
    old, new, p = work[0], work[1], work[2]
    size = (rows - 1) * (columns + 2) + columns
    c = np.empty(4, dtype=work.dtype)  # coefficients in the precision of the field, so that loops stay in it
    for i in range(kicks.size):
        c[0], c[1], c[2] = 2 * kappa * kicks[i], 2 * (1 - 2 * lam) * kicks[i], 4 * lam * kicks[i]
        c[3] = drifts[i] if i < drifts.size else 0.0
        hop, linear, cubic, drift = c[0], c[1], c[2], c[3]
        for plane in range(old.shape[0]):
            for k in range(table.shape[1]):
                kick_across(old[table[plane, k]], p[plane], columns, size, hop)
            kick_and_drift(old[plane], new[plane], p[plane], columns, size, hop, linear, cubic, drift)
            frame(new[plane], rows, columns, wrap)
        old, new = new, old
    return kicks.size % 2


@nb.njit(inline="always")
def _prepare(x, p, work, rows, columns, wrap):  # pragma: no cover (compiled)
    """Contiguous field and momenta of one chain into ``work[0]`` and ``work[2]``."""
    load(x, work[0], rows, columns)
    load(p, work[2], rows, columns)
    for plane in range(work.shape[1]):
        frame(work[0, plane], rows, columns, wrap)


@nb.njit(inline="always")
def _negate(x):  # pragma: no cover (compiled)
    for j in range(x.size):
        x[j] = -x[j]


@nb.njit(nogil=True, cache=True, fastmath=MATHS, error_model="numpy")
def integrate(x, p, y, q, table, rows, columns, wrap, kappa, lam, kicks, drifts, delta):  # pragma: no cover (compiled)
    """Every chain from (x, p) to (y, q), all (chains, sites) and contiguous; ``delta`` (chains,) takes ΔH, float64.

    ``kicks[0]``, ``drifts[0]``, ``kicks[1]``, … are the lengths of the moves of momenta and fields in turn; there is
    one kick more than there are drifts.
    """
    work = np.zeros((3, table.shape[0], (rows + 2) * (columns + 2)), dtype=x.dtype)
    for chain in range(x.shape[0]):
        _prepare(x[chain], p[chain], work, rows, columns, wrap)
        before = _kinetic(p[chain]) + _action(work[0], table, rows, columns, kappa, lam)
        end = _move(work, table, rows, columns, wrap, kappa, lam, kicks, drifts)
        store(work[end], y[chain], rows, columns)
        store(work[2], q[chain], rows, columns)
        delta[chain] = _kinetic(q[chain]) + _action(work[end], table, rows, columns, kappa, lam) - before


@nb.njit(nogil=True, cache=True, fastmath=MATHS, error_model="numpy")
def trajectory(
    x, y, table, rows, columns, wrap, kappa, lam, kicks, drifts, address, flips, metropolis, accepted, delta
):  # pragma: no cover (compiled)
    """A step of HMC: momenta drawn here, moves, decision and random sign of every chain.

    ``address`` holds the first path, the step and the two key words of the deviates, ``flips`` those of the random
    signs, or is empty. ``y`` takes the new fields, ``accepted`` (chains,) the decisions, ``delta`` (chains,) ΔH.
    """
    work = np.zeros((3, table.shape[0], (rows + 2) * (columns + 2)), dtype=x.dtype)
    p, u = np.empty(x.shape[1], dtype=x.dtype), np.empty(1)
    for chain in range(x.shape[0]):
        path = address[0] + chain
        fill_normal(p, path * x.shape[1], address[1], address[2], address[3])
        _prepare(x[chain], p, work, rows, columns, wrap)
        before = _kinetic(p) + _action(work[0], table, rows, columns, kappa, lam)
        end = _move(work, table, rows, columns, wrap, kappa, lam, kicks, drifts)
        store(work[2], p, rows, columns)
        delta[chain] = _kinetic(p) + _action(work[end], table, rows, columns, kappa, lam) - before
        if metropolis:
            fill_uniform(u, path, address[1], address[2], address[3])
            accepted[chain] = np.log(u[0]) < -delta[chain]
        else:
            accepted[chain] = abs(delta[chain]) < np.inf  # isfinite subtracts, and reordered maths make 0 of it
        if accepted[chain]:
            store(work[end], y[chain], rows, columns)
        else:
            y[chain] = x[chain]
        if flips.size:
            fill_uniform(u, flips[0] + chain, flips[1], flips[2], flips[3])
            if u[0] < 0.5:
                _negate(y[chain])
