"""Coordinates that follow the spread of the forward process.

With ``ξ_i = (x_i - a_i)/ℓ_i, a = f·mean, ℓ_i² = f² var_i + Ξ`` the forward equation of every linear schedule,
``∂_t P = ½k ∂_x(x P) + ½ g² ∂_x² P`` (arXiv:2410.21212, section 2), becomes one and the same equation

    ∂_{s_i} P̂ = ∂_{ξ_i} (ξ_i + ∂_{ξ_i}) P̂,    s_i(t) = ½ log(1 + σ̃²/var_i),    ds_i/dt = g²/(2 ℓ_i²),

the Langevin process of a unit Gaussian: σ̃ alone matters, and the grid never needs to grow. The backward equation
(Anderson's, arXiv:2309.17082) is, with the same clocks running down,

    -∂_{s_i} Q̂ = -∂_{ξ_i} [(ξ_i + 2 ℓ_i score_i) Q̂] + ∂²_{ξ_i} Q̂.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.fokker_planck.grid import Density, union
from core.schedule import Schedule
from core.theories.base import Target

SMALLEST_F = 1e-300
"""A strong damping lets f underflow; laws are asked for at this f then."""


@dataclass(frozen=True)
class Comoving:
    """The map between x and ξ for data of the given ``mean`` and ``variance`` (both of shape (dim,))."""

    schedule: Schedule
    mean: np.ndarray
    variance: np.ndarray

    def centre(self, t: np.ndarray | float) -> np.ndarray:
        """a(t), shape (..., dim)."""
        return np.asarray(self.schedule.f(t))[..., None] * self.mean

    def scale(self, t: np.ndarray | float) -> np.ndarray:
        """ℓ(t), shape (..., dim)."""
        f, xi = np.asarray(self.schedule.f(t)), np.asarray(self.schedule.xi(t))
        return np.sqrt(f[..., None] ** 2 * self.variance + xi[..., None])

    def clocks(self, t: np.ndarray | float) -> np.ndarray:
        """s_i(t), shape (..., dim); 0 at t = 0, without overflow of σ̃."""
        log_sigma = np.asarray(self.schedule.log_sigma(t))[..., None]
        return np.logaddexp(0.0, 2 * log_sigma - np.log(self.variance)) / 2

    def time(self, s: np.ndarray, axis: int) -> np.ndarray:
        """The time at which the clock of ``axis`` shows ``s`` >= 0."""
        with np.errstate(divide="ignore"):
            log_ratio = 2 * s + np.log(-np.expm1(-2 * s))  # log(σ̃²/var)
        return self.schedule.t_of_log_sigma((log_ratio + np.log(self.variance[axis])) / 2)


def window_of_law(law: Target, moving: Comoving, times: np.ndarray) -> np.ndarray:
    """The interval in ξ that holds the forward law from times[0] to times[-1], shape (dim, 2), with a margin."""
    reach = None
    s_first, s_last = moving.clocks(times[[0, -1]])[:, 0]
    for s in np.linspace(s_first, s_last, 5):
        t = float(moving.time(np.array(s), 0))
        x = law.window(max(float(moving.schedule.f(t)), SMALLEST_F), float(moving.schedule.xi(t)))
        at_t = (x - moving.centre(t)[:, None]) / moving.scale(t)[:, None]
        reach = at_t if reach is None else union(reach, at_t)
    assert reach is not None
    return reach * 1.05


def window_of_start(start: Density, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The interval in ξ that ``start`` asks for, shape (dim, 2); empty where it does not say."""
    window = getattr(start, "window", None)
    if window is None:
        return np.tile([np.inf, -np.inf], (len(centre), 1))
    window = np.asarray(window, dtype=float)
    if window.shape != (len(centre), 2):
        raise ValueError(f"start must be a density in {len(centre)} dimensions, its window has shape {window.shape}")
    return (window - centre[:, None]) / scale[:, None]
