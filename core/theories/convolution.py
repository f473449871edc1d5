"""The law of ``f x_0 + √Ξ η`` for any P_0 in one variable: log-density and score by quadrature, tabulated.

In the units of the law itself, ``z = (x - f μ)/√(f² κ_2 + Ξ)``, the convolution has mean 0, variance 1 and one
parameter, the ratio ``ρ = √Ξ/(f √κ_2)``:

    z = a y + b η,  a = 1/√(1 + ρ²),  b = ρ a,   p(z) = ∫ dy p_0(y) N(z; a y, b²),   s(z) = ⟨a y - z⟩_z / b²

with the average over the posterior of y (Tweedie's formula). The integral is summed over Gauss–Legendre panels fine
enough for p_0 and for the kernel, everything in logarithms, so that the score is right in the far tails and between
wells too; where ρ is small against all structure of p_0 the sum runs over the noise instead, with
``s = -⟨S'(y)⟩_z / a``. The score is then a polynomial of degree 7 on each of some tens of cells that are bisected
until the interpolants of degrees 5 and 7 agree; beyond the cells it continues as that of a Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import factorial

import numba as nb
import numpy as np

from core.theories.quadrature import WEIGHTS as GAUSS_WEIGHTS
from core.theories.quadrature import Panels, nodes_of
from core.theories.support import Action

RELEVANT = 45.0
"""Where log p is this far below its maximum (p is 3e-20 of it) the accuracy of the score is not controlled."""
TOLERANCE = 3e-7
"""Asked of the score, relative to its root mean square plus its own size."""

_POINTS = 8
_CHEBYSHEV = np.cos(np.pi * (np.arange(_POINTS) + 0.5) / _POINTS)
_TO_POWERS = np.linalg.inv(np.vander(_CHEBYSHEV, increasing=True))
_TO_SERIES = np.linalg.inv(np.polynomial.chebyshev.chebvander(_CHEBYSHEV, _POINTS - 1))
_FIRST_CELLS = 10
_MOST_CELLS = 3000
_BINS = 512
_SMALLEST = -40.0
"""Exponents below it, relative to the largest, count as this: e^{-40} is less than the sum's rounding."""
_INVERSE_FACTORIALS = tuple(1.0 / factorial(n) for n in range(14))
_STEPS = np.arange(-10, 10.01, 0.5)  # the noise, where the sum runs over it


@dataclass(frozen=True)
class Table:
    """Score and log-density of one standardised law, as polynomials in t ∈ [-1, 1] on cells between ``edges``.

    ``bins`` leads from a uniform grid over all cells to the first cell that reaches into each of its bins, and
    ``ends`` holds z, log p, s and s' ≤ 0 at both ends. ``error`` is the largest difference between the interpolants
    of degrees 5 and 7 where log p > max - RELEVANT, relative to the score's root mean square plus its size.
    """

    edges: np.ndarray
    score: np.ndarray
    log_density: np.ndarray
    bins: np.ndarray
    ends: np.ndarray
    error: float

    def evaluate_score(self, x: np.ndarray, centre: float = 0.0, width: float = 1.0) -> np.ndarray:
        """Score at x of the law with this mean and standard deviation; x is one-dimensional and contiguous."""
        out = np.empty_like(x)
        _evaluate(x, centre, width, self.edges, self.score, self.bins, self.ends, False, out)
        return out

    def evaluate_log_density(self, x: np.ndarray, centre: float = 0.0, width: float = 1.0) -> np.ndarray:
        """Logarithm of the density, as above."""
        out = np.empty_like(x)
        _evaluate(x, centre, width, self.edges, self.log_density, self.bins, self.ends, True, out)
        return out

    def quantiles(self, probabilities: np.ndarray) -> np.ndarray:
        """Where the cumulative distribution takes these values, to about three digits of 1 - p or p."""
        fractions = np.linspace(0.0, 1.0, 129)[1:]
        z = (self.edges[:-1, None] + np.diff(self.edges)[:, None] * fractions).ravel()
        z = np.concatenate([self.edges[:1], z])
        p = np.exp(self.evaluate_log_density(z))
        cumulative = np.concatenate([[0.0], np.cumsum(np.diff(z) * (p[1:] + p[:-1]) / 2)])
        return np.interp(probabilities * cumulative[-1], cumulative, z)


@dataclass(frozen=True)
class Standardised:
    """P_0 in units in which it has mean 0 and variance 1: its panels, and S and -S' as functions of y."""

    panels: Panels
    action: Action
    force: Action
    breakpoints: np.ndarray

    @cached_property
    def finest(self) -> float:
        """Scale of the finest structure of p_0: the narrowest panel, or 0 if the force jumps between two panels."""
        left, right = self.panels.left, self.panels.right
        inset = 1e-9 * (right - left)
        with np.errstate(all="ignore"):
            before, after = self.force(right - inset)[:-1], self.force(left + inset)[1:]
        jumps = (np.abs(before - after) > 1e-4 * (1 + np.abs(before))) & (left[1:] - right[:-1] <= inset[1:])
        return 0.0 if np.any(jumps) else float(np.min(right - left))

    @cached_property
    def steepness(self) -> float:
        """Root mean square of the score of p_0, at least 1."""
        with np.errstate(all="ignore"):
            squares = np.nan_to_num(self.force(self.panels.x) ** 2, posinf=0.0)
        return max(1.0, float(np.sqrt(np.sum(np.exp(self.panels.log_weights) * squares))))


