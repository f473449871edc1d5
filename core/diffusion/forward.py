"""The forward process ``dx = -½ k(t) x dt + g(t) dW``, which dissolves data into noise.

Its transition law is known, ``x(t) = f(t,s) x(s) + √Ξ(t,s) η`` (arXiv:2410.21212, section 2), so stepping the SDE is
for showing and checking the process; everything else draws exactly.
"""

from __future__ import annotations

import numpy as np
import torch

from core.contracts import StepCallback, Tensor
from core.noise import Noise
from core.schedule import Schedule


@torch.no_grad()
def transition(x0: Tensor, schedule: Schedule, t: float, noise: Noise, step: int = 0, s: float = 0.0) -> Tensor:
    """An exact draw of x(t) given x(s) = ``x0``, of any shape (n, *event), with the deviates of ``step``.

    Draws for successive times with successive steps follow one Brownian path. Raises ValueError unless
    ``0 <= s <= t <= t_max``.
    """
    if not 0 <= s <= t <= schedule.t_max:
        raise ValueError(f"the transition needs 0 <= s <= t <= {schedule.t_max:g}, got s = {s} and t = {t}")
    eta = noise.normal(step, tuple(x0.shape), x0.dtype, x0.device)
    return float(schedule.f(t, s)) * x0 + float(np.sqrt(schedule.xi(t, s))) * eta


@torch.no_grad()
def forward_sde(
    x: Tensor, schedule: Schedule, times: np.ndarray, noise: Noise, callback: StepCallback | None = None
) -> Tensor:
    """Euler–Maruyama along rising ``times``: ``x += -½ k x dt + g √dt η``; returns x at the last time.

    First order in dt: Ξ comes out as the left Riemann sum of its integral. Raises ValueError unless the times rise
    within [0, t_max].
    """
    times = np.asarray(times, dtype=float)
    if len(times) < 2 or times[0] < 0 or times[-1] > schedule.t_max or np.any(np.diff(times) <= 0):
        raise ValueError(f"times of the forward process must rise within 0 and {schedule.t_max:g}, got {times}")
    k, g = schedule.k(times), schedule.g(times)
    if callback:
        callback(0, times[0], x)
    for i, dt in enumerate(np.diff(times)):
        eta = noise.normal(i, tuple(x.shape), x.dtype, x.device)
        x = (1 - k[i] * dt / 2) * x + (g[i] * np.sqrt(dt)) * eta
        if callback:
            callback(i + 1, times[i + 1], x)
    return x
