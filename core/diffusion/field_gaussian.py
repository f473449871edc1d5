"""The Gaussian score of a lattice field, fitted from one- and two-point functions alone.

A Gaussian field with propagator G_p = ⟨|φ_p|²⟩/V, dissolved to ``φ = f φ_0 + √Ξ η``, has the exact score

    s_p = -φ_p / (f² G_p + Ξ).

In the broken phase the field is modelled by two Gaussian fields around ±m with the connected propagator
``G_c(p) = G_p - V m² δ_{p0}``; then the exact score of the mixture is the above with G_c and

    s_0 = -[φ_0 - V f m tanh(f m φ_0 / v_0)] / v_0,      v_0 = f² G_c(0) + Ξ,      φ_0 = Σ_x φ_x,

because the two components differ in the zero mode only. m and G_c(0) follow from the moments of the magnetisation:
``⟨M²⟩ = m² + G_c(0)/V`` and ``⟨M⁴⟩ = m⁴ + 6 m² G_c(0)/V + 3 (G_c(0)/V)²`` give ``2 m⁴ = 3⟨M²⟩² - ⟨M⁴⟩``.
Everything beyond this score is interaction. Fields are real tensors (n, *event) of any precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from core.noise import Noise
from core.schedule import Schedule
from core.statistics.lattice import magnetisation

Tensor = torch.Tensor

SIGNIFICANCE = 3.0
"""Two components are used where the fitted m⁴ is this many standard errors above zero."""


@dataclass(frozen=True, eq=False)
class FieldGaussianScore:
    """Score model and prior of one Gaussian field, or of two at ±m with equal weights.

    ``connected`` is G_c(p) on the lattice of momenta, shape ``event``, positive and even in p; ``m`` >= 0 is the
    field's expectation value in the + component. Raises ValueError for a propagator that is not positive or not even.
    """

    connected: np.ndarray
    m: float = 0.0

    def __post_init__(self) -> None:
        g = self.connected
        if not (np.all(np.isfinite(g)) and np.all(g > 0)):
            raise ValueError(f"the propagator must be positive at every momentum, its smallest value is {np.min(g)}")
        if not np.allclose(g, _reflected(g)):
            raise ValueError("the propagator of a real field must be even, G(-p) = G(p)")
        if not (math.isfinite(self.m) and self.m >= 0):
            raise ValueError(f"m must be a finite number of at least 0, got {self.m}")

    @classmethod
    def fit(cls, fields: Tensor) -> FieldGaussianScore:
        """Fit to an ensemble (n, *event) of independent configurations of a theory even in φ.

        G_p is averaged over reflections of the lattice and over exchanges of axes of equal extent; odd functions are
        set to 0. Raises ValueError for fewer than two configurations, or a mode that never moves.
        """
        if len(fields) < 2:
            raise ValueError(f"a fit needs at least two configurations, got {len(fields)}")
        full = symmetrised(propagator(fields))
        m2 = magnetisation(fields).numpy() ** 2
        fourth = (3 * m2.mean() ** 2 - (m2**2).mean()) / 2  # m⁴
        influence = 3 * m2.mean() * m2 - m2**2 / 2
        significant = fourth > SIGNIFICANCE * influence.std(ddof=1) / math.sqrt(len(m2))
        m = float(fourth**0.25) if significant else 0.0
        zero = (0,) * full.ndim
        full[zero] -= full.size * m**2
        return cls(full, m)

    @property
    def event(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return self.connected.shape

    @property
    def full(self) -> np.ndarray:
        """G_p with the disconnected part: its zero mode is V⟨M²⟩."""
        full = self.connected.copy()
        full[(0,) * full.ndim] += full.size * self.m**2
        return full

    def score(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        """∇ log P of the law of ``f φ_0 + √Ξ η`` at x, of the shape and precision of x."""
        variance = f**2 * self.connected + xi
        axes = tuple(range(1, x.ndim))
        modes = torch.fft.rfftn(x, dim=axes)
        total = modes.flatten(1)[:, 0].real.double()
        result = torch.fft.irfftn(modes * _half(-1 / variance, x), s=self.event, dim=axes)
        if self.m > 0:
            v0 = float(variance.flat[0])
            pull = f * self.m / v0 * torch.tanh(f * self.m / v0 * total)
            result += pull.to(x.dtype).reshape(-1, *[1] * len(axes))
        return result

    def draw_prior(
        self, n: int, f: float, xi: float, noise: Noise, dtype: torch.dtype = torch.float32, kind: str = "matched"
    ) -> Tensor:
        """n draws from the law of ``f φ_0 + √Ξ η``, or from the papers' N(0, Ξ) if ``kind`` is ``noise``.

        Configuration i depends on ``noise`` and i alone. Raises ValueError for any other kind.
        """
        eta = noise.of("prior").normal(0, (n, *self.event), dtype)
        if kind == "noise":
            return math.sqrt(xi) * eta
        if kind != "matched":
            raise ValueError(f"prior must be one of matched, noise, got {kind!r}")
        axes = tuple(range(1, eta.ndim))
        spread = _half(np.sqrt(f**2 * self.connected + xi), eta)
        x = torch.fft.irfftn(torch.fft.rfftn(eta, dim=axes) * spread, s=self.event, dim=axes)
        sign = torch.where(noise.of("component").uniform(0, (n, 1)) < 0.5, -1.0, 1.0)
        return x + (f * self.m * sign).to(dtype).reshape(-1, *[1] * len(axes))

    def crossing_times(self, schedule: Schedule) -> np.ndarray:
        """Time at which each mode drowns in noise, f² G_p = Ξ, shape ``event``; nan where it never does.

        The zero mode, with V⟨M²⟩, is the last on the way up and the first on the way back: there the sign of M is
        decided.
        """
        times = np.asarray(schedule.t_of_sigma(np.sqrt(self.full)))
        return np.where(times <= schedule.t_max, times, np.nan)

    def crossing(self, schedule: Schedule) -> dict[str, float]:
        """The crossings worth a mark on the axis: zero mode, longest wave, site (⟨φ²⟩), shortest wave."""
        full = self.full
        named = {
            "zero mode": float(full.flat[0]),
            "longest wave": float(full[(0,) * (full.ndim - 1) + (1,)]),
            "site": float(full.mean()),
            "shortest wave": float(full[tuple(n // 2 for n in full.shape)]),
        }
        times = {name: float(schedule.t_of_sigma(math.sqrt(g))) for name, g in named.items()}
        return {name: t for name, t in times.items() if t <= schedule.t_max}

    def describe(self) -> str:
        """What this score is and where it can be trusted, in two sentences."""
        if self.m > 0:
            form = f"Two Gaussian fields around ±{self.m:.4g} (weights from tanh), fitted from ⟨|φ_p|²⟩, ⟨M²⟩ and ⟨M⁴⟩."
        else:
            form = "One Gaussian field around 0, fitted from ⟨|φ_p|²⟩."
        return form + " It is exact for a free field, good deep in either phase, and wrong near the critical κ."


def propagator(fields: Tensor) -> np.ndarray:
    """G_p = ⟨|φ_p|²⟩/V of an ensemble (n, *event), float64, on the lattice of momenta, shape ``event``."""
    total = np.zeros(tuple(fields.shape[1:]))
    axes = tuple(range(1, fields.ndim))
    for some in fields.split(256):
        modes = torch.fft.fftn(some.double(), dim=axes)
        total += (modes.real**2 + modes.imag**2).sum(0).cpu().numpy()
    return total / (len(fields) * total.size)


def symmetrised(g: np.ndarray) -> np.ndarray:
    """g(p) averaged over p_μ → -p_μ and over exchanges of axes of equal extent."""
    for axis in range(g.ndim):
        g = (g + _reflected(g, (axis,))) / 2
    if len(set(g.shape)) == 1 and g.ndim > 1:
        orders = [np.roll(np.arange(g.ndim), s) for s in range(g.ndim)]
        orders += [order[::-1] for order in orders] if g.ndim > 2 else []
        g = np.mean([g.transpose(order) for order in orders], axis=0)
    return g


def _reflected(g: np.ndarray, axes: tuple[int, ...] | None = None) -> np.ndarray:
    axes = tuple(range(g.ndim)) if axes is None else axes
    return np.roll(np.flip(g, axes), 1, axes)


def _half(values: np.ndarray, like: Tensor) -> Tensor:
    """Values on the lattice of momenta, restricted to those that a real FFT keeps."""
    half = np.ascontiguousarray(values[..., : values.shape[-1] // 2 + 1])
    return torch.from_numpy(half).to(device=like.device, dtype=like.dtype)
