"""The probability flow as a law with a density: samples with log q, and log q of given configurations.

In ``x̃ = x/f`` at noise level σ̃ every linear schedule has the same flow, ``dx̃/d log σ̃ = -σ̃² s(x̃, σ̃)``, and the
density along it changes by the flow's divergence (arXiv:1806.07366, theorem 1; arXiv:2011.13456, equation 39). With
a Gaussian reference of covariance C, B = C + σ̃² and ``x̃ = mean + B^½ z``, its part of flow and density is analytic,

    dz/d log σ̃ = -σ̃² B^{-½} r(x̃),      d log q_z/d log σ̃ = σ̃² ∇·r,      log q(x̃) = log q_z(z) - ½ log det B,

and only ``r = s - s_Gauss``, what the score has beyond the reference, is integrated (Runge–Kutta of fourth order in
log σ̃). For a Gaussian with its own score r = 0, and log q is exact. The law starts from the Gaussian's at the
highest level and ends at the lowest: q is a law of configurations smeared by the lowest level, as the score has it,
and its weights e^{-S}/q for S itself are exact all the same.

They are exact only with the exact divergence. Hutchinson's estimate e·∂(e·s) fluctuates; as E[e^noise] ≠ 1 its
weights are biased, and Metropolis with them has another law than e^{-S}. It is here as a diagnostic alone, and its
samples have no weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from core.contracts import ScoreModel, Theory
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.gaussian import GaussianScore
from core.diffusion.gaussian_law import Gaussian, GaussianLaw
from core.diffusion.weights import Weighted
from core.jobs import Token, map_chunks
from core.noise import Noise

Tensor = torch.Tensor

DIVERGENCES = ("exact", "differences", "hutchinson")
"""``exact``: the model's own ``divergence(x, f, xi)``, that of a Gaussian score, or the trace of the Jacobian by
automatic differentiation (one backward pass a site: for small systems). ``differences``: the trace by central
differences in float64, for scores that cannot be differentiated; relative error some 1e-9. ``hutchinson``: one random
probe a configuration, the same along its whole trajectory."""

_NUDGE = 1e-5  # step of the differences in units of the distance over which the score varies, σ̃
_CHUNK = 2**16


class Flowed(NamedTuple):
    """``fields`` (n, *event) float64 with ``log_q`` (n,) float64, normalised.

    ``error`` (n,) estimates the integrator's error of log q from twice as long steps.
    """

    fields: Tensor
    log_q: Tensor
    error: Tensor


@dataclass(frozen=True, eq=False)
class ProbabilityFlow:
    """The law q that the probability flow of ``model`` makes of the Gaussian's at level ``high``, down to ``low``.

    Levels are σ̃ in the units of the data. ``steps`` is the number of Runge–Kutta steps, even, with four scores and
    divergences each, and half as many again for the error estimate. The score gets ``dtype`` on
    ``device``, all else is float64 on the CPU. Raises ValueError for
    levels, steps or a divergence out of range.
    """

    model: ScoreModel
    gaussian: Gaussian
    low: float
    high: float
    steps: int = 64
    divergence: str = "exact"
    dtype: torch.dtype = torch.float64
    device: str | torch.device = "cpu"

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high < math.inf:
            raise ValueError(f"levels must obey 0 < low < high, got low = {self.low} and high = {self.high}")
        if self.steps < 2 or self.steps % 2:
            raise ValueError(f"steps must be an even number of at least 2, got {self.steps}")
        if self.divergence not in DIVERGENCES:
            raise ValueError(f"divergence must be one of {', '.join(DIVERGENCES)}, got {self.divergence!r}")
        _ = self._law

    def sample(self, n: int, noise: Noise, token: Token | None = None) -> Flowed:
        """n draws from q with log q; draw i depends on ``noise`` and i alone. Raises Cancelled once ``token`` is."""

        def work(first: int, count: int) -> Flowed:
            x, xi = self._law.draw(count, 1.0, self.high**2, noise.starting_at(first)), self.high**2
            start = self._law.log_prob(x, 1.0, xi) + self._log_det(self.high) - self._log_det(self.low)
            z, probe = self._whiten(x, self.high), self._probe(x, noise, first)
            end, change = self._integrate(z, self.high, self.low, self.steps, probe, token)
            _, coarse = self._integrate(z, self.high, self.low, self.steps // 2, probe, token)
            return Flowed(self._colour(end, self.low), start + change, _error(change, coarse))

        return self._in_chunks(work, n, token)

    def log_prob(self, x: Tensor, noise: Noise | None = None, token: Token | None = None) -> Flowed:
        """log q of given configurations x (n, *event). ``noise`` is for the probes of ``hutchinson`` alone."""

        def work(first: int, count: int) -> Flowed:
            some = x[first : first + count].double().cpu()
            probe = self._probe(some, noise or Noise(0), first)

            def log_q(steps: int) -> Tensor:
                z = self._whiten(some, self.low)
                z, change = self._integrate(z, self.low, self.high, steps, probe, token)
                end = self._law.log_prob(self._colour(z, self.high), 1.0, self.high**2)
                return end + self._log_det(self.high) - self._log_det(self.low) - change

            fine = log_q(self.steps)
            return Flowed(some, fine, _error(fine, log_q(self.steps // 2)))

        return self._in_chunks(work, len(x), token)

    def propose(self, theory: Theory, n: int, noise: Noise, token: Token | None = None) -> Weighted:
        """n draws with their weights e^{-S}/q. Raises ValueError for ``hutchinson``, whose weights are biased."""
        self._require_exact()
        return weighted(theory, self.sample(n, noise, token))

    def weigh(self, theory: Theory, x: Tensor, token: Token | None = None) -> Weighted:
        """Given configurations with their weights: the start of a chain. Raises ValueError for ``hutchinson``."""
        self._require_exact()
        return weighted(theory, self.log_prob(x, token=token))

    @cached_property
    def _law(self) -> GaussianLaw:
        return GaussianLaw.of(self.gaussian)

    @cached_property
    def _reference(self) -> GaussianLaw:
        return self._law.one_component

    def _spread(self, level: float) -> np.ndarray:
        return np.sqrt(self._reference.variances + level**2)

    def _log_det(self, level: float) -> float:
        """½ log det B."""
        return float(np.log(self._spread(level)).sum())

    def _whiten(self, x: Tensor, level: float) -> Tensor:
        return self._reference.multiply(x - torch.from_numpy(self._reference.mean), 1 / self._spread(level))

    def _colour(self, z: Tensor, level: float) -> Tensor:
        return self._reference.multiply(z, self._spread(level)) + torch.from_numpy(self._reference.mean)

    def _probe(self, x: Tensor, noise: Noise, first: int) -> Tensor | None:
        if self.divergence != "hutchinson":
            return None
        return noise.of("probe").starting_at(first).normal(0, tuple(x.shape)).sign()

    def _integrate(
        self, z: Tensor, start: float, end: float, steps: int, probe: Tensor | None, token: Token | None
    ) -> tuple[Tensor, Tensor]:
        grid, h = np.linspace(math.log(start), math.log(end), steps + 1), math.log(end / start) / steps
        change = z.new_zeros(len(z))
        for i in range(steps):
            if token is not None:
                token.check()
            begin, middle, stop = (math.exp(v) for v in (grid[i], grid[i] + h / 2, grid[i + 1]))
            v1, d1 = self._slope(z, begin, probe)
            v2, d2 = self._slope(z + h / 2 * v1, middle, probe)
            v3, d3 = self._slope(z + h / 2 * v2, middle, probe)
            v4, d4 = self._slope(z + h * v3, stop, probe)
            z = z + h / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
            change = change + h / 6 * (d1 + 2 * d2 + 2 * d3 + d4)
            if not math.isfinite(float(z.sum())):
                raise FloatingPointError(f"The flow diverged at noise level {stop:.4g}; take more steps.")
        return z, change

    def _slope(self, z: Tensor, level: float, probe: Tensor | None) -> tuple[Tensor, Tensor]:
        """dz/d log σ̃ and d log q_z/d log σ̃."""
        x, xi, spread = self._colour(z, level), level**2, self._spread(level)
        y = x.to(self.dtype).to(self.device)
        score = self.model.score(y, 1.0, xi).to("cpu").double()
        # The score of the reference is -B^{-½} z.
        velocity = -xi * self._reference.multiply(self._reference.multiply(score, spread) + z, spread**-2)
        divergence = score_divergence(self.model, y, xi, self.divergence, probe).to("cpu")
        return velocity, xi * (divergence + float((spread**-2).sum()))

    def _in_chunks(self, work: Callable[[int, int], Flowed], n: int, token: Token | None) -> Flowed:
        parts = map_chunks(work, n, max(1, _CHUNK // math.prod(self._law.event)), token)
        return Flowed(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def _require_exact(self) -> None:
        if self.divergence == "hutchinson":
            raise ValueError("divergence must be exact (or differences) for weights: those of hutchinson are biased")


def _error(fine: Tensor, coarse: Tensor) -> Tensor:
    """An error of fourth order is 15 times smaller for half the step than its difference from the whole one's."""
    return (fine - coarse).abs() / 15


