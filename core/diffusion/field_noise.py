"""Which noise levels a lattice field needs, and schedules that reach them.

The level σ̃ = √Ξ/f at the end must exceed the spread of the field's largest mode, √(V⟨M²⟩), or the zero mode, and
with it the sign of M, never dissolves; the level at which the backward process stops must be far below the spread of
the smallest mode, or it shows as noise on every site.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from core.diffusion.field_gaussian import FieldGaussianScore
from core.schedule import VE, VP, Cosine, LinearVP, Schedule

HEADROOM = 2.0
"""The suggested last level, in units of the largest mode's spread."""
REMAINDER = 0.02
"""The level at which the backward process stops, in units of the smallest mode's spread: 4·10⁻⁴ of its variance."""


class NoiseRange(NamedTuple):
    """Noise levels σ̃ in the field's own units: where the backward process stops and where it should start."""

    low: float
    high: float


def noise_range(gaussian: FieldGaussianScore) -> NoiseRange:
    """The levels that suit an ensemble with these one- and two-point functions."""
    low = REMAINDER * math.sqrt(float(gaussian.connected.min()))
    return NoiseRange(low, HEADROOM * math.sqrt(float(gaussian.full.max())))


def schedule_reaching(name: str, level: float) -> Schedule:
    """The schedule called ``name`` (ve, vp, vp-linear or cosine) whose noise level σ̃ ends at ``level``.

    Its free parameter is solved for: σ of ``ve`` and ``vp``, the largest β of ``vp-linear``, the cap of ``cosine``.
    Raises ValueError for an unknown name, or a level that no value of the parameter reaches.
    """
    if not (math.isfinite(level) and level > 0):
        raise ValueError(f"level must be a positive finite number, got {level}")
    if name == "cosine":
        return Cosine(sigma_cap=level)
    families = {"ve": (VE, 1e-3, 1e9), "vp": (VP, 1e-3, 1e4), "vp-linear": (lambda b: LinearVP(beta_max=b), 1e-3, 1e4)}
    if name not in families:
        raise ValueError(f"schedule must be one of ve, vp, vp-linear, cosine, got {name!r}")
    make, low, high = families[name]

    def miss(log_parameter: float) -> float:
        schedule = make(math.exp(log_parameter))
        return float(schedule.log_sigma(schedule.t_max)) - math.log(level)

    if miss(math.log(low)) > 0 or miss(math.log(high)) < 0:
        raise ValueError(f"no parameter of the schedule {name!r} makes its noise end at σ̃ = {level:g}")
    return make(float(np.exp(brentq(miss, math.log(low), math.log(high), xtol=1e-12))))  # type: ignore[arg-type]


def schedule_warning(schedule: Schedule, gaussian: FieldGaussianScore) -> str | None:
    """A sentence where the schedule ends before the largest mode has drowned in noise, else None."""
    spread = math.sqrt(float(gaussian.full.max()))
    level = float(schedule.sigma(schedule.t_max))
    if level >= spread:
        return None
    return (
        f"The schedule ends at σ̃ = {level:.3g}, below the spread {spread:.3g} of the field's largest mode: part of the "
        f"field never dissolves. A schedule that ends near σ̃ = {HEADROOM * spread:.3g} would do."
    )


def prior_warning(schedule: Schedule, gaussian: FieldGaussianScore) -> str | None:
    """A sentence that says how much of the zero mode the prior N(0, Ξ) leaves out, or None below 0.1 %."""
    f, xi = float(schedule.f(schedule.t_max)), float(schedule.xi(schedule.t_max))
    data = f**2 * float(gaussian.full.max())
    share = data / (data + xi)
    if share < 1e-3:
        return None
    return (
        f"The prior N(0, Ξ) starts with ⟨M²⟩ {share:.1%} too small, as it leaves out the field's own zero mode; "
        "the matched prior has it right."
    )
