"""Cumulants and moments on the clock: measured, predicted, and with the noise of the same paths removed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.diffusion.record import Frames
from core.schedule import Schedule
from core.statistics.control import noise_removed
from core.statistics.cumulants import is_only_noise, moments_from_cumulants, predicted_cumulants
from core.theories.base import Target

ORDERS = (1, 2, 3, 4, 6, 8)
DROWNED = 1.0
"""A cumulant below this many standard errors is called only noise."""


@dataclass(frozen=True, eq=False)
class Curve:
    """κₙ or μₙ in every frame; ``variate`` is κₙ with the noise of the same paths removed, NaN in the backward half,
    None for moments."""

    value: np.ndarray
    error: np.ndarray
    predicted: np.ndarray
    variate: np.ndarray | None
    note: str = ""


def cumulant_curves(target: Target, schedule: Schedule, forward: Frames, backward: Frames) -> dict[int, Curve]:
    """κₙ of both processes for the orders worth a picture, with a note where the forward half sinks into noise."""
    assert forward.difference_sums is not None
    t, turn = np.concatenate([forward.times, backward.times]), len(forward.times)
    kappa0 = target.cumulants(8)
    predicted = predicted_cumulants(kappa0, schedule, t)
    value, error = _measured(forward, backward, moments=False)
    removed = noise_removed(forward.difference_sums, schedule.xi(forward.times)).value
    variate = np.concatenate([removed, np.full((len(t) - turn, 9), np.nan)])
    drowned = is_only_noise(predicted[:turn], backward.total, DROWNED)
    curves = {}
    for n in _orders(kappa0, kappa0[2]):
        note = ""
        if n > 2 and drowned[:, n].any():
            note = f"only noise from t ≈ {forward.times[drowned[:, n]][0]:.2f} on"
        curves[n] = Curve(value[:, n], error[:, n], predicted[:, n], variate[:, n], note)
    return curves


def moment_curves(target: Target, schedule: Schedule, forward: Frames, backward: Frames) -> dict[int, Curve]:
    """μₙ of both processes for the orders worth a picture."""
    t = np.concatenate([forward.times, backward.times])
    kappa0 = target.cumulants(8)
    predicted = moments_from_cumulants(predicted_cumulants(kappa0, schedule, t))
    value, error = _measured(forward, backward, moments=True)
    orders = _orders(moments_from_cumulants(kappa0), kappa0[2])
    return {n: Curve(value[:, n], error[:, n], predicted[:, n], None) for n in orders}


def _measured(forward: Frames, backward: Frames, *, moments: bool) -> tuple[np.ndarray, np.ndarray]:
    """Values and errors in the frames of both, each (F, 9)."""
    assert forward.sums is not None
    assert backward.sums is not None
    both = [sums.moments() if moments else sums.cumulants() for sums in (forward.sums, backward.sums)]
    return np.concatenate([m.value for m in both]), np.concatenate([m.error for m in both])


def _orders(exact: np.ndarray, variance: float) -> tuple[int, ...]:
    """All of ORDERS where an odd one is not zero, else the even ones: the grid of pictures stays regular."""
    odd = any(abs(exact[n]) >= 1e-9 * variance ** (n / 2) for n in ORDERS if n % 2)
    return ORDERS if odd else tuple(n for n in ORDERS if n % 2 == 0)
