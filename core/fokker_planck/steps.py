"""Where the time steps lie between the frames.

Two things ask for short steps. A start that is not stationary relaxes; after an elapsed time r the modes faster
than 1/r are gone, so steps in proportion to r treat all modes alike. And a drift that sharpens towards noise level
zero changes on the scale of the noise variance that remains. Both are cut off at the scale that the grid resolves.
The "clock" of either is the logarithm of its time, and steps are equidistant in the sum of the clocks.
"""

from __future__ import annotations

import itertools

import numpy as np

LONGEST = 0.1
"""Length of a step on the clock for ``substeps = 1``."""

_RESOLVED = 3.0  # cells: the narrowest structure that a grid carries
_FROZEN = 100.0  # ratio σ̃²/var above which the drift no longer changes in co-moving coordinates


def relaxation_clock(elapsed: np.ndarray, spacing: float) -> np.ndarray:
    """½ log(1 + r/r_0); in the time r_0 unit diffusion spreads as far as the grid can tell."""
    return np.log1p(2 * elapsed / (_RESOLVED * spacing) ** 2) / 2


def sharpening_clock(s: np.ndarray, spacing: float) -> np.ndarray:
    """½ log(σ̃²/var + w²) as a function of ``s = ½ log(1 + σ̃²/var)``, level where σ̃² >> var."""
    with np.errstate(divide="ignore"):
        log_ratio = 2 * s + np.log(-np.expm1(-2 * s))
    rising = np.logaddexp(2 * np.log(_RESOLVED * spacing), log_ratio)
    return (rising - np.logaddexp(0.0, log_ratio - np.log(_FROZEN))) / 2


def subdivide(frames: np.ndarray, spacing: float, substeps: int, remaining: float | None = None) -> list[np.ndarray]:
    """Elapsed times of the steps in each interval between ``frames``, both its ends included.

    ``frames`` are elapsed times in units of unit diffusion, rising from the start of the process; the first may be
    0. There is at least one step to an interval, none longer than LONGEST/substeps on the clock. ``remaining`` is
    the reading s of the clock of ``sharpening_clock`` at elapsed time 0, from where it runs down.
    """
    total, short = float(frames[-1]), (_RESOLVED * spacing) ** 2 / 2
    geometric = short * np.expm1(np.linspace(0.0, np.log1p(total / short), 400))
    table = np.concatenate([frames, geometric] if remaining is None else [frames, geometric, total - geometric])
    table = np.unique(np.clip(table, 0.0, total))
    clock = relaxation_clock(table, spacing)
    if remaining is not None:
        clock -= sharpening_clock(np.maximum(remaining - table, 0.0), spacing)
    steps = []
    for a, b in itertools.pairwise(frames):
        start, end = np.interp([a, b], table, clock)
        count = max(1, int(np.ceil((end - start) * substeps / LONGEST - 1e-9)))
        inner = np.interp(np.linspace(start, end, count + 1)[1:-1], clock, table)
        steps.append(np.concatenate([[a], inner, [b]]))
    return steps
