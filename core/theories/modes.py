"""Where a law has one maximum: the noise level, and the time of a schedule, at which several peaks have become one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from core.schedule import Schedule
from core.theories.base import Target

POINTS = 601
FAINT = 12.0
"""A maximum lower than the highest by more than this in log P does not count."""
HALVINGS = 14


def count_maxima(target: Target, xi: float = 0.0) -> int:
    """Number of maxima of the density of x_0 + √Ξ η, Ξ = ``xi``, on a grid over its window, for one dimension.

    Maxima below e⁻¹² of the highest do not count, nor any that lie closer than the grid of 601 points.
    """
    low, high = target.window(1.0, xi)[0]
    log_p = target.log_prob(torch.linspace(low, high, POINTS, dtype=torch.float64)[:, None], 1.0, xi).numpy()
    inner = (log_p[1:-1] > log_p[:-2]) & (log_p[1:-1] > log_p[2:]) & (log_p[1:-1] > log_p.max() - FAINT)
    return int(inner.sum())


@lru_cache(maxsize=64)
def unimodal_level(target: Target) -> float:
    """The noise level σ̃ = √Ξ/f from which on the density of f x_0 + √Ξ η has a single maximum; 0 where it always has.

    By bisection to 2⁻¹⁴ of the law's width. In one dimension a maximum, once merged by Gaussian noise, never returns,
    so the level is unique, and it is the same for every schedule.
    """
    if count_maxima(target) <= 1:
        return 0.0
    low, high = 0.0, float(np.ptp(target.window()[0]))  # noise as wide as the law leaves one maximum
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if count_maxima(target, middle**2) > 1 else (low, middle)
    return high


def unimodal_time(target: Target, schedule: Schedule) -> float | None:
    """The time at which P_t becomes unimodal; None where P_0 has one maximum already or P_T still several."""
    level = unimodal_level(target)
    return float(schedule.t_of_sigma(level)) if 0 < level < float(schedule.sigma(schedule.t_max)) else None
