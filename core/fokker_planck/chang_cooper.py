"""Implicit steps of a one-dimensional Fokker–Planck equation that keep the mass and the sign of the density.

The equation ``∂_s P = -∂_ξ F, F = b P - ∂_ξ P`` (unit diffusion) lives on n cells of width h with no flux through
the two ends. The flux through the face between cells j and j + 1 is that of Scharfetter and Gummel, which for a
drift constant between the two centres is the flux of Chang and Cooper (J. Comput. Phys. 6 (1970) 1):

    F = [B(-z) P_j - B(z) P_{j+1}] / h,    B(z) = z / (e^z - 1),    z = h b   (or the drop S_j - S_{j+1})

It vanishes exactly where ``P_{j+1} / P_j = e^z``: with ``z = S_j - S_{j+1}`` the discrete stationary state is
``exp(-S_j)``. Both coefficients are positive, so ``(1 - step A)`` is an M-matrix whose columns sum to one, and its
elimination needs no subtraction (Grassmann, Taksar, Heyman, Oper. Res. 33 (1985) 1107): every component of the
solution is positive and good to a few roundings of itself, however small it is, and the mass is kept to rounding.

Order in time: ``order=1`` is backward Euler. ``order=2`` is the L-stable singly diagonally implicit Runge–Kutta
method with γ = 1 - 1/√2 (Alexander, SIAM J. Numer. Anal. 14 (1977) 1006). No linear method of second order keeps
the sign at every step size, so where this one undershoots its flux is blended with that of backward Euler just
enough to leave nothing negative (the limiter of Zalesak, J. Comput. Phys. 31 (1979) 335): positive always, second
order wherever the step resolves the density.

Arrays have shape (n, lines): independent lines side by side, so that the recurrences along n vectorise in 2D.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

_GAMMA = 1 - 1 / math.sqrt(2)
_ROOT2 = math.sqrt(2)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def face_rates(z, up, down):  # pragma: no cover (compiled)
    """Fill the hopping rates in units of 1/h²: ``up = B(-z)`` from j to j + 1 and ``down = B(z)`` back."""
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            a = abs(z[j, i])
            b = 1.0 - a / 2 + a * a / 12 if a < 1e-4 else (a / math.expm1(a) if a < 700.0 else 0.0)
            if z[j, i] > 0:
                up[j, i], down[j, i] = a + b, b
            else:
                up[j, i], down[j, i] = b, a + b


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _factorise(up, down, step, inverse):  # pragma: no cover (compiled)
    # Pivot of row j: excess + up; the excess (what the column keeps) obeys e_j = 1 + down_j e_{j-1} / pivot_{j-1}.
    n, lines = inverse.shape
    excess = np.ones(lines)
    for i in range(lines):
        inverse[0, i] = 1.0 / (1.0 + step * up[0, i])
    for j in range(1, n):
        for i in range(lines):
            excess[i] = 1.0 + step * down[j - 1, i] * excess[i] * inverse[j - 1, i]
            inverse[j, i] = 1.0 / (excess[i] + (step * up[j, i] if j < n - 1 else 0.0))


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _solve(up, down, step, inverse, p, out):  # pragma: no cover (compiled)
    """Fill ``out`` with the solution of ``(1 - step A) out = p``, given the inverse pivots."""
    n, lines = p.shape
    for i in range(lines):
        out[0, i] = p[0, i]
    for j in range(1, n):
        for i in range(lines):
            out[j, i] = p[j, i] + step * up[j - 1, i] * inverse[j - 1, i] * out[j - 1, i]
    for i in range(lines):
        out[n - 1, i] *= inverse[n - 1, i]
    for j in range(n - 2, -1, -1):
        for i in range(lines):
            out[j, i] = (out[j, i] + step * down[j, i] * out[j + 1, i]) * inverse[j, i]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _limit(low, high):  # pragma: no cover (compiled)
    """Fill ``high`` with ``low`` plus as much of the flux that makes up ``high - low`` as keeps it positive."""
    n, lines = low.shape
    flux = np.zeros((n + 1, lines))  # through the lower face of each cell, upwards
    for j in range(n - 1):
        for i in range(lines):
            flux[j + 1, i] = flux[j, i] + low[j, i] - high[j, i]
    keep = np.ones((n, lines))  # the share of its outflow that a cell can afford
    for j in range(n):
        for i in range(lines):
            leaving = max(flux[j + 1, i], 0.0) - min(flux[j, i], 0.0)
            if leaving > low[j, i]:
                keep[j, i] = (1 - 1e-15) * low[j, i] / leaving
    for j in range(1, n):
        for i in range(lines):
            flux[j, i] *= keep[j - 1, i] if flux[j, i] > 0 else keep[j, i]
    for j in range(n):
        for i in range(lines):
            high[j, i] = low[j, i] + flux[j, i] - flux[j + 1, i]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def advance(p, up, down, step, order):  # pragma: no cover (compiled)
    """The densities ``p`` of shape (n, lines) after a time ``step`` (in units of h²), as a new array.

    ``up`` and ``down``, shape (n - 1, lines), are the rates of ``face_rates``; ``order`` is 1 or 2.
    """
    inverse, out = np.empty_like(p), np.empty_like(p)
    if order == 1:
        _factorise(up, down, step, inverse)
        _solve(up, down, step, inverse, p, out)
        return out
    # The stability function (1 + (1 - 2γ)z)/(1 - γz)² is (1 + √2) w² - √2 w with w = 1/(1 - γz).
    once = np.empty_like(p)
    _factorise(up, down, _GAMMA * step, inverse)
    _solve(up, down, _GAMMA * step, inverse, p, once)
    _solve(up, down, _GAMMA * step, inverse, once, out)
    undershoot = False
    for j in range(p.shape[0]):
        for i in range(p.shape[1]):
            out[j, i] = (1 + _ROOT2) * out[j, i] - _ROOT2 * once[j, i]
            undershoot |= out[j, i] < 0
    if undershoot:
        _factorise(up, down, step, inverse)
        _solve(up, down, step, inverse, p, once)
        _limit(once, out)
    return out
