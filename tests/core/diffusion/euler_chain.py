"""The law of an Euler chain without statistics: its density on a grid, pushed through every step.

A step takes x to ``m(x) + g √dt η``; m(x) is the engine's own step without noise, and the Gaussian is folded in by the
trapezoidal rule, which is exact to rounding as long as the spacing stays below g √dt.
"""

import numba as nb
import numpy as np
import torch

from core.diffusion.backward import euler
from core.noise import Noise
from core.statistics.cumulants import cumulants_from_moments


@nb.njit(fastmath=True)
def _push(p, x, m, s):
    h = x[1] - x[0]
    out = np.zeros_like(p)
    for k in range(len(p)):
        weight = p[k] * h / (s * np.sqrt(2 * np.pi))
        if weight > 1e-25:
            low, high = int((m[k] - 8 * s - x[0]) / h), int((m[k] + 8 * s - x[0]) / h) + 1
            for j in range(max(0, low), min(len(p), high)):
                out[j] += weight * np.exp(-0.5 * ((x[j] - m[k]) / s) ** 2)
    return out


def euler_cumulants(score, schedule, times, start_variance):
    """κ_0 … κ_8 at the end of the Euler chain that starts from N(0, start_variance); no noise in the last step."""
    noise = np.sqrt(schedule.g2(times[:-1]) * -np.diff(times))
    reach = 8 * max(1.5, np.sqrt(start_variance))
    x = np.linspace(-reach, reach, 1 + 2 * int(np.ceil(reach / (0.8 * noise.min()))))
    p = np.exp(-(x**2) / (2 * start_variance)) / np.sqrt(2 * np.pi * start_variance)
    points, m = torch.from_numpy(x)[:, None], x
    for i, s in enumerate(noise):
        m = euler(points, score, schedule, times[i : i + 2], Noise(0))[:, 0].numpy()  # a single step is a last step
        if i + 1 < len(noise):
            p = _push(p, x, m, s)
    weights = p * (x[1] - x[0])
    return cumulants_from_moments([np.sum(weights * m**n) for n in range(9)])
