"""Exponential integrators of the backward process, of first order and, with memory of earlier steps, higher.

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

Third order lays a parabola through the last three values, over -H_{i-1} - H_{i-2}, -H_{i-1} and 0, and integrates it
exactly: with Newton's divided differences d of first and c of second order, and the moments

    I_k = ∫_0^H e^{-(H-h)} h^k dh,      (1 - e^{-H}) f μ → (1 - e^{-H}) f μ_i + f [I_1 d + (I_2 + H_{i-1} I_1) c],

kept from running away in the same manner. A run's first two steps are of first and second order. It is for smooth
paths, those of the flow.

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
"""How far a line or a parabola is followed, in lengths of the step before."""
LONGEST = 1e3
"""Length in H beyond which a step counts as this long: it may be infinite where G = 0."""


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
    """What a step does to a mode:

    ``[x_t + shift V s + extrapolate f (μ_i - μ_{i-1}) + bend f (μ_{i-1} - μ_{i-2})]/a + spread η``.

    ``variance`` is V(t), and shift is 1 - e^{-H}; all are of the propagator's shape.
    """

    variance: Any
    shift: Any
    extrapolate: Any
    bend: Any
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
    """The integrator of this module in any ``modes``, of ``order`` 1, 2 or 3, for the flow or the SDE.

    The SDE has its noise in every step, the last one too: its variance there is what the exact law at the last time
    has, and it vanishes with the noise level where G = 0. Arguments, result and errors otherwise as of every solver;
    FloatingPointError also for a step so long that dividing by a would lose all digits.
    """
    watch, *_ = begin(x, schedule, times, callback)
    a, _, _ = posterior_steps(schedule, times, x.dtype)
    digits = 1e3 * torch.finfo(x.dtype).eps
    y, before, older = modes.split(x), None, None
    for i, step in enumerate(step_weights(schedule, times, modes.variance, stochastic, order)):
        variance, shift, extrapolate, bend, spread = (_like(y, weight) for weight in step)
        pull = variance * modes.split(score(x, float(times[i])))
        mean = y + pull  # f_i μ_i
        y = y + shift * pull
        # Where steps together divide by too small a number, the mean before them has no digits left.
        if order > 1 and before is not None and a[i] * a[i - 1] > digits:
            y = y + extrapolate * (mean - before)
            if older is not None and a[i] * a[i - 1] * a[i - 2] > digits:
                y = y + bend * (before - older)
        y, before, older = y / a[i], mean / a[i], None if before is None or order < 3 else before / a[i]
        if stochastic:
            y = y + spread * modes.split(deviates(noise, i, x))
        x = modes.join(y)
        watch(i + 1, x)
    return x


def step_weights(schedule: Schedule, times, propagator: Any, stochastic: bool, order: int = 2) -> Iterator[StepWeights]:
    """The weights of every step along falling ``times`` for modes of this ``propagator`` G, in float64.

    Those of memory are 0 as long as there is none.
    """
    times, lengths = np.asarray(times, dtype=float), []
    for t, s in itertools.pairwise(times):
        a, q = float(schedule.f(t, s)), float(schedule.xi(t, s))
        v_t, v_s = (float(schedule.f(r)) ** 2 * propagator + float(schedule.xi(r)) for r in (t, s))
        with np.errstate(divide="ignore", over="ignore"):
            h = np.log1p(q / np.multiply(a**2, v_s)) * (1.0 if stochastic else 0.5)
        shift, none = -np.expm1(-h), 0.0 * np.expm1(-h)
        extrapolate, bend = none, none
        if order == 3 and len(lengths) > 1:
            extrapolate, bend = _parabola(h, *lengths[:-3:-1])
        elif order > 1 and lengths:
            extrapolate = shift * np.minimum(h / lengths[-1], FARTHEST) / 2
        spread = np.sqrt(v_s * q / v_t) if stochastic else none
        yield StepWeights(v_t, shift, extrapolate, bend, spread)
        lengths.append(h)


def _parabola(h: Any, before: Any, older: Any) -> tuple[Any, Any]:
    """Weights of μ_i - μ_{i-1} and μ_{i-1} - μ_{i-2} at third order, for steps of lengths ``older, before, h`` in H."""
    h = np.minimum(h, LONGEST)
    reach = np.minimum(1.0, FARTHEST * before / h)
    # I_1 and I_2 by their series where the closed form cancels.
    first = np.where(h < 0.02, h**2 / 2 - h**3 / 6 + h**4 / 24, h + np.expm1(-h)) * reach
    second = np.where(h < 0.02, h**3 / 3 - h**4 / 12 + h**5 / 60, h**2 - 2 * (h + np.expm1(-h))) * reach
    curve = (second + before * first) / (before + older)
    return (first + curve) / before, -curve / older


def _like(modes: Tensor, weight: Any) -> Any:
    if np.ndim(weight) == 0:
        return float(weight)
    real = modes.real.dtype if modes.is_complex() else modes.dtype
    return torch.from_numpy(np.ascontiguousarray(weight)).to(device=modes.device, dtype=real)