def tabulate(law: Standardised, ratio: float, panel_width: float = 4.0, tolerance: float = TOLERANCE) -> Table:
    """Table of the law at noise-to-signal ratio ρ > 0, its score good to ``tolerance`` (see TOLERANCE).

    ``panel_width`` is the widest panel in units of the noise; half of it gives the second resolution of the
    quadrature.
    """
    a = float(1 / np.hypot(1.0, ratio))
    b = float(1 / np.hypot(1.0, 1 / ratio)) if ratio > 0 else 0.0
    convolve = _convolution(law, a, b, panel_width)
    scale = 1 / np.hypot(a / law.steepness, b)  # Stam's bound on the root mean square of the score
    edges = _first_edges(law, a, b)
    left, right = edges[:-1], edges[1:]
    done: list[tuple[np.ndarray, ...]] = []
    top, count = -np.inf, 0
    while True:
        half = (right - left) / 2
        z = ((left + right) / 2)[:, None] + half[:, None] * _CHEBYSHEV
        log_p, s = (v.reshape(z.shape) for v in convolve(z.ravel()))
        top = max(top, float(log_p.max()))
        series = s @ _TO_SERIES.T
        error = (np.abs(series[:, -1]) + np.abs(series[:, -2])) / (scale + np.abs(s).max(axis=1))
        error[log_p.max(axis=1) < top - RELEVANT] = 0.0
        fine = (error < tolerance) | (half < 1e-9) | (count + 2 * len(left) > _MOST_CELLS)
        done.append((left[fine], right[fine], s[fine], log_p[fine], error[fine]))
        count += int(fine.sum())
        left, right = left[~fine], right[~fine]
        if not len(left):
            break
        middle = (left + right) / 2
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    left, right, s, log_p, error = (np.concatenate(part) for part in zip(*done, strict=True))
    order = np.argsort(left)
    return _assemble(left[order], right[order], s[order], log_p[order], float(error.max()))


def _first_edges(law: Standardised, a: float, b: float) -> np.ndarray:
    reach = b * np.sqrt(2 * RELEVANT)
    low, high = a * law.breakpoints[0] - reach, a * law.breakpoints[-1] + reach
    edges = np.unique(np.concatenate([np.linspace(low, high, _FIRST_CELLS + 1), a * law.breakpoints]))
    keep = [0]
    for i in range(1, len(edges) - 1):  # breakpoints closer together than the noise are washed out
        if edges[i] - edges[keep[-1]] > 0.5 * b + 1e-9 and edges[-1] - edges[i] > 0.5 * b:
            keep.append(i)
    return edges[[*keep, len(edges) - 1]]


