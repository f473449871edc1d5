"""Where curves are evaluated: evenly, and densely in peaks that would fall between the points."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from core.theories.base import Target

SEARCH = 10_001  # points on which the peaks of a law are looked for
NARROW = 2.5  # a peak is narrow if its width is below this many spacings of the even grid
PEAKS = 12  # narrow peaks that get points of their own, the highest first
ACROSS = np.linspace(-5, 5, 31)  # these points, in units of the peak's width


def drawing_grid(
    target: Target, low: np.ndarray, high: np.ndarray, f: np.ndarray, xi: np.ndarray, points: int
) -> np.ndarray:
    """Points from ``low`` to ``high`` (F,) for the density of f x_0 + √Ξ η in one dimension, (F, points or more).

    They are even unless the law has narrow peaks; each of those, at most PEAKS of them, brings its own points along,
    31 across ±5 widths at every noise level: the peak at m of width s is one at f m of width √(f² s² + Ξ).
    """
    even = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, points)
    centres, widths = narrow_peaks(target, points)
    spread = np.sqrt((f[:, None] * widths) ** 2 + xi[:, None])
    own = (f[:, None] * centres)[:, :, None] + spread[:, :, None] * ACROSS
    return np.sort(np.concatenate([even, np.clip(own.reshape(len(f), -1), low[:, None], high[:, None])], axis=1))


@lru_cache(maxsize=64)
def narrow_peaks(target: Target, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Places and widths (-∂² log P)^(-1/2) of the maxima of P_0 that an even grid of ``points`` does not resolve."""
    low, high = target.window()[0]
    x = np.linspace(low, high, SEARCH)
    log_p = target.log_prob(torch.from_numpy(x)[:, None]).numpy()
    top = 1 + np.flatnonzero((log_p[1:-1] > log_p[:-2]) & (log_p[1:-1] >= log_p[2:]))
    before, there, after = log_p[top - 1], log_p[top], log_p[top + 1]
    bend = np.maximum(2 * there - before - after, 1e-300)
    centres = x[top] + (x[1] - x[0]) * (after - before) / (2 * bend)  # of the parabola through the three points
    widths = (x[1] - x[0]) / np.sqrt(bend)
    narrow = np.flatnonzero(widths < NARROW * (high - low) / (points - 1))
    narrow = narrow[np.argsort(-there[narrow])][:PEAKS]
    return centres[narrow], widths[narrow]
