"""Integrals over a weight exp(-S(x)) of one variable, by Gauss–Legendre panels that adapt to it.

On each panel exp(-S) is a Legendre series of degree 15, accurate to a fraction of its own maximum there, so tails
are resolved as well as peaks. Moments are sums over the nodes, exact for the series to degree 31; the integrated
series is the cumulative distribution, whose inverse turns uniform deviates into exact draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numba as nb
import numpy as np

from core.theories.support import LEVEL, Action, Support

DEGREE = 16
NODES, WEIGHTS = np.polynomial.legendre.leggauss(DEGREE)
_TO_SERIES = (np.polynomial.legendre.legvander(NODES, DEGREE - 1) * WEIGHTS[:, None]) * (np.arange(DEGREE) + 0.5)
_TO_CHEBYSHEV = np.polynomial.chebyshev.chebfit(
    np.cos(np.pi * (np.arange(DEGREE) + 0.5) / DEGREE),
    np.polynomial.legendre.legvander(np.cos(np.pi * (np.arange(DEGREE) + 0.5) / DEGREE), DEGREE - 1),
    DEGREE - 1,
).T
_DEEPEST = 48
_MOST_PANELS = 4000


@dataclass(frozen=True)
class Panels:
    """Panels [left, right], shape (panels,), and S - ``lowest`` at their nodes, shape (panels, DEGREE)."""

    left: np.ndarray
    right: np.ndarray
    height: np.ndarray
    lowest: float

    @property
    def x(self) -> np.ndarray:
        """The nodes, shape (panels, DEGREE)."""
        return nodes_of(self.left, self.right)

    @cached_property
    def log_weights(self) -> np.ndarray:
        """Logarithm of (quadrature weight times normalised density) at the nodes, shape (panels, DEGREE)."""
        raw = np.log((self.right - self.left) / 2)[:, None] + np.log(WEIGHTS) - self.height
        return raw - self._log_integral

    @cached_property
    def _log_integral(self) -> float:
        return float(np.log(((self.right - self.left) / 2) @ (np.exp(-self.height) @ WEIGHTS)))

    @property
    def log_z(self) -> float:
        """log ∫ exp(-S)."""
        return self._log_integral - self.lowest

    def moments_about(self, centre: float, order: int) -> np.ndarray:
        """⟨(x - centre)^n⟩ for n = 0 … order."""
        weights, d = np.exp(self.log_weights), self.x - centre
        return np.array([np.sum(weights * d**n) for n in range(order + 1)])

    @cached_property
    def _density(self) -> np.ndarray:
        """Chebyshev coefficients of the normalised density in each panel, per unit of t in [-1, 1]."""
        half = (self.right - self.left) / 2
        return np.exp(-self.height - self._log_integral) @ _TO_SERIES @ _TO_CHEBYSHEV * half[:, None]

    @cached_property
    def _distribution(self) -> np.ndarray:
        """Chebyshev coefficients of the cumulative distribution in each panel, zero at its left end."""
        return np.polynomial.chebyshev.chebint(self._density, lbnd=-1, axis=1)

    @cached_property
    def _cumulative(self) -> np.ndarray:
        return np.concatenate([[0.0], np.cumsum(self._distribution.sum(axis=1))])  # T_n(1) = 1

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Inverse of the cumulative distribution at 0 < u < 1: monotone, |F(x) - u| below 1e-10."""
        u = np.ascontiguousarray(u, dtype=float)
        out = np.empty_like(u)
        tables = self._cumulative, self._distribution, self._density, self.left, self.right
        _invert(u.ravel(), *tables, out.ravel())
        return out


