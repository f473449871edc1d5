"""Exponential integrators of the backward process, of first order and, with one step's memory, of second.

Let the data be Gaussian with propagator G (one number, or one for each mode) and any mean μ. Then the score at time t
is ``s = -(x - f μ)/V`` with ``V = f² G + Ξ``, and both backward processes are solved exactly from t to s < t:

    x_s = [x_t + (1 - e^{-H}) (f μ - x_t)]/a + noise,      a = f(t,s),

    probability flow:    H = h,     no noise,                       e^{2h} = V(t)/(a² V(s)) = 1 + Ξ(t,s)/(a² V(s))
    Anderson's SDE:      H = 2h,    noise of variance V(s) Ξ(t,s)/V(t)

For other data the same formula holds with the mean that the score implies at each point,

    f μ(x, t) = x + V s(x, t),

which moves with x and t only as far as the data are not this Gaussian; that alone is discretised. First order holds μ
over the step; second order continues it in a straight line from the step before (arXiv:2211.01095, algorithm 2):

    μ → μ_i + ½ (H_i/H_{i-1}) (μ_i - μ_{i-1}),

with the ratio of the steps kept below 3/2. Neighbouring steps of a fine grid are more alike than that, so the order
stays; but the last steps of a uniform grid that ends near t = 0 are many times longer in H than those before them,
while μ hardly moves any more.

With G = 0 the mean μ is the denoised field: the flow is DDIM at first and DPM-Solver++(2M) at second order, the SDE is
ancestral sampling and SDE-DPM-Solver++(2M). ``core.diffusion.exponential`` puts in the data's own propagator.
One score evaluation a step in every case.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from core.contracts import ScoreFunction, StepCallback, Tensor
from core.diffusion.stepping import begin, deviates, posterior_steps
from core.noise import Noise
from core.schedule import Schedule

FARTHEST = 1.5
"""How far the straight line is followed, in lengths of the step before."""


class Modes(Protocol):
    """The orthonormal modes in which the propagator is diagonal.

    ``variance`` is G, an array of the shape of one configuration's modes, or one number.
    """

    @property
    def variance(self) -> Any: ...

    def split(self, x: Tensor) -> Tensor:
        """The modes of configurations (n, *event)."""
        ...

    def join(self, modes: Tensor) -> Tensor:
        """Configurations (n, *event) from their modes; undoes ``split``."""
        ...


class Sites:
    """Every component of x by itself, and nothing known about it: G = 0."""

    variance = 0.0

    def split(self, x: Tensor) -> Tensor:
        return x

    def join(self, modes: Tensor) -> Tensor:
        return modes


class StepWeights(NamedTuple):
    """What a step does to a mode: ``[x_t + shift V s + extrapolate f (μ_i - μ_{i-1})]/a + spread η``.

    ``variance`` is V(t), and shift is 1 - e^{-H}; all are of the propagator's shape.
    """

    variance: Any
    shift: Any
    extrapolate: Any
    spread: Any


def multistep(x, score: ScoreFunction, schedule: Schedule, times, noise: Noise, callback: StepCallback | None = None):
    """DPM-Solver++(2M), the probability flow in its data prediction (arXiv:2211.01095, algorithm 2).

    Second order with one score evaluation a step; deterministic: ``noise`` is not used.
    """
    return integrate(x, score, schedule, times, noise, callback, Sites())


@torch.no_grad()
def integrate(
    x: Tensor, score: ScoreFunction, schedule: Schedule, times, noise: Noise, callback: StepCallback | None,
    modes: Modes, order: int = 2, stochastic: bool = False,
) -> Tensor:  # fmt: skip
    """The integrator of this module in any ``modes``, of ``order`` 1 or 2, for the flow or the SDE.

    The SDE has its noise in every step, the last one too: its variance there is what the exact law at the last time
    has, and it vanishes with the noise level where G = 0. Arguments, result and errors otherwise as of every solver;
    FloatingPointError also for a step so long that dividing by a would lose all digits.
    """
    watch, *_ = begin(x, schedule, times, callback)
    a, _, _ = posterior_steps(schedule, times, x.dtype)
    digits = 1e3 * torch.finfo(x.dtype).eps
    y, before = modes.split(x), None
    for i, step in enumerate(step_weights(schedule, times, modes.variance, stochastic)):
        variance, shift, extrapolate, spread = (_like(y, weight) for weight in step)
        pull = variance * modes.split(score(x, float(times[i])))
        mean = y + pull  # f_i μ_i
        y = y + shift * pull
        # Where two steps together divide by too small a number, the mean of the step before has no digits left.
        if order == 2 and before is not None and a[i] * a[i - 1] > digits:
            y = y + extrapolate * (mean - before)
        y, before = y / a[i], mean / a[i]
        if stochastic:
            y = y + spread * modes.split(deviates(noise, i, x))
        x = modes.join(y)
        watch(i + 1, x)
    return x


def step_weights(schedule: Schedule, times, propagator: Any, stochastic: bool) -> Iterator[StepWeights]:
    """The weights of every step along falling ``times`` for modes of this ``propagator`` G, in float64."""
    times, previous = np.asarray(times, dtype=float), None
    for t, s in itertools.pairwise(times):
        a, q = float(schedule.f(t, s)), float(schedule.xi(t, s))
        v_t, v_s = (float(schedule.f(r)) ** 2 * propagator + float(schedule.xi(r)) for r in (t, s))
        with np.errstate(divide="ignore", over="ignore"):
            h = np.log1p(q / np.multiply(a**2, v_s)) * (1.0 if stochastic else 0.5)
        shift = -np.expm1(-h)
        extrapolate = shift * np.minimum(h / previous, FARTHEST) / 2 if previous is not None else 0.0 * shift
        spread = np.sqrt(v_s * q / v_t) if stochastic else 0.0 * shift
        yield StepWeights(v_t, shift, extrapolate, spread)
        previous = h


def _like(modes: Tensor, weight: Any) -> Any:
    if np.ndim(weight) == 0:
        return float(weight)
    real = modes.real.dtype if modes.is_complex() else modes.dtype
    return torch.from_numpy(np.ascontiguousarray(weight)).to(device=modes.device, dtype=real)
