"""Noise schedules: how fast the forward process dissolves its data.

The forward process is ``dx = -k(t)/2 x dt + g(t) dW`` on ``0 <= t <= T``, and every schedule here has
either ``k = 0`` (variance expanding, VE) or ``k = g²`` (variance preserving, VP). Both are fixed by one
function, the accumulated noise ``u(t) = ∫_0^t g²``:

    VE:  f = 1,            Ξ = u,            σ̃² = u
    VP:  f = exp(-u/2),    Ξ = 1 - exp(-u),  σ̃² = exp(u) - 1

with ``x(t) = f(t) x_0 + √Ξ(t) η`` and ``σ̃ = √Ξ / f`` (arXiv:2410.21212, section 2). A schedule therefore
states ``g²``, ``u`` and the inverse of ``u``; everything else follows in closed form. ``σ̃`` may overflow
for VP, so its logarithm is the primary quantity.

All functions take numbers or arrays of times and return float64 of the same shape.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy.interpolate import PchipInterpolator

Array = Any  # a float or an array of floats; the functions below broadcast

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


@dataclass(frozen=True)
class Schedule(ABC):
    """Common base. Subclasses give ``g2``, ``u`` and ``t_of_u``; ``preserving`` says whether ``k = g²``."""

    T: ClassVar[float] = 1.0
    preserving: ClassVar[bool] = False
    name: ClassVar[str] = ""

    @abstractmethod
    def g2(self, t: Array) -> Array:
        """g²(t), the squared noise strength."""

    @abstractmethod
    def u(self, t: Array) -> Array:
        """u(t) = ∫_0^t g², the accumulated noise."""

    @abstractmethod
    def t_of_u(self, u: Array) -> Array:
        """The time at which the accumulated noise is ``u``."""

    @property
    def t_max(self) -> float:
        """Last time of the process: T, or earlier where g diverges at T."""
        return self.T

    def g(self, t: Array) -> Array:
        """g(t), the noise strength."""
        return np.sqrt(self.g2(t))

    def k(self, t: Array) -> Array:
        """k(t), the damping: g² or 0."""
        return self.g2(t) if self.preserving else np.zeros_like(np.asarray(t, dtype=float))

    def f(self, t: Array, s: Array = 0.0) -> Array:
        """Mean response f(t, s) = exp(-½ ∫_s^t k)."""
        if not self.preserving:
            return np.ones(np.broadcast(np.asarray(t), np.asarray(s)).shape) + 0.0
        return np.exp(-self._du(t, s) / 2)

    def xi(self, t: Array, s: Array = 0.0) -> Array:
        """Variance that noise adds between s and t, Ξ(t, s) = ∫_s^t f²(t, r) g²(r) dr; Ξ(t) for s = 0."""
        du = self._du(t, s)
        return -np.expm1(-du) if self.preserving else du

    def _du(self, t: Array, s: Array) -> Array:
        return self.u(t) if isinstance(s, float) and s == 0 else self.u(t) - self.u(s)

    def log_sigma(self, t: Array) -> Array:
        """log σ̃(t) = log(√Ξ / f); -inf at t = 0, never overflows."""
        u = np.asarray(self.u(t), dtype=float)
        with np.errstate(divide="ignore"):
            return (u + np.log(-np.expm1(-u))) / 2 if self.preserving else np.log(u) / 2

    def sigma(self, t: Array) -> Array:
        """Noise level σ̃(t) = √Ξ / f in units of the data; may overflow to inf for VP (use log_sigma)."""
        with np.errstate(over="ignore"):
            return np.exp(self.log_sigma(t))

    def t_of_log_sigma(self, log_sigma: Array) -> Array:
        """Inverse of ``log_sigma``."""
        v = 2 * np.asarray(log_sigma, dtype=float)
        return self.t_of_u(np.logaddexp(0.0, v) if self.preserving else np.exp(v))

    def t_of_sigma(self, sigma: Array) -> Array:
        """Inverse of ``sigma``: the time at which the noise level is σ̃."""
        with np.errstate(divide="ignore"):
            return self.t_of_log_sigma(np.log(np.asarray(sigma, dtype=float)))

    def t_of_xi(self, xi: Array) -> Array:
        """The time at which the noise variance is Ξ; t_max where it is not reached (VP: always below 1)."""
        xi = np.asarray(xi, dtype=float)
        with np.errstate(divide="ignore"):
            u = -np.log1p(-np.minimum(xi, 1.0)) if self.preserving else xi
        return self.t_of_u(np.minimum(u, self.u(self.t_max)))

    @abstractmethod
    def latex(self) -> str:
        """g(t) with its present parameters, as LaTeX."""


@dataclass(frozen=True)
class VE(Schedule):
    """Variance expanding: k = 0, g = σ^{t/T}, Ξ = T (σ^{2t/T} - 1)/(2 ln σ), and Ξ = t at σ = 1."""

    sigma_max: float = 10.0
    name: ClassVar[str] = "ve"

    def __post_init__(self) -> None:
        _require_positive("sigma", self.sigma_max)

    @cached_property
    def _rate(self) -> float:
        return 2 * float(np.log(self.sigma_max)) / self.T

    def g2(self, t: Array) -> Array:
        return np.exp(self._rate * np.asarray(t, dtype=float))

    def u(self, t: Array) -> Array:
        t = np.asarray(t, dtype=float)
        return np.expm1(self._rate * t) / self._rate if self._rate else 1.0 * t

    def t_of_u(self, u: Array) -> Array:
        u = np.asarray(u, dtype=float)
        return np.log1p(self._rate * u) / self._rate if self._rate else 1.0 * u

    def latex(self) -> str:
        return rf"{self.sigma_max:g}^{{\,t}}"


@dataclass(frozen=True)
class VP(VE):
    """Variance preserving (DDPM): g = σ^{t/T} as for VE, and k = g²."""

    preserving: ClassVar[bool] = True
    name: ClassVar[str] = "vp"


@dataclass(frozen=True)
class LinearVP(Schedule):
    """Variance preserving with g² = β linear in t from ``beta_min`` to ``beta_max`` (arXiv:2011.13456)."""

    beta_min: float = 0.1
    beta_max: float = 20.0
    preserving: ClassVar[bool] = True
    name: ClassVar[str] = "vp-linear"

    def __post_init__(self) -> None:
        _require_positive("beta_min", self.beta_min)
        _require_positive("beta_max", self.beta_max)

    def g2(self, t: Array) -> Array:
        return self.beta_min + (self.beta_max - self.beta_min) * np.asarray(t, dtype=float) / self.T

    def u(self, t: Array) -> Array:
        t = np.asarray(t, dtype=float)
        return self.beta_min * t + (self.beta_max - self.beta_min) * t**2 / (2 * self.T)

    def t_of_u(self, u: Array) -> Array:
        # The root of the quadratic in the form that does not cancel, and that survives equal betas.
        u = np.asarray(u, dtype=float)
        slope = (self.beta_max - self.beta_min) / self.T
        return 2 * u / (self.beta_min + np.sqrt(np.maximum(self.beta_min**2 + 2 * slope * u, 0.0)))

    def latex(self) -> str:
        return rf"\sqrt{{{self.beta_min:g} + {self.beta_max - self.beta_min:g}\,t}}"


@dataclass(frozen=True)
class Cosine(Schedule):
    """Cosine schedule: f² = cos²(θ(t))/cos²(θ(0)), θ = ½π (t/T + s)/(1 + s) (arXiv:2102.09672).

    g diverges at T; the process ends at ``t_max``, where σ̃ reaches ``sigma_cap``.
    """

    offset: float = 0.008
    sigma_cap: float = 100.0
    preserving: ClassVar[bool] = True
    name: ClassVar[str] = "cosine"

    def __post_init__(self) -> None:
        _require_positive("offset", self.offset)
        _require_positive("sigma_cap", self.sigma_cap)

    def _theta(self, t: Array) -> Array:
        return np.pi / 2 * (np.asarray(t, dtype=float) / self.T + self.offset) / (1 + self.offset)

    def g2(self, t: Array) -> Array:
        return np.pi / (self.T * (1 + self.offset)) * np.tan(self._theta(t))

    def u(self, t: Array) -> Array:
        # log cos θ(0) - log cos θ(t) by a product formula: exact to rounding also for t → 0.
        th0 = self._theta(0.0)
        half = np.pi / 4 * np.asarray(t, dtype=float) / (self.T * (1 + self.offset))  # (θ - θ0)/2
        ratio = 2 * np.sin(half) * np.sin(th0 + half) / np.cos(th0)
        return -2 * np.log1p(-ratio)

    def t_of_u(self, u: Array) -> Array:
        # cos² θ = e^{-u} cos² θ0 gives θ, but θ - θ0 cancels for small u; there use
        # sin(θ - θ0) sin(θ + θ0) = cos² θ0 - cos² θ. (arcsin folds back past π/2, where nothing cancels.)
        u = np.asarray(u, dtype=float)
        th0 = self._theta(0.0)
        w = -np.expm1(-u) * np.cos(th0) ** 2
        th = np.arctan2(np.sqrt(np.sin(th0) ** 2 + w), np.exp(-u / 2) * np.cos(th0))
        delta = np.where(th - th0 > 1.0, th - th0, np.arcsin(np.minimum(w / np.sin(th + th0), 1.0)))
        return delta * 2 * (1 + self.offset) / np.pi * self.T

    @cached_property
    def _end(self) -> float:
        return float(self.t_of_sigma(self.sigma_cap))

    @property
    def t_max(self) -> float:
        return self._end

    def latex(self) -> str:
        scale, end = np.pi / (1 + self.offset), 1 + self.offset
        return rf"\sqrt{{{scale:.3g}\,\tan\frac{{\pi (t + {self.offset:g})}}{{2 \cdot {end:g}}}}}"


@dataclass(frozen=True)
class Tabulated(Schedule):
    """A drawn schedule: g(t) through given points, monotone between them (PCHIP of log g, so g > 0).

    ``times`` rise from 0 to T, ``values`` are g > 0 there; ``keep_variance`` chooses k = g² (VP) or k = 0.
    u is integrated by 12-point Gauss–Legendre in each of many panels (relative error below 1e-12 for curves
    whose log g varies by less than 10 between neighbouring points).
    """

    times: tuple[float, ...] = (0.0, 1.0)
    values: tuple[float, ...] = (1.0, 10.0)
    keep_variance: bool = False
    name: ClassVar[str] = "drawn"
    _panels: int = field(default=8, repr=False)

    def __post_init__(self) -> None:
        t, g = np.asarray(self.times, float), np.asarray(self.values, float)
        if t.ndim != 1 or len(t) < 2 or len(t) != len(g):
            raise ValueError(
                f"a drawn schedule needs at least two points (t, g), got {len(t)} times and {len(g)} values"
            )
        if not (np.all(np.isfinite(t)) and t[0] == 0 and abs(t[-1] - self.T) < 1e-12 and np.all(np.diff(t) > 0)):
            raise ValueError(f"times of a drawn schedule must rise from 0 to {self.T:g}, got {self.times}")
        if not np.all(np.isfinite(g)) or np.any(g <= 0):
            raise ValueError(f"values g of a drawn schedule must be positive and finite, got {self.values}")

    @property
    def preserving(self) -> bool:  # type: ignore[override]
        return self.keep_variance

    @cached_property
    def _log_g(self) -> PchipInterpolator:
        return PchipInterpolator(np.asarray(self.times, float), np.log(np.asarray(self.values, float)))

    @cached_property
    def _edges(self) -> np.ndarray:
        t = np.asarray(self.times, float)
        return np.unique(np.concatenate([np.linspace(a, b, self._panels + 1) for a, b in itertools.pairwise(t)]))

    @cached_property
    def _cumulative(self) -> np.ndarray:
        return np.concatenate([[0.0], np.cumsum(self._integral(self._edges[:-1], self._edges[1:]))])

    def _integral(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        mid, half = (a + b) / 2, (b - a) / 2
        return half * (self.g2(mid[..., None] + half[..., None] * _NODES) @ _WEIGHTS)

    def g2(self, t: Array) -> Array:
        return np.exp(2 * self._log_g(np.asarray(t, dtype=float)))

    def u(self, t: Array) -> Array:
        t = np.asarray(t, dtype=float)
        i = np.clip(np.searchsorted(self._edges, t, side="right") - 1, 0, len(self._edges) - 2)
        return self._cumulative[i] + self._integral(self._edges[i], t)

    def t_of_u(self, u: Array) -> Array:
        u = np.asarray(u, dtype=float)
        i = np.clip(np.searchsorted(self._cumulative, u, side="right") - 1, 0, len(self._edges) - 2)
        low, high = self._edges[i], self._edges[i + 1]
        rise = self._cumulative[i + 1] - self._cumulative[i]
        t = low + np.clip((u - self._cumulative[i]) / rise, 0.0, 1.0) * (high - low)
        for _ in range(60):  # Newton inside a shrinking bracket: cannot leave it, quadratic at the end
            r, slope = self.u(t) - u, self.g2(t)
            low, high = np.where(r < 0, t, low), np.where(r < 0, high, t)
            newton = t - r / slope
            step = np.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
            if np.all(np.abs(step - t) <= 1e-15 * (t + u / slope)):  # what rounding of t and of u allows
                return step
            t = step
        return t

    def latex(self) -> str:
        return r"g_{\mathrm{drawn}}(t)"


def _require_positive(name: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive finite number, got {value}")


SCHEDULES: dict[str, type[Schedule]] = {c.name: c for c in (VE, VP, LinearVP, Cosine, Tabulated)}
"""Every schedule by the name that the command line, the address bar and files use."""


def make_schedule(name: str, sigma: float = 10.0) -> Schedule:
    """The schedule called ``name`` with its usual parameters; ``sigma`` is the base of ``ve`` and ``vp``.

    Raises ValueError for an unknown name or a sigma that is not positive.
    """
    if name in ("ve", "vp"):
        return SCHEDULES[name](sigma)  # type: ignore[call-arg]
    if name in ("vp-linear", "cosine"):
        return SCHEDULES[name]()
    raise ValueError(f"schedule must be one of ve, vp, vp-linear, cosine, got {name!r}")
