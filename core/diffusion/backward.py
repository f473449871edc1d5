"""The backward process, which makes data out of noise: six integrators of one signature.

With the score ``s(x, t) = ∇log P_t(x)`` the forward process ``dx = -½ k x dt + g dW`` is undone, in falling time, by

    Anderson's SDE            dx = [½ k x + g² s] dτ + g dW          (arXiv:2410.21212, section 2)
    the probability flow      dx = [½ k x + ½ g² s] dτ               (arXiv:2011.13456, equation 13)

Every solver is called as ``solver(x, score, schedule, times, noise, callback=None)``: ``x`` of shape (n, *event), any
dtype and device; ``times`` falling, as ``core.diffusion.grids.time_grid`` gives them; the noise of step i, from
``times[i]`` to ``times[i+1]``, is ``noise.normal(i, …)``, so that a path does not depend on its neighbours. The last
step has no noise. ``callback(i, times[i], x)`` sees the start and every step. All raise ValueError for times that do
not fall, and FloatingPointError, with the step and a remedy in a sentence, when a path stops being finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from core.contracts import ScoreFunction, StepCallback, Tensor
from core.diffusion.multistep import multistep
from core.diffusion.stepping import begin, deviates, posterior_steps
from core.noise import Noise
from core.schedule import Schedule

Solver = Callable[..., Tensor]


@torch.no_grad()
def euler(x, score: ScoreFunction, schedule: Schedule, times, noise: Noise, callback: StepCallback | None = None):
    """Euler–Maruyama: ``x += [½ k x + g² s(x, t)] dt + g √dt η``. First order; unstable where g² dt is large."""
    watch, k, g2, dt = begin(x, schedule, times, callback)
    for i in range(len(dt)):
        drift = g2[i] * dt[i]
        x = ((1 + k[i] * dt[i] / 2) * x).add_(score(x, times[i]), alpha=drift)
        if i + 1 < len(dt):
            x.add_(deviates(noise, i, x), alpha=math.sqrt(drift))
        watch(i + 1, x)
    return x


@torch.no_grad()
def heun(x, score: ScoreFunction, schedule: Schedule, times, noise: Noise, callback: StepCallback | None = None):
    """Stochastic Heun: the drift averaged over both ends of the step, the noise with its exact variance ∫g².

    Second order in law. The last step follows the probability flow, which needs no noise and keeps the order.
    """
    watch, k, g2, dt = begin(x, schedule, times, callback)
    variance = -np.diff(schedule.u(np.asarray(times, float)))
    for i in range(len(dt)):
        noisy = i + 1 < len(dt)
        kick = math.sqrt(variance[i]) * deviates(noise, i, x) if noisy else torch.zeros_like(x)
        half = 1.0 if noisy else 0.5
        slope = k[i] / 2 * x + half * g2[i] * score(x, times[i])
        y = x + dt[i] * slope + kick
        slope += k[i + 1] / 2 * y + half * g2[i + 1] * score(y, times[i + 1])
        x = x + dt[i] / 2 * slope + kick
        watch(i + 1, x)
    return x


@torch.no_grad()
def flow(x, score: ScoreFunction, schedule: Schedule, times, noise: Noise, callback: StepCallback | None = None):
    """The probability flow by Heun's method, second order; deterministic: ``noise`` is not used."""
    watch, k, g2, dt = begin(x, schedule, times, callback)
    for i in range(len(dt)):
        slope = (k[i] * x).add_(score(x, times[i]), alpha=g2[i])
        y = x + dt[i] / 2 * slope
        slope.add_(y, alpha=k[i + 1]).add_(score(y, times[i + 1]), alpha=g2[i + 1])
        x = x + dt[i] / 4 * slope
        watch(i + 1, x)
    return x


@torch.no_grad()
def ancestral(x, score: ScoreFunction, schedule: Schedule, times, noise: Noise, callback: StepCallback | None = None):
    """Draws x_s from its Gaussian posterior given x_t and the denoised x_0 (arXiv:2006.11239, equation 7).

    With a = f(t,s) and q = Ξ(t) - a² Ξ(s) = Ξ(t,s), and Tweedie's x̂_0 = (x_t + Ξ(t) s)/f(t) put in, the posterior is
    ``x_s = (x_t + q s)/a + √(Ξ(s) q/Ξ(t)) η``, in which f(t), that may be tiny, has cancelled. First order.
    """
    watch, _, _, dt = begin(x, schedule, times, callback)
    a, q, posterior = posterior_steps(schedule, times, x.dtype)
    for i in range(len(dt)):
        x = (x + q[i] * score(x, times[i])) / a[i]
        if i + 1 < len(dt):
            x.add_(deviates(noise, i, x), alpha=math.sqrt(posterior[i]))
        watch(i + 1, x)
    return x


@torch.no_grad()
def pc(x, score: ScoreFunction, schedule: Schedule, times, noise: Noise, callback: StepCallback | None = None):
    """Predictor–corrector (arXiv:2011.13456, algorithm 2): an ancestral step, then one Langevin step at the new time.

    The corrector is ``x += ε s + √(2ε) η`` with ε = ½ Ξ(s) q/Ξ(t), half the posterior variance: it adds as much noise
    as the predictor did. As ε <= ½ Ξ(s), and no law smoothed by noise Ξ curves more than 1/Ξ, it is stable; as ε
    shrinks with the step, its bias does too, and the method is of first order. (A step size from norms over all
    paths, as in the paper, would make a path depend on its neighbours.) The last point is left uncorrected.
    """
    watch, _, _, dt = begin(x, schedule, times, callback)
    a, q, posterior = posterior_steps(schedule, times, x.dtype)
    correction = noise.of("corrector")
    for i in range(len(dt)):
        x = (x + q[i] * score(x, times[i])) / a[i]
        if i + 1 < len(dt):
            x.add_(deviates(noise, i, x), alpha=math.sqrt(posterior[i]))
            x = x + posterior[i] / 2 * score(x, times[i + 1])
            x.add_(deviates(correction, i, x), alpha=math.sqrt(posterior[i]))
        watch(i + 1, x)
    return x


SOLVERS: dict[str, Solver] = {s.__name__: s for s in (euler, heun, flow, ancestral, pc, multistep)}
"""Every integrator by the name that the command line, the address bar and files use."""


def euler_warning(schedule: Schedule, times, variance: float) -> str | None:
    """A sentence where Euler's step overshoots so far that a path of a law of this variance grows, else None.

    ``variance`` is κ_2 of the data (the smallest one in more dimensions). On a Gaussian law of variance
    ``v = f² κ_2 + Ξ`` a step multiplies x by ``1 + (½ k - g²/v) dt``, which must not fall below -1.
    """
    t = np.asarray(times, dtype=float)[:-1]
    v = schedule.f(t) ** 2 * variance + schedule.xi(t)
    growth = 1 + (schedule.k(t) / 2 - schedule.g2(t) / v) * -np.diff(times)
    worst = int(np.argmin(growth))
    if growth[worst] >= -1:
        return None
    return (
        f"Euler's step is unstable here: at t = {t[worst]:.3g} it multiplies a path by {growth[worst]:.3g}; "
        "take more steps, the log or karras grid, or the ancestral or flow solver."
    )
