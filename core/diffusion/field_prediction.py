"""What the forward process makes of a lattice ensemble's functions, exactly, for every schedule.

With x(t) = f x_0 + √Ξ η and independent noise on every site (arXiv:2410.21212, section 3),

    κ_n(t) = fⁿ κ_n(0) + Ξ δ_{n2}        G(r; t) = f² G(r; 0) + Ξ δ_{r0}        ⟨|φ_p|²⟩/V = f² G_p(0) + Ξ,

so that an error at t = 0 is carried along with its power of f. The score of the law of one Gaussian field has
⟨|s_p|²⟩/V = 1/v_p, v_p = f² G_p + Ξ. For two components at ±m, with G the connected propagator, the zero mode has

    ⟨|s_0|²⟩/V = [1 - c ⟨sech²(c + √c ξ)⟩_ξ]/v_0,     c = V f² m²/v_0,     ξ ~ N(0, 1),

by ⟨s s⟩ = -⟨∂s⟩ with the mixture's own score (``core.diffusion.field_gaussian``).
"""

from __future__ import annotations

import math

import numpy as np

from core.diffusion.field_gaussian import FieldGaussianScore
from core.schedule import Schedule
from core.statistics.field_frames import Edges
from core.statistics.jackknife import Estimate
from core.statistics.prediction import predicted_cumulants

SITE_BINS, M_BINS = 80, 60
REACH = 4.5
"""Half width of the histograms beyond ±m, in standard deviations."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(64)


def predict_cumulants(start: Estimate, schedule: Schedule, times: np.ndarray) -> Estimate:
    """κ_n (F, 9) at ``times`` (F,) from those at t = 0, (9,)."""
    f = np.asarray(schedule.f(times), dtype=float)[:, None]
    return Estimate(predicted_cumulants(start.value, schedule, times), start.error * f ** np.arange(len(start.error)))


def predict_correlator(start: Estimate, schedule: Schedule, times: np.ndarray) -> Estimate:
    """G(r) (F, K) at ``times`` from that at t = 0, (K,), r = 0 first."""
    predicted = _scaled(start, schedule, times, 2)
    predicted.value[:, 0] += schedule.xi(times)
    return predicted


def predict_structure(start: Estimate, schedule: Schedule, times: np.ndarray) -> Estimate:
    """⟨|φ_p|²⟩/V (F, K) at ``times`` from that at t = 0, (K,)."""
    value, error = _scaled(start, schedule, times, 2)
    return Estimate(value + np.asarray(schedule.xi(times), dtype=float)[:, None], error)


def predict_four_point(start: Estimate, schedule: Schedule, times: np.ndarray) -> Estimate:
    """Connected four-point functions (F, Q) at ``times`` from those at t = 0, (Q,): f⁴ times as large."""
    return _scaled(start, schedule, times, 4)


def predict_score_norm(gaussian: FieldGaussianScore, schedule: Schedule, times: np.ndarray) -> np.ndarray:
    """√(⟨|s_p|²⟩/V) (F, K) of the Gaussian field's own score at p = 2πk/L along an axis, averaged over the longest."""
    f, xi = (np.asarray(a, dtype=float)[:, None] for a in (schedule.f(times), schedule.xi(times)))
    power = 1 / (f**2 * along_axes(gaussian.connected) + xi)
    if gaussian.m > 0:
        c = gaussian.connected.size * (f * gaussian.m) ** 2 * power[:, :1]
        flat = np.cosh(np.minimum(c + np.sqrt(c) * _NODES, 300.0)) ** -2 @ _WEIGHTS / math.sqrt(2 * math.pi)
        power[:, 0] *= 1 - c[:, 0] * flat
    return np.sqrt(power)


def axis_momenta(extent: int) -> np.ndarray:
    """p̂_k = 2 sin(πk/L), k = 0 … L/2, of the momenta along an axis."""
    return 2 * np.sin(np.pi * np.arange(extent // 2 + 1) / extent)


def along_axes(g: np.ndarray) -> np.ndarray:
    """A function on the lattice of momenta at p = 2πk/L, k = 0 … L/2, averaged over the longest axes, (L/2 + 1,)."""
    longest = max(g.shape)
    axes = [axis for axis in range(g.ndim) if g.shape[axis] == longest]
    lines = [np.moveaxis(g, axis, 0).reshape(longest, -1)[: longest // 2 + 1, 0] for axis in axes]
    return np.mean(lines, axis=0)


def axis_crossings(gaussian: FieldGaussianScore, schedule: Schedule) -> dict[str, float]:
    """Times at which the modes along an axis drown in noise, f² G_p = Ξ, and the site: the last to drown first.

    Named "zero mode", "k = 1" … "k = L/2" (p = 2πk/L) and "site", where ⟨φ²⟩ takes the place of G_p; those that never
    drown are left out.
    """
    full = gaussian.full
    levels = {f"k = {k}" if k else "zero mode": float(g) for k, g in enumerate(along_axes(full))}
    levels["site"] = float(full.mean())
    times = {name: float(schedule.t_of_sigma(math.sqrt(g))) for name, g in levels.items()}
    return {name: t for name, t in sorted(times.items(), key=lambda item: -item[1]) if t <= schedule.t_max}


def frame_edges(gaussian: FieldGaussianScore, schedule: Schedule, times: np.ndarray) -> Edges:
    """Bins that hold the fields of this law at ``times``, up to ± (f m + 4.5 standard deviations), for φ and for M."""
    f, xi = (np.asarray(a, dtype=float) for a in (schedule.f(times), schedule.xi(times)))
    connected = gaussian.connected
    site = f * gaussian.m + REACH * np.sqrt(f**2 * connected.mean() + xi)
    m = f * gaussian.m + REACH * np.sqrt((f**2 * connected.flat[0] + xi) / connected.size)
    return Edges(site[:, None] * np.linspace(-1.0, 1.0, SITE_BINS + 1), m[:, None] * np.linspace(-1.0, 1.0, M_BINS + 1))


def _scaled(start: Estimate, schedule: Schedule, times: np.ndarray, power: int) -> Estimate:
    f = np.asarray(schedule.f(times), dtype=float)[:, None] ** power
    return Estimate(f * start.value, f * start.error)
