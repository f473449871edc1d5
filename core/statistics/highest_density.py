"""Regions of highest density: how little room the bulk of the probability needs."""

from __future__ import annotations

from typing import Any

import numpy as np


def highest_density_fraction(density: Any, probability: float = 0.95) -> np.ndarray:
    """The smallest fraction of a window that holds ``probability`` of what is inside it, (frames,).

    ``density`` is (frames, *cells), at least 0, on cells of equal size that fill the window; its normalisation is
    free. The cell that passes the threshold counts in part, so that the result is not a multiple of the cell. Raises
    ValueError for a probability outside 0 to 1 and for a frame without density.
    """
    if not 0 < probability < 1:
        raise ValueError(f"probability must lie between 0 and 1, got {probability}")
    density = np.asarray(density, dtype=float)
    falling = -np.sort(-density.reshape(len(density), -1), axis=1)
    share = np.cumsum(falling, axis=1)
    total = share[:, -1]
    if not np.all(total > 0):
        raise ValueError("density must be positive somewhere in every frame")
    wanted = probability * total
    whole = (share < wanted[:, None]).sum(axis=1)
    frames = np.arange(len(density))
    before = np.where(whole > 0, share[frames, whole - 1], 0.0)
    return (whole + (wanted - before) / falling[frames, whole]) / falling.shape[1]
