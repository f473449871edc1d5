"""Exact weights of whole backward paths: any step size, any score, no divergence.

A backward process of Gaussian steps is a law of paths x_N → … → x_0 from noise to data with a known density. The
forward process that starts from e^{-S} is another law of the same paths. Their ratio

    log w = -S(x_0) + Σ log p(x_{k+1}|x_k) - Σ log p_back(x_k|x_{k+1}) - log p_prior(x_N)

is the exact importance weight of a path, and of the configuration x_0 at its end: ``⟨w⟩ = Z``, ``⟨w O(x_0)⟩/⟨w⟩ = ⟨O⟩``
(Neal, Stat. Comput. 11 (2001) 125; for diffusion models Doucet et al., arXiv:2208.07698). Only the spread of w depends
on the score and the step size. The forward steps are exact, ``p(x_t|x_s) = N(f(t,s) x_s, Ξ(t,s))``. Backward, with
a = f(t,s) and q = Ξ(t,s), every step is drawn from a normal law:

- ``ancestral``: mean ``(x_t + q s(x_t))/a``, which is E[x_s|x_t] for the exact score of any law, and in each mode of a
  Gaussian reference of variance C the exact posterior variance ``q P_s/P_t``, P = f² C + Ξ, so that for Gaussian
  data with their own score all weights are equal at any number of steps. The DDPM variance, C = 0, would make the
  last step certain.
- ``euler``: mean ``x_t + [½ k x_t + g² s(x_t)] dt`` and variance g² dt, the Euler–Maruyama step.

A last step without noise, as the solvers of ``core.diffusion.backward`` take it, has no density. Here every step is
noisy, and the path ends at t = 0 by one more step from the last time of the grid: the ends are configurations of S
itself, not smeared ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from core.contracts import ScoreFunction, Theory
from core.diffusion.gaussian_law import Gaussian, GaussianLaw, prior_law
from core.diffusion.weights import Weighted, join
from core.jobs import Token, map_chunks
from core.noise import Noise
from core.schedule import Schedule

Tensor = torch.Tensor

KINDS = ("ancestral", "euler")
_CHUNK = 2**16  # numbers that one work item carries on the CPU
_CHUNK_DEVICE = 2**21


class _Step(NamedTuple):
    """From t to s: forward N(a x_s, q); backward mean ``scale x_t + drift s(x_t)``, ``variances`` of the modes."""

    t: float
    a: float
    q: float
    scale: float
    drift: float
    variances: np.ndarray
    bend: float  # times the curvature of the zero mode is what it adds to the variance there


@dataclass(frozen=True, eq=False)
class PathProposal:
    """A backward process whose paths have densities.

    ``theory`` gives S, ``score`` may be anything; ``times`` fall as ``core.diffusion.grids.time_grid`` gives them, and
    0 is added to them where they end above. ``gaussian`` fixes the prior (``matched`` or ``noise``) and the variances
    of ``ancestral`` steps; in the broken phase the variance of the zero mode is that of the two components, given
    where the path is. Paths and weights are float64; the score gets ``dtype`` on ``device``.

    Tails: a reference that is too narrow makes backward steps too narrow and the weights heavy-tailed. One that is
    too wide costs only efficiency. Raises ValueError for bad times, kind or prior, or for a Gaussian of another shape
    than the theory's.
    """

    theory: Theory
    score: ScoreFunction
    schedule: Schedule
    times: np.ndarray
    gaussian: Gaussian
    kind: str = "ancestral"
    prior: str = "matched"
    dtype: torch.dtype = torch.float64
    device: str | torch.device = "cpu"

    def __post_init__(self) -> None:
        times = np.asarray(self.times, dtype=float)
        if times.ndim != 1 or len(times) < 1 or times[-1] < 0 or not times[0] <= self.schedule.t_max:
            raise ValueError(
                f"times of a path must fall from at most {self.schedule.t_max:g} to at least 0, got {times}"
            )
        if times[-1] > 0:
            times = np.append(times, 0.0)
        if len(times) < 2 or np.any(np.diff(times) >= 0):
            raise ValueError(
                f"times of a path must fall from at most {self.schedule.t_max:g} to at least 0, got {times}"
            )
        object.__setattr__(self, "times", times)
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self._law.event != tuple(self.theory.event):
            raise ValueError(f"gaussian must have the theory's shape {self.theory.event}, got {self._law.event}")
        _ = self._prior, self._steps

    def propose(self, n: int, noise: Noise, token: Token | None = None) -> Weighted:
        """n configurations at the ends of independent paths, with the weights of the paths.

        Path i depends on ``noise`` and i alone. Raises FloatingPointError when a path stops being finite, Cancelled
        once ``token`` is.
        """

        def work(first: int, count: int) -> Weighted:
            own = noise.starting_at(first)
            f, xi = self._level(0)
            x = self._prior.draw(count, f, xi, own)
            log_w = -self._prior.log_prob(x, f, xi)
            for i, step in enumerate(self._steps):
                if token is not None:
                    token.check()
                eta = own.normal(i, tuple(x.shape))
                mean, zero = self._backward(i, x)
                y = mean + self._law.multiply(eta, np.sqrt(step.variances))
                log_w += eta.square().flatten(1).sum(1) / 2 + self._log_widths(step, zero)
                if zero is not None:
                    push = (zero.sqrt() - math.sqrt(float(step.variances.flat[0]))) * eta.flatten(1).mean(1)
                    y += push.reshape(-1, *[1] * (x.ndim - 1))
                log_w += _forward_density(step, x, y)
                x = y
                if not math.isfinite(float(x.sum())):
                    raise FloatingPointError(
                        f"A path diverged at step {i + 1} of {len(self._steps)}, t = {self.times[i + 1]:.4g}; "
                        "take more steps, another grid (log or karras), or ancestral steps."
                    )
            log_w -= self.theory.action(x)
            return Weighted(x, log_w.numpy())

        return join(map_chunks(work, n, self._size, token))

    def lift(self, x: Tensor, noise: Noise, token: Token | None = None) -> Weighted:
        """Configurations x (n, *event) with the weights of forward paths drawn from them.

        From x in equilibrium, x and path are a draw from the law that path-space Metropolis leaves invariant: the
        right start of a chain. Path i depends on x_i, ``noise`` and i alone.
        """

        def work(first: int, count: int) -> Weighted:
            own, start = noise.starting_at(first).of("lift"), x[first : first + count].double().cpu()
            y, log_w = start, -self.theory.action(start)
            for i in reversed(range(len(self._steps))):
                if token is not None:
                    token.check()
                step, eta = self._steps[i], own.normal(i, tuple(start.shape))
                z = step.a * y + math.sqrt(step.q) * eta
                mean, zero = self._backward(i, z)
                w = self._law.multiply(y - mean, step.variances**-0.5)
                square = w.square().flatten(1).sum(1)
                if zero is not None:
                    # the zero mode counts with its own variance instead
                    square += self._law.zero_mode(y - mean).square() * (1 / zero - 1 / float(step.variances.flat[0]))
                log_w += square / 2 + self._log_widths(step, zero) + _forward_density(step, z, y)
                y = z
            log_w -= self._prior.log_prob(y, *self._level(0))
            return Weighted(start, log_w.numpy())

        return join(map_chunks(work, len(x), self._size, token))

    @cached_property
    def _law(self) -> GaussianLaw:
        return GaussianLaw.of(self.gaussian)

    @cached_property
    def _prior(self) -> GaussianLaw:
        return prior_law(self._law, self.prior)

    def _level(self, i: int) -> tuple[float, float]:
        t = float(self.times[i])
        return float(self.schedule.f(t)), float(self.schedule.xi(t))

    @cached_property
    def _steps(self) -> list[_Step]:
        steps = []
        for i in range(len(self.times) - 1):
            t, s = float(self.times[i]), float(self.times[i + 1])
            a, q = float(self.schedule.f(t, s)), float(self.schedule.xi(t, s))
            if a < 1e-12:
                raise ValueError(f"times must not fall by so much that f(t,s) = {a:.2g}, as from {t:.4g} to {s:.4g}")
            if self.kind == "euler":
                g2dt = float(self.schedule.g2(t)) * (t - s)
                scale = 1 + float(self.schedule.k(t)) * (t - s) / 2
                steps.append(_Step(t, a, q, scale, g2dt, np.full(self._law.event, g2dt), 0.0))
            else:
                (ft, xit), (fs, xis) = self._level(i), self._level(i + 1)
                ratio = (fs**2 * self._law.variances + xis) / (ft**2 * self._law.variances + xit)
                steps.append(_Step(t, a, q, 1 / a, q / a, q * ratio, (q / a) ** 2))
        return steps

    @property
    def _size(self) -> int:
        numbers = _CHUNK if torch.device(self.device).type == "cpu" else _CHUNK_DEVICE
        return max(1, numbers // self._law.variances.size)

    def _backward(self, i: int, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean of the backward step from x, and the variances (n,) of its zero mode where they depend on x."""
        step = self._steps[i]
        score = self.score(x.to(self.dtype).to(self.device), step.t).to("cpu").double()
        mean = step.scale * x + step.drift * score
        if self._law.m == 0 or step.bend == 0:
            return mean, None
        return mean, step.variances.flat[0] + step.bend * self._law.zero_mode_curvature(x, *self._level(i))

    def _log_widths(self, step: _Step, zero: Tensor | None) -> Tensor | float:
        """½ Σ log variance over the modes."""
        total = 0.5 * float(np.log(step.variances).sum())
        return total if zero is None else total + (zero.log() - math.log(float(step.variances.flat[0]))) / 2


def _forward_density(step: _Step, x: Tensor, y: Tensor) -> Tensor:
    """log p(x_t = x | x_s = y) without its factor 2π, which the backward densities lack too."""
    square = (x - step.a * y).square().flatten(1).sum(1)
    return -square / (2 * step.q) - x[0].numel() / 2 * math.log(step.q)
