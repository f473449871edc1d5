"""What every picture of a forward and a backward process shares: one clock, from the data to noise and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.schedule import Schedule
from dashboard.stage import Mark

TICKS = [(0.0, "data"), (0.5, "t = ½"), (1.0, "noise"), (1.5, "t = ½"), (2.0, "samples")]
WILD = 5.0
"""Measurements beyond this many times the prediction would press it flat on a linear axis."""
DECADES = 3
"""Decades above the first predicted value that a symmetric logarithmic axis shows."""


def clock_positions(forward: np.ndarray, backward: np.ndarray, t_max: float) -> np.ndarray:
    """Places on the clock, 0 → 1 for the rising times of the forward and 1 → 2 for the falling ones of the backward
    process, strictly rising: the turning point is there twice, as the data's end and as the prior."""
    positions = np.concatenate([forward, 2 * t_max - backward]) / t_max
    turn = len(forward)
    positions[turn] = max(positions[turn], positions[turn - 1] + 1e-4)
    return positions


def captions(schedule: Schedule, t: np.ndarray, turn: int) -> list[str]:
    """Direction, time and noise level of every frame, for beside the controls; ``turn`` is the first backward one."""
    log_sigma = schedule.log_sigma(t)
    level = [f"{np.exp(s):.3g}" if s < 12 else f"e^{s:.0f}" for s in log_sigma]
    way = np.where(np.arange(len(t)) < turn, "forward", "backward")
    return [f"{w}   t = {a:.3f}   σ̃ = {s}" for w, a, s in zip(way, t, level, strict=True)]


def signal_marks(schedule: Schedule, variance: float) -> list[Mark]:
    """Where the noise variance passes the signal's, on both halves of the clock; none where it never does."""
    end = schedule.t_max
    drown = float(schedule.t_of_sigma(np.sqrt(variance)))
    if drown >= end:
        return []
    return [
        Mark(drown / end, "drowns", f"t = {drown:.3f}: the noise variance Ξ equals the signal's, f² κ₂"),
        Mark(2 - drown / end, "emerges", f"t = {drown:.3f}: the signal's variance f² κ₂ rises above the noise, Ξ"),
    ]


def cumulant_axis(n: int, predicted: np.ndarray, value: np.ndarray, error: np.ndarray) -> dict[str, Any]:
    """Options of a panel for κₙ or μₙ on which the prediction stays visible.

    A second order that grows more than tenfold goes on a logarithmic axis. The others are linear, unless noise drives
    the measurement far beyond the prediction: then (but for the mean) symmetric logarithmic, linear up to the size at
    the start.
    """
    scale = float(np.nanmax(np.abs(predicted)))
    start = max(abs(float(predicted[0])), 1e-3)
    linear = float(10.0 ** np.floor(np.log10(start)))
    wide = n == 2 and scale > 10 * start
    wild = n > 1 and not wide and float(np.nanmax(np.abs(value) + error, initial=0.0)) > WILD * max(scale, 1e-12)
    reach = linear * 10.0**DECADES
    return {
        "log_y": wide, "symlog_y": wild, "linthresh": linear, "ylim": (-reach, reach) if wild else None,
    }  # fmt: skip
