"""Time grids for the integrators: where between t_max and t_min the steps of the backward process lie."""

from __future__ import annotations

import numpy as np

from core.schedule import Schedule

GRIDS = ("uniform", "log", "variance", "karras", "log-sigma")
SIGMA_CAP = 1000.0
"""Noise level where ``variance``, ``karras`` and ``log-sigma`` start at the latest: above it VP schedules only wait."""


def time_grid(
    schedule: Schedule, steps: int, kind: str = "uniform", t_min: float = 1e-3, scale: float = 1.0
) -> np.ndarray:
    """``steps + 1`` falling times from the start of the backward process to ``t_min``.

    ``uniform`` is equidistant in t, ``log`` in log t, ``variance`` in Ξ, ``karras`` in σ̃^{1/7} (arXiv:2206.00364,
    equation 5), and ``log-sigma`` in log(σ̃ + ``scale``): of equal ratio above the scale, where a field's large modes
    are decided, and few where σ̃ is small against all of them. The last three start at σ̃ = SIGMA_CAP at most. Raises
    ValueError for a grid that is not one of GRIDS, fewer than one step, a scale that is not positive, or t_min outside
    (0, t_max).
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    end = schedule.t_max
    if not 0 < t_min < end:
        raise ValueError(f"t_min must lie between 0 and {end:g}, got {t_min}")
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be a positive noise level, got {scale}")
    fraction = np.linspace(0.0, 1.0, steps + 1)
    if kind in ("variance", "karras", "log-sigma"):
        end = min(end, float(schedule.t_of_sigma(SIGMA_CAP)))
    if kind == "uniform":
        times = end + fraction * (t_min - end)
    elif kind == "log":
        times = np.exp(np.log(end) + fraction * (np.log(t_min) - np.log(end)))
    elif kind == "variance":
        times = schedule.t_of_xi((1 - fraction) * float(schedule.xi(end)) + fraction * float(schedule.xi(t_min)))
    elif kind == "karras":
        high, low = float(schedule.sigma(end)) ** (1 / 7), float(schedule.sigma(t_min)) ** (1 / 7)
        times = schedule.t_of_sigma((high + fraction * (low - high)) ** 7)
    elif kind == "log-sigma":
        high, low = float(schedule.sigma(end)), float(schedule.sigma(t_min))
        times = schedule.t_of_sigma((high + scale) * ((low + scale) / (high + scale)) ** fraction - scale)
    else:
        raise ValueError(f"grid must be one of {', '.join(GRIDS)}, got {kind!r}")
    times[0], times[-1] = end, t_min
    return times
