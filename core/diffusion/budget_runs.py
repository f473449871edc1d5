"""The backward processes that an error budget compares: the same paths with one part after the other made exact."""

from __future__ import annotations

import math

import numpy as np
import torch

from core.contracts import ScoreModel, Tensor, score_at
from core.diffusion.coarse_noise import CoarseNoise
from core.diffusion.exponential import FIELD_SOLVERS, exponential
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import backward_times
from core.diffusion.field_noise import noise_range
from core.jobs import Token
from core.noise import Noise
from core.schedule import Schedule

DEEPER = 4.0
"""The lowest level is divided by this for the exact cut-off."""
FLOWS = ("flow", "multistep", "exponential")
"""Solvers of the probability flow: no noise on the way."""
TAIL = 4
"""Steps between the lowest level and the deeper one, for each factor of e."""


class Runs:
    """The processes that are compared, of the same paths. ``names`` are those of what ``ends`` gives.

    ``lowest`` is the level at which the used process asks its score last; arguments otherwise as of ``error_budget``.
    """

    names = ("used", "fine", "deep", "exact", "matched")

    def __init__(
        self, score: ScoreModel, gaussian: FieldGaussianScore, schedule: Schedule, solver: str, grid: str, steps: int,
        lowest: float | None, prior: str, reference_steps: int, device: torch.device,
    ) -> None:  # fmt: skip
        self.gaussian, self.schedule, self.prior, self.device = gaussian, schedule, prior, device
        self.coarse = backward_times(gaussian, schedule, solver=solver, grid=grid, steps=steps, lowest=lowest)
        refinement = max(2, -(-reference_steps // steps))
        gridded = len(self.coarse) - 1 - int(self.coarse[-1] == 0)
        fine = backward_times(
            gaussian, schedule, solver="exponential", grid=grid, steps=gridded * refinement + 1, lowest=lowest
        )
        fine[:-1:refinement] = self.coarse[: gridded + 1]  # equal but for rounding
        self.last = len(fine) - 2
        self.lowest = float(schedule.sigma(fine[self.last]))
        self.fine = np.concatenate([fine[:-1], self._tail(noise_range(gaussian).low), [0.0]])
        self.score = score_at(score, schedule)
        self.solve = FIELD_SOLVERS[solver](gaussian)
        self.exactly = exponential(gaussian, stochastic=solver not in FLOWS)
        self.last_step = exponential(gaussian, order=1, stochastic=solver not in FLOWS)

    def _tail(self, usual: float) -> np.ndarray:
        """Times after that of the level ``lowest``, down to the deeper one."""
        deeper = min(self.lowest, usual) / DEEPER
        count = math.ceil(TAIL * math.log(self.lowest / deeper))
        return np.asarray(self.schedule.t_of_sigma(np.geomspace(self.lowest, deeper, count + 1)[1:]))

    def ends(self, start: Tensor, noise: Noise, token: Token | None) -> list[Tensor]:
        """Configurations at the end of every process, for paths whose exact prior comes from ``start``."""
        n, t = len(start), float(self.fine[0])
        f, xi = float(self.schedule.f(t)), float(self.schedule.xi(t))
        way = noise.of("way")

        def look(step: int, t: float, x: Tensor) -> None:
            if token is not None:
                token.check()

        def finely(x: Tensor) -> tuple[Tensor, Tensor]:
            """The end, and the configuration at the lowest level of the used process."""
            between = x

            def keep(step: int, t: float, x: Tensor) -> None:
                nonlocal between
                look(step, t, x)
                if step == self.last:
                    between = x

            end = self.exactly(x, self.score, self.schedule, self.fine, way, keep)
            return end, between

        x = self.gaussian.draw_prior(n, f, xi, noise, kind=self.prior).to(self.device)
        used = self.solve(x, self.score, self.schedule, self.coarse, self._on(self.coarse, way), look)
        deep, fine = finely(x)
        if self.coarse[-1] == 0:
            rest = np.array([self.fine[self.last], 0.0])
            fine = self.last_step(fine, self.score, self.schedule, rest, self._on(rest, way))
        eta = noise.of("prior").normal(0, tuple(start.shape), start.dtype)  # the deviates of the prior that was used
        exact, _ = finely((f * start + math.sqrt(xi) * eta).to(self.device))
        matched = deep
        if self.prior != "matched":
            matched, _ = finely(self.gaussian.draw_prior(n, f, xi, noise).to(self.device))
        return [used, fine, deep, exact, matched]

    def _on(self, times: np.ndarray, noise: Noise) -> CoarseNoise:
        return CoarseNoise(noise, self.schedule, self.fine, times)