def _convolution(law: Standardised, a: float, b: float, panel_width: float):
    """The function z ↦ (log p(z), s(z)) at arbitrary points."""
    panels, ratio = law.panels, b / a
    live = float(np.sum(panels.right - panels.left))
    if ratio <= max(law.finest / 8, live * 5e-5):
        return lambda z: _over_noise(law, z, a, b)
    parts = np.ceil((panels.right - panels.left) / (panel_width * ratio)).astype(int)
    if parts.max() > 1:
        y, log_w = _subdivide(law, parts)
    else:
        y, log_w = panels.x.ravel(), panels.log_weights.ravel()

    def over_signal(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_p, s = np.empty_like(z), np.empty_like(z)
        _over_signal(z, a * y, log_w, b, log_p, s)
        return log_p, s

    return over_signal


def _subdivide(law: Standardised, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    panels = law.panels
    index = np.repeat(np.arange(len(parts)), parts)
    offset = np.arange(len(index)) - np.repeat(np.cumsum(parts) - parts, parts)
    width = ((panels.right - panels.left) / parts)[index]
    left = panels.left[index] + offset * width
    y = nodes_of(left, left + width)
    with np.errstate(all="ignore"):
        height = law.action(y) - panels.lowest
    log_w = np.log(width / 2)[:, None] + np.log(GAUSS_WEIGHTS) - height - (panels.log_z + panels.lowest)
    return y.ravel(), log_w.ravel()


def _over_noise(law: Standardised, z: np.ndarray, a: float, b: float) -> tuple[np.ndarray, np.ndarray]:
    y = (z[:, None] + b * _STEPS) / a
    with np.errstate(all="ignore"):
        exponent = -law.action(y) - _STEPS**2 / 2
        top = np.nan_to_num(exponent.max(axis=1, keepdims=True), neginf=0.0)
        q = np.exp(exponent - top)
        total = q.sum(axis=1)
        force = np.where(q > 0, law.force(y), 0.0)
        log_p = np.log(total) + top[:, 0] + np.log(0.5 / np.sqrt(2 * np.pi)) - np.log(a) - law.panels.log_z
        score = np.where(total > 0, (q * force).sum(axis=1) / np.maximum(total, 1e-300), 0.0) / a
    return np.maximum(log_p, -1e300), score


@nb.njit(inline="always")
def _exponential(x):  # pragma: no cover (compiled)
    # exp(x) for _SMALLEST <= x <= 0 to 1e-13, as exp(x/64)^64: without branches, so that loops over it vectorise.
    t = x * (1 / 64)
    p = _INVERSE_FACTORIALS[13]
    for n in range(12, -1, -1):
        p = p * t + _INVERSE_FACTORIALS[n]
    for _ in range(6):
        p *= p
    return p


@nb.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "arcp", "nsz", "nnan"})
def _over_signal(z, centres, log_w, b, log_p, score):  # pragma: no cover (compiled)
    # Two passes over the nodes in reach: the largest exponent, then the sums relative to it.
    buffer, inverse = np.empty(centres.size), 1.0 / b
    for i in range(z.size):
        first = np.searchsorted(centres, z[i] - 20 * b)
        last = np.searchsorted(centres, z[i] + 20 * b)
        if last == first:
            first, last = 0, centres.size
        top = -1e308
        for j in range(first, last):
            d = (centres[j] - z[i]) * inverse
            buffer[j] = log_w[j] - 0.5 * d * d
            top = max(top, buffer[j])
        while buffer[first] < top + _SMALLEST:  # often most of the nodes do not count
            first += 1
        while buffer[last - 1] < top + _SMALLEST:
            last -= 1
        total, pull = 0.0, 0.0
        for j in range(first, last):
            q = _exponential(max(buffer[j] - top, _SMALLEST))
            total += q
            pull += q * (centres[j] - z[i])
        log_p[i] = top + np.log(total / (b * np.sqrt(2 * np.pi)))
        score[i] = pull / total / b / b


def _assemble(left: np.ndarray, right: np.ndarray, s: np.ndarray, log_p: np.ndarray, error: float) -> Table:
    half = ((right - left) / 2)[:, None]
    score = s @ _TO_POWERS.T
    # log p is the integral of the score's polynomial, its constant the mean over the cell's points.
    rise = half * score / np.arange(1, _POINTS + 1)
    at_points = rise @ np.vander(_CHEBYSHEV, _POINTS + 1, increasing=True)[:, 1:].T
    log_density = np.column_stack([(log_p - at_points).mean(axis=1), rise])
    edges = np.append(left, right[-1])
    starts = np.linspace(edges[0], edges[-1], _BINS + 1)
    bins = np.clip(np.searchsorted(edges, starts, side="right") - 1, 0, len(left) - 1).astype(np.int32)
    ends = np.empty((2, 4))
    for side, (cell, t) in enumerate(((0, -1.0), (-1, 1.0))):
        powers = t ** np.arange(_POINTS + 1)
        slope = np.sum(np.arange(1, _POINTS) * score[cell, 1:] * powers[: _POINTS - 1]) / half[cell, 0]
        ends[side] = edges[cell], log_density[cell] @ powers, score[cell] @ powers[:_POINTS], min(0.0, slope)
    return Table(edges, score, log_density, bins, ends, error)


@nb.njit(nogil=True, cache=True)
def _evaluate(x, centre, width, edges, rows, bins, ends, density, out):  # pragma: no cover (compiled)
    low, high, last = edges[0], edges[-1], rows.shape[0] - 1
    per_unit = (bins.size - 1) / (high - low)
    degree = rows.shape[1] - 1
    inverse, shift = (1.0, -np.log(width)) if density else (1.0 / width, 0.0)
    for i in range(x.size):
        v = (x[i] - centre) / width
        if v < low or v > high:
            side = 0 if v < low else 1
            d = v - ends[side, 0]
            if density:
                out[i] = ends[side, 1] + d * (ends[side, 2] + 0.5 * d * ends[side, 3]) + shift
            else:
                out[i] = (ends[side, 2] + d * ends[side, 3]) * inverse
            continue
        if v != v:
            out[i] = v
            continue
        k = min(int((v - low) * per_unit), bins.size - 2)
        lower, upper = bins[k], bins[k + 1]
        while upper > lower:  # several cells in one bin
            middle = (lower + upper + 1) // 2
            if edges[middle] <= v:
                lower = middle
            else:
                upper = middle - 1
        c = min(lower, last)
        t = (2.0 * v - edges[c] - edges[c + 1]) / (edges[c + 1] - edges[c])
        value = rows[c, degree]
        for n in range(degree - 1, -1, -1):
            value = value * t + rows[c, n]
        out[i] = value * inverse + shift
