"""Gaussian mixtures in one and two dimensions: exact at every noise level.

A mixture ``P_0 = Σ_k w_k N(m_k, s_k²)`` stays one under the forward process: ``f x_0 + √Ξ η`` has means ``f m_k``
and variances ``v_k = f² s_k² + Ξ``. Nothing under- or overflows while √v_k lies between 1e-150 and 1e150, however
small f is: at the end of a VP schedule f may be 1e-240 with Ξ = 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import logsumexp, ndtr, ndtri

from core.noise import Noise
from core.theories.base import OUTSIDE, Target, Tensor, check_level, cumulants_of_central_moments

MAX_COMPONENTS = 64


@dataclass(frozen=True)
class GaussianMixture(Target):
    """``P_0(x) = Σ_k w_k N(x; m_k, s_k²)``, isotropic components.

    ``weights`` are positive and are normalised to sum 1; ``means`` are numbers (one dimension) or pairs (two);
    ``stds`` are positive, one for each component. Raises ValueError for lists of different lengths, for more than
    MAX_COMPONENTS, and for numbers that are not finite or, where they must be, not positive.
    """

    weights: tuple[float, ...]
    means: tuple[Any, ...]
    stds: tuple[float, ...]
    name: str = "mixture"
    dim: int = field(init=False, default=1, repr=False)

    def __post_init__(self) -> None:
        weights, stds = _numbers("weights", self.weights), _numbers("stds", self.stds)
        means = _numbers("means", self.means)
        if weights.ndim != 1 or stds.ndim != 1 or means.ndim not in (1, 2) or means.shape[1:] not in ((), (2,)):
            raise ValueError("weights and stds must be lists of numbers, means a list of numbers or of pairs")
        if not len(weights) == len(means) == len(stds):
            raise ValueError(
                "weights, means and stds must have one entry for each component, "
                f"got {len(weights)}, {len(means)} and {len(stds)}"
            )
        if not 1 <= len(weights) <= MAX_COMPONENTS:
            raise ValueError(f"a mixture has 1 to {MAX_COMPONENTS} components, got {len(weights)}")
        for label, values in (("weights", weights), ("stds", stds)):
            if np.any(values <= 0):
                raise ValueError(f"{label} must be positive, got {values.tolist()}")
        with np.errstate(over="ignore"):
            shares = weights / weights.max()
            shares = shares / shares.sum()
        if np.any(shares == 0):
            raise ValueError(f"weights must not differ by more than 300 orders of magnitude, got {weights.tolist()}")
        object.__setattr__(self, "weights", tuple(shares.tolist()))
        object.__setattr__(self, "stds", tuple(stds.tolist()))
        object.__setattr__(self, "means", tuple(tuple(m) if means.ndim == 2 else m for m in means.tolist()))
        object.__setattr__(self, "dim", means.ndim)

    @cached_property
    def _w(self) -> np.ndarray:
        return np.asarray(self.weights)

    @cached_property
    def _m(self) -> np.ndarray:
        return np.asarray(self.means, dtype=float).reshape(len(self.weights), self.dim)

    @cached_property
    def _s(self) -> np.ndarray:
        return np.asarray(self.stds)

    @cached_property
    def _equal_stds(self) -> bool:
        return len(set(self.stds)) == 1

    def _spreads(self, f: float, xi: float) -> np.ndarray:
        check_level(f, xi)
        return np.hypot(f * self._s, np.sqrt(xi))

    def sample(self, n: int, noise: Noise) -> Tensor:
        noise = noise.of("target")
        component = np.searchsorted(np.cumsum(self._w)[:-1], noise.uniform(0, (n,)).numpy(), side="right")
        return noise.normal(0, (n, self.dim)).mul_(_on_cpu(self._s[component, None])).add_(_on_cpu(self._m[component]))

    def log_prob(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        s = self._spreads(f, xi)
        constant = np.log(self._w) - self.dim * (np.log(s) + np.log(2 * np.pi) / 2)
        return torch.logsumexp(self._exponents(x, f, s) + _like(x, constant[:, None]), dim=0)

    def _exponents(self, x: Tensor, f: float, s: np.ndarray) -> Tensor:
        """-(x - f m_k)²/(2 v_k), shape (components, n)."""
        z = None
        for axis in range(self.dim):
            d = (x[:, axis] - _like(x, f * self._m[:, axis, None])) * _like(x, 1 / s[:, None])
            z = d * d if z is None else z + d * d
        assert z is not None
        return -0.5 * z

    def score(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        s, m = self._spreads(f, xi), f * self._m.T
        if len(s) == 2 and self.dim == 1 and self._equal_stds:
            return self._two_peak_score(x, f, float(s[0]))
        pull = _like(x, m / s / s)  # f m_k / v_k, shape (dim, components)
        if self._equal_stds:
            # One variance v: p_k ∝ w_k exp((x·f m_k - ½ f² m_k²)/v), score Σ_k p_k f m_k/v - x/v.
            log_p = _like(x, (np.log(self._w) - ((m / s) ** 2).sum(0) / 2)[:, None])
            for axis in range(self.dim):
                log_p = torch.addcmul(log_p, pull[axis][:, None], x[:, axis])
            p, y = torch.softmax(log_p, 0), x * float(-1 / s[0] / s[0])
        else:
            log_p = self._exponents(x, f, s).add_(_like(x, (np.log(self._w) - self.dim * np.log(s))[:, None]))
            p = torch.softmax(log_p, 0)
            y = x * (_like(x, -1 / s / s) @ p)[:, None]
        for axis in range(self.dim):
            y[:, axis].add_(pull[axis] @ p)
        return y

    def _two_peak_score(self, x: Tensor, f: float, s: float) -> Tensor:
        """Two peaks c ± d of one width: s(x) = [-(x - c) + d tanh(d (x - c)/v + ½ log(w_+/w_-))]/v."""
        (low, high), (w_low, w_high) = self._m[:, 0], self._w
        c, d = f * (low + high) / 2, f * (high - low) / 2
        slope = d / s / s
        bias = float(np.log(w_high / w_low) / 2 - c * slope)
        y = (x * float(slope)).add_(bias) if bias else x * float(slope)
        y = y.tanh_().mul_(float(slope)).add_(x, alpha=-1 / s / s)
        return y.add_(float(c / s / s)) if c else y

    @property
    def mean(self) -> np.ndarray:
        return self._w @ self._m

    @property
    def covariance(self) -> np.ndarray:
        d = self._m - self.mean
        return (self._w[:, None] * d).T @ d + self._w @ self._s**2 * np.eye(self.dim)

    def moments(self, order: int = 8) -> np.ndarray:
        return super().moments(order) if self.dim > 1 else self._moments_about(0.0, order)

    def cumulants(self, order: int = 8) -> np.ndarray:
        if self.dim > 1:
            return super().cumulants(order)
        mean = float(self.mean[0])
        return cumulants_of_central_moments(mean, self._moments_about(mean, order))

    def _moments_about(self, centre: float, order: int) -> np.ndarray:
        # For each component M_n = m M_{n-1} + (n-1) s² M_{n-2}.
        m, s = self._m[:, 0] - centre, self._s
        table = np.ones((order + 1, len(m)))
        for n in range(1, order + 1):
            table[n] = m * table[n - 1] + ((n - 1) * s**2 * table[n - 2] if n > 1 else 0)
        return table @ self._w

    def window(self, f: float = 1.0, xi: float = 0.0) -> np.ndarray:
        return projected_window(self._w, f * self._m, self._spreads(f, xi))

    def log_generating(self, J: np.ndarray, f: float = 1.0, xi: float = 0.0) -> np.ndarray:
        if self.dim > 1:
            return super().log_generating(J, f, xi)
        J = np.asarray(J, dtype=float)[..., None]
        exponents = np.log(self._w) + J * f * self._m[:, 0] + (J * self._spreads(f, xi)) ** 2 / 2
        return np.asarray(logsumexp(exponents, axis=-1))

    def latex(self) -> str:
        def term(w: float, m: Any, s: float) -> str:
            centre = f"({m[0]:.4g}, {m[1]:.4g})" if self.dim == 2 else f"{m:.4g}"
            return rf"{w:.3g}\,\mathcal N({centre},\, {s:.4g}^2)"

        terms = [term(*c) for c in zip(self.weights, self.means, self.stds, strict=True)]
        if len(terms) > 4:
            terms = [*terms[:3], r"\dots", terms[-1]]
        return "P_0(x) = " + " + ".join(terms)


def projected_window(weights: np.ndarray, means: np.ndarray, stds: np.ndarray) -> np.ndarray:
    """Along each axis, the interval with OUTSIDE/2 of a mixture's probability on either side, shape (dim, 2).

    ``means`` has shape (components, dim), ``weights`` and ``stds`` (components,).
    """
    return np.array([[-_tail(weights, -m, stds), _tail(weights, m, stds)] for m in means.T])


def _tail(weights: np.ndarray, means: np.ndarray, stds: np.ndarray) -> float:
    """The x above which a mixture in one dimension holds OUTSIDE/2."""
    reach = means - stds * ndtri(OUTSIDE / 2)  # of each component alone; the root lies between them
    low, high = float(reach.min()), float(reach.max())
    if not high > low:
        return high
    scale = high - low  # brentq's tolerance is absolute
    root = brentq(lambda r: weights @ ndtr((means - low - r * scale) / stds) - OUTSIDE / 2, 0.0, 1.0)
    return low + float(root) * scale  # type: ignore[arg-type]


def two_peaks(mu: float = 1.0, std: float = 0.25) -> GaussianMixture:
    """½[N(+μ_0, σ_0²) + N(-μ_0, σ_0²)], the target of arXiv:2410.21212; κ_2,4,6,8 = 1.0625, -2, 16, -272."""
    return GaussianMixture((0.5, 0.5), (-mu, mu), (std, std), name="two-peak")


def three_peaks(radius: float = 1.0, std: float = 0.15) -> GaussianMixture:
    """Three equal peaks in the plane at the corners of an equilateral triangle of circumradius ``radius``."""
    angles = np.radians([90, 210, 330])
    corners = tuple(map(tuple, np.round(radius * np.column_stack([np.cos(angles), np.sin(angles)]), 15).tolist()))
    return GaussianMixture((1.0, 1.0, 1.0), corners, (std, std, std), name="three-peak")


def _numbers(label: str, values: Sequence[Any]) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{label} must be numbers, got {values!r}") from None
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{label} must be finite numbers, got {values!r}")
    return array


def _on_cpu(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def _like(x: Tensor, values: np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=x.dtype, device=x.device)
