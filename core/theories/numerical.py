"""A law exp(-S)/Z in one variable that is known only through S: everything about it, by quadrature.

Normalisation and moments are Gauss–Legendre sums (relative error about 1e-14 for smooth S), draws invert the
cumulative distribution, and the law at (f, Ξ) is the tabulated convolution of ``core.theories.convolution``.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from functools import cached_property, lru_cache

import numpy as np

from core.theories.base import OUTSIDE, check_level
from core.theories.convolution import RELEVANT, TOLERANCE, Standardised, Table, tabulate
from core.theories.quadrature import Panels, resolve
from core.theories.support import Action, Support, find_support

_TABLES = 2048  # some 20 kB each
_LOCKS = 16
_TILTS = 65
_COARSE = 1e-5  # enough for integrals to rounding, see ``resolve``
_EXTREME = 1e150
_ROUGH = 1e-3
_NEGLIGIBLE = 30.0  # in log weight


class NumericalLaw:
    """The law with action S and force -S', functions of an array. Safe to use from several threads.

    Raises ValueError for an S that is not real, not normalisable, grows too slowly for its moments to order 8 to
    exist, or has more structure than can be integrated.
    """

    def __init__(self, action: Action, force: Action) -> None:
        self.action, self.force = action, force
        self._support = find_support(action)
        self.panels = resolve(action, self._support)
        x = self.panels.x
        with np.errstate(all="ignore"):
            self._even = bool(np.array_equal(action(x), action(-x)))
        self.mean = 0.0 if self._even else float(self.panels.moments_about(0.0, 1)[1])
        self.mean = self.mean if self._even else self.mean + float(self.panels.moments_about(self.mean, 1)[1])
        self.std = float(np.sqrt(self.panels.moments_about(self.mean, 2)[2]))
        self._support_of, self._tilted = lru_cache(256)(self._tilted_support), lru_cache(4)(self._tilted_panels)
        self._tables: OrderedDict[float, Table] = OrderedDict()
        self._tolerance = TOLERANCE
        self._lock = threading.Lock()
        self._building = [threading.Lock() for _ in range(_LOCKS)]

    @cached_property
    def rough(self) -> NumericalLaw:
        """The same law for a quick look: its score good to 1e-3, and W[J] from the panels that there are."""
        twin = copy.copy(self)
        twin._tolerance, twin._tables = _ROUGH, OrderedDict()
        return twin

    def moments_about(self, centre: float, order: int) -> np.ndarray:
        """⟨(x - centre)^n⟩ for n = 0 … order; odd ones of an even law about 0 are exactly 0."""
        moments = self.panels.moments_about(centre, order)
        if self._even and centre == 0:
            moments[1::2] = 0.0
        return moments

    @cached_property
    def standardised(self) -> Standardised:
        """The law in units of its own mean and standard deviation."""
        mean, std, coarse = self.mean, self.std, resolve(self.action, self._support, _COARSE)
        return Standardised(
            Panels((coarse.left - mean) / std, (coarse.right - mean) / std, coarse.height, coarse.lowest),
            lambda y: self.action(mean + std * y),
            lambda y: std * self.force(mean + std * y),
            (self._support.breakpoints - mean) / std,
        )

    def _units(self, f: float, xi: float) -> tuple[float, float, float]:
        """Mean and standard deviation at (f, Ξ), and the noise-to-signal ratio."""
        check_level(f, xi)
        signal, noise = f * self.std, np.sqrt(xi)
        ratio = noise / signal if signal > noise / _EXTREME else _EXTREME
        return f * self.mean, float(np.hypot(signal, noise)), float(max(ratio, 1 / _EXTREME))

    def table(self, ratio: float) -> Table:
        """The table at noise-to-signal ratio ρ, from the cache or built now (below a millisecond as a rule)."""
        with self._lock:
            found = self._tables.get(ratio)
            if found is not None:
                self._tables.move_to_end(ratio)
                return found
        with self._building[hash(ratio) % _LOCKS]:  # two threads never build the same table
            with self._lock:
                found = self._tables.get(ratio)
            if found is None:
                found = tabulate(self.standardised, ratio, tolerance=self._tolerance)
                with self._lock:
                    self._tables[ratio] = found
                    while len(self._tables) > _TABLES:
                        self._tables.popitem(last=False)
        return found

    def score(self, x: np.ndarray, f: float, xi: float) -> np.ndarray:
        """∂_x log P(x) at (f, Ξ); x is one-dimensional."""
        mean, width, ratio = self._units(f, xi)
        return self.force(x / f) / f if xi == 0 else self.table(ratio).evaluate_score(x, mean, width)

    def log_prob(self, x: np.ndarray, f: float, xi: float) -> np.ndarray:
        """log P(x) at (f, Ξ), normalised."""
        mean, width, ratio = self._units(f, xi)
        if xi == 0:
            return -self.action(x / f) - self.panels.log_z - np.log(f)
        return self.table(ratio).evaluate_log_density(x, mean, width)

    def score_error(self, f: float, xi: float) -> float:
        """Estimated error of the score at (f, Ξ), relative to its root mean square plus its own size at x.

        The larger of two differences between two resolutions each: interpolants of degrees 5 and 7, and quadrature
        panels of the width in use and of half that. It covers the region where P is above e^{-45} of its maximum.
        """
        if xi == 0:
            return 0.0
        ratio = self._units(f, xi)[2]
        table, finer = self.table(ratio), tabulate(self.standardised, ratio, panel_width=2.0)
        z = np.linspace(table.edges[0], table.edges[-1], 2001)
        log_p, s = table.evaluate_log_density(z), table.evaluate_score(z)
        difference = np.abs(s - finer.evaluate_score(z)) / (1.0 + np.abs(s))
        return max(table.error, float(difference[log_p > log_p.max() - RELEVANT].max()))

    def window(self, f: float, xi: float) -> np.ndarray:
        """Interval that leaves OUTSIDE/2 of the probability on either side, shape (2,)."""
        mean, width, ratio = self._units(f, xi)
        ends = np.array([OUTSIDE / 2, 1 - OUTSIDE / 2])
        return f * self.panels.quantile(ends) if xi == 0 else mean + width * self.table(ratio).quantiles(ends)

    def log_laplace(self, J: np.ndarray) -> np.ndarray:
        """log ⟨exp(J x_0)⟩, inf for the J at which it does not exist."""
        J = np.asarray(J, dtype=float)
        J = np.abs(J) if self._even else J
        if self._tolerance > TOLERANCE:
            return self._rough_laplace(J)
        low, high = self._tilt_limit(J, -1), self._tilt_limit(J, 1)
        panels = self._tilted(low, high)
        x, log_w = panels.x.ravel() - self.mean, panels.log_weights.ravel()
        flat, where = np.unique(J, return_inverse=True)  # frames of a process often share their J
        out = np.full(flat.shape, np.inf)
        exists = (flat >= low) & (flat <= high)
        tilts = flat[exists]
        blocks = np.array_split(tilts, 1 + len(tilts) // 256)
        out[exists] = tilts * self.mean + np.concatenate([_log_sum(log_w + block[:, None] * x) for block in blocks])
        return np.where(np.isnan(flat), np.nan, out)[where].reshape(J.shape)

    def _rough_laplace(self, J: np.ndarray) -> np.ndarray:
        """The same for J so small that the panels of the law itself hold the tilted weight, inf for others."""
        x, log_w = self.panels.x.ravel() - self.mean, self.panels.log_weights.ravel()
        flat, where = np.unique(J, return_inverse=True)
        exponents = log_w + flat[:, None] * x
        ends = np.maximum(exponents[:, 0], exponents[:, -1])
        held = ends < exponents.max(axis=1) - _NEGLIGIBLE
        return np.where(held, flat * self.mean + _log_sum(exponents), np.inf)[where].reshape(J.shape)

    def _tilt_limit(self, J: np.ndarray, side: int) -> float:
        """The outermost J on one side for which exp(J x - S) is normalisable, among the given ones and 0."""
        outward = np.unique(np.abs(J[np.isfinite(J) & (side * J > 0)]))
        good, bad = 0, len(outward) + 1  # position in [0, *outward]
        candidate = len(outward)
        while candidate > good:
            if self._support_of(side * float(outward[candidate - 1])) is not None:
                good = candidate
            else:
                bad = candidate
            candidate = (good + bad) // 2
        return side * float(outward[good - 1]) if good else 0.0

    def _tilted_support(self, J: float) -> Support | None:
        """Where exp(J x - S) lives; None if it is not normalisable."""
        if J == 0:
            return self._support
        try:
            return find_support(lambda x: self.action(x) - J * x)
        except ValueError:
            return None

    def _tilted_panels(self, low: float, high: float) -> Panels:
        """Panels that resolve exp(J x - S) for every J in [low, high]."""
        if low == high == 0:
            return self.panels
        supports = [s for s in map(self._support_of, (0.0, low, high)) if s is not None]
        union = Support(
            min(s.low for s in supports),
            max(s.high for s in supports),
            self._support.lowest,
            np.unique(np.concatenate([s.breakpoints for s in supports])),
        )
        return resolve(self.action, union, _COARSE, tuple(np.linspace(low, high, _TILTS)))


def _log_sum(exponents: np.ndarray) -> np.ndarray:
    """log Σ exp along the last axis."""
    top = exponents.max(axis=-1, keepdims=True)
    return np.log(np.exp(exponents - top).sum(axis=-1)) + top[..., 0]
