"""What every integrator of the backward process does alike: check its times, draw its noise, watch its numbers."""

from __future__ import annotations

import math

import numpy as np
import torch

from core.contracts import StepCallback, Tensor
from core.noise import Noise
from core.schedule import Schedule


def begin(x: Tensor, schedule: Schedule, times, callback: StepCallback | None):
    """Checks the times; returns what to call after each step, k and g² at the times, and the lengths of the steps."""
    times = np.asarray(times, dtype=float)
    if len(times) < 2 or times[-1] < 0 or times[0] > schedule.t_max or np.any(np.diff(times) >= 0):
        raise ValueError(f"times of the backward process must fall within {schedule.t_max:g} and 0, got {times}")
    last = len(times) - 1
    every = 1 if x.device.type == "cpu" else 16  # elsewhere a look at the numbers holds up the queue

    def watch(i: int, x: Tensor) -> None:
        # One pass: a sum is not finite if any of its terms is not, and such a term never becomes finite again.
        if (i % every == 0 or i == last) and not math.isfinite(x.sum().item()):
            where = f"at step {i} of {last}" if every == 1 else f"within the {every} steps before step {i} of {last}"
            raise FloatingPointError(
                f"The backward process diverged {where}, t = {times[i]:.4g}; take more steps, another grid "
                "(log or karras), a smaller sigma, or the ancestral or flow solver."
            )
        if callback:
            callback(i, float(times[i]), x)

    watch(0, x)
    return watch, schedule.k(times), schedule.g2(times), -np.diff(times)


def deviates(noise: Noise, step: int, x: Tensor) -> Tensor:
    """N(0, 1) deviates of a step, of the shape, precision and device of x."""
    return noise.normal(step, tuple(x.shape), x.dtype, x.device)


def posterior_steps(schedule: Schedule, times, dtype: torch.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a = f(t,s), q = Ξ(t,s) and the posterior variance Ξ(s) q/Ξ(t) of every step.

    Dividing by a multiplies the score's rounding error: steps that would lose all digits are refused.
    """
    times = np.asarray(times, dtype=float)
    t, s = times[:-1], times[1:]
    a, q = schedule.f(t, s), schedule.xi(t, s)
    smallest = 1e3 * torch.finfo(dtype).eps
    if np.any(a < smallest):
        i = int(np.argmin(a))
        raise FloatingPointError(
            f"Step {i + 1} of {len(a)}, from t = {t[i]:.4g} to {s[i]:.4g}, is too long, as it divides by "
            f"f(t,s) = {a[i]:.2g}; "
            "take more steps, or the karras grid."
        )
    return a, q, schedule.xi(s) * q / schedule.xi(t)