def weighted(theory: Theory, flowed: Flowed) -> Weighted:
    """Configurations with the weights e^{-S}/q that their log q gives."""
    return Weighted(flowed.fields, (-theory.action(flowed.fields) - flowed.log_q).numpy())


def score_divergence(model: Any, x: Tensor, xi: float, method: str = "exact", probe: Tensor | None = None) -> Tensor:
    """∇·s of the model's score at x (n, *event) and Ξ (f = 1), shape (n,), float64, by one of DIVERGENCES.

    ``probe`` of the shape of x, ±1, is for ``hutchinson``. Raises ValueError where the score cannot be differentiated
    automatically.
    """
    if method == "differences":
        return _by_differences(model, x, xi)
    if method == "exact":
        if isinstance(model, FieldGaussianScore | GaussianScore):
            return GaussianLaw.of(model).divergence(x.double(), 1.0, xi)
        if hasattr(model, "divergence"):
            return model.divergence(x, 1.0, xi).double()
    with torch.enable_grad():
        y = x.detach().requires_grad_(True)
        try:
            score = model.score(y, 1.0, xi)
            if method == "hutchinson":
                assert probe is not None
                e = probe.to(x)
                return (_row(score, y, e, False) * e).double().flatten(1).sum(1)
            total, sites = x.new_zeros(len(x), dtype=torch.float64), x[0].numel()
            for j in range(sites):
                unit = torch.zeros_like(x)
                unit.flatten(1)[:, j] = 1
                total += _row(score, y, unit, j + 1 < sites).flatten(1)[:, j].double()
            return total
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise ValueError(
                f"divergence must be differences for {type(model).__name__}, whose score cannot be differentiated "
                f"automatically: {error}"
            ) from error


def _row(score: Tensor, y: Tensor, direction: Tensor, keep: bool) -> Tensor:
    """∂(direction·s)/∂y of each configuration, which is its own because scores do not see their neighbours."""
    return torch.autograd.grad(score, y, direction, retain_graph=keep)[0]


def _by_differences(model: Any, x: Tensor, xi: float) -> Tensor:
    h, total = _NUDGE * math.sqrt(xi), x.new_zeros(len(x), dtype=torch.float64)
    for j in range(x[0].numel()):
        pair = []
        for sign in (1, -1):
            moved = x.double().clone()
            moved.flatten(1)[:, j] += sign * h
            pair.append(model.score(moved, 1.0, xi).flatten(1)[:, j].double())
        total += (pair[0] - pair[1]) / (2 * h)
    return total