def nodes_of(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Gauss–Legendre nodes of each panel, shape (panels, DEGREE)."""
    return ((left + right) / 2)[:, None] + ((right - left) / 2)[:, None] * NODES


def resolve(action: Action, support: Support, tolerance: float = 1e-9, tilts: tuple[float, ...] = (0.0,)) -> Panels:
    """Panels on which exp(-S) is resolved, bisected from the support's breakpoints.

    Panels are dropped where S - J x is more than LEVEL above its minimum for every J of ``tilts``.
    ``tolerance`` bounds the Legendre coefficients of degrees 13 to 15 relative to the maximum on the panel; what the
    series leaves out is some ten times smaller, and the error of an integral far smaller still (about the square).
    Raises ValueError where S is not a number, or has more structure than _MOST_PANELS panels hold.
    """
    left, right = support.breakpoints[:-1], support.breakpoints[1:]
    slopes = np.asarray(tilts)[:, None, None]
    bottom = _lowest_tilted(action, support, slopes)
    done: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    total, count = 0.0, 0
    for depth in range(_DEEPEST):
        x = nodes_of(left, right)
        with np.errstate(all="ignore"):
            height = np.asarray(action(x.ravel()), dtype=float).reshape(x.shape) - support.lowest
        if np.any(np.isnan(height)):
            raise ValueError(f"the potential is not a real number at x = {x[np.isnan(height)][0]:.6g}")
        floor = height.min(axis=1)
        alive = ((height - slopes * x).min(axis=2) < bottom + LEVEL).any(axis=0)
        left, right, height, floor = left[alive], right[alive], height[alive], floor[alive]
        series = np.exp(floor[:, None] - height) @ _TO_SERIES
        # Rounding in S itself limits what can be asked.
        steepness = (height.max(axis=1) - floor) / (right - left)
        noise = 1e-15 * (abs(support.lowest) + floor + np.abs(left + right) * steepness)
        error = np.abs(series[:, -3:]).max(axis=1)
        mass = np.exp(-floor) * (right - left)
        total = max(total, float(mass.sum()))
        resolved = (
            (error < tolerance + noise) | ((depth > 12) & (error * mass < 1e-16 * total)) | (depth == _DEEPEST - 1)
        )
        done.append((left[resolved], right[resolved], height[resolved]))
        count += int(resolved.sum())
        left, right = left[~resolved], right[~resolved]
        if not len(left):
            break
        if count + 2 * len(left) > _MOST_PANELS:
            raise ValueError("the potential has too much structure to be integrated accurately")
        middle = (left + right) / 2
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    left, right, height = (np.concatenate(part) for part in zip(*done, strict=True))
    order = np.argsort(left)
    return Panels(left[order], right[order], height[order], support.lowest)


def _lowest_tilted(action: Action, support: Support, slopes: np.ndarray) -> np.ndarray:
    """Minimum of S - lowest - J x over the support, for each slope J, shape (tilts, 1)."""
    x = np.unique(np.concatenate([support.breakpoints, np.linspace(support.low, support.high, 4001)]))
    with np.errstate(all="ignore"):
        height = np.asarray(action(x), dtype=float) - support.lowest
    return np.nanmin(height - slopes[:, 0] * x, axis=1)[:, None]


@nb.njit(inline="always")
def _chebyshev(c, t):  # pragma: no cover (compiled)
    """Value of a Chebyshev series at t, by Clenshaw's recurrence."""
    b1 = b2 = 0.0
    for n in range(c.size - 1, 0, -1):
        b1, b2 = c[n] + 2.0 * t * b1 - b2, b1
    return c[0] + t * b1 - b2


@nb.njit(nogil=True, cache=True)
def _invert(u, cumulative, series, density, left, right, out):  # pragma: no cover (compiled)
    panels = left.size
    for i in range(u.size):
        target = u[i] * cumulative[panels]
        k = min(max(np.searchsorted(cumulative, target, side="right") - 1, 0), panels - 1)
        target -= cumulative[k]
        low, high = -1.0, 1.0
        t = 2.0 * target / max(cumulative[k + 1] - cumulative[k], 1e-300) - 1.0
        t = min(max(t, -1.0), 1.0)
        for _ in range(60):  # Newton inside a shrinking bracket
            r, slope = _chebyshev(series[k], t) - target, _chebyshev(density[k], t)
            if r > 0:
                high = t
            else:
                low = t
            new = t - r / slope if slope > 0 else 0.5 * (low + high)
            if not low < new < high:
                new = 0.5 * (low + high)
            change = abs(new - t)
            t = new
            if change < 1e-13:
                break
        out[i] = 0.5 * (left[k] + right[k]) + 0.5 * (right[k] - left[k]) * t
