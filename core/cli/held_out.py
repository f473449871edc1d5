"""Held-out fields on which denoisers are compared: the same φ_0, the same noise, the same levels for all.

The loss is ``ℓ = ½ E |D(x̃, σ̃) - φ_0|²/σ̃²``, nats per configuration and unit of log σ̃, in bands of equal width in
log σ̃. It is independent of the units of the field.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from core.contracts import ScoreModel, Tensor
from core.diffusion.field_noise import NoiseRange
from core.ensembles.files import open_ensemble
from core.noise import Noise
from core.theories.phi4 import Phi4

LEVELS = 8
"""Noise levels in each band, at the middles of equal parts in log σ̃."""
HELD_OUT = 10
"""One configuration in so many is for validation alone."""

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""``D(x, σ̃)`` of fields (n, L, L) at levels (n,)."""


@dataclass(frozen=True, eq=False)
class Data:
    """Configurations to learn from, (chains, draws, L, L) float32, and others for validation, (n, L, L)."""

    theory: Phi4
    train: np.ndarray
    test: Tensor

    @classmethod
    def read(cls, path: Path) -> Data:
        """Split an ensemble file: the last tenth is for validation, by chain where there are ten or more."""
        with open_ensemble(path) as reader:
            fields = reader.read(0, reader.stored[0], 0, reader.stored[1])
            theory = reader.theory
        axis = 0 if fields.shape[0] >= HELD_OUT else 1
        if fields.shape[axis] < HELD_OUT or len(theory.event) != 2 or theory.event[0] != theory.event[1]:
            raise ValueError(f"{path} must hold at least {HELD_OUT} fields on a square lattice, got {fields.shape}")
        cut = fields.shape[axis] - fields.shape[axis] // HELD_OUT
        train, test = np.split(fields, [cut], axis=axis)
        return cls(theory, train, torch.from_numpy(test.reshape(-1, *theory.event)))

    @property
    def fields(self) -> Tensor:
        """What is learned from, (n, L, L)."""
        return torch.from_numpy(self.train.reshape(-1, *self.theory.event))


@dataclass(frozen=True, eq=False)
class Examination:
    """Held-out fields with noise: φ_0 and η (n, L, L), levels σ̃ (n,), and the edges of the bands of σ̃."""

    x0: Tensor
    eta: Tensor
    sigma: Tensor
    edges: np.ndarray

    @classmethod
    def of(cls, test: Tensor, levels: NoiseRange, bands: int, n: int, noise: Noise) -> Examination:
        """``n`` of the fields, rounded down to the same number at every level. ValueError where there are too few."""
        n -= n % (bands * LEVELS)
        if not 0 < n <= len(test):
            raise ValueError(
                f"held_out must be from {bands * LEVELS} ({LEVELS} levels in each of {bands} bands) to the {len(test)} "
                "fields that are kept for validation"
            )
        span = math.log(levels.high / levels.low)
        position = (torch.arange(n) % (bands * LEVELS) + 0.5) / (bands * LEVELS)
        row = noise.of("row").uniform(0, (len(test), 1)).flatten().argsort()[:n]
        sigma = (math.log(levels.low) + span * position.double()).exp().float()
        eta = noise.of("eta").normal(0, (n, *test.shape[1:]), torch.float32)
        return cls(test[row], eta, sigma, np.geomspace(levels.low, levels.high, bands + 1))

    @property
    def band(self) -> np.ndarray:
        """The band of each field, (n,)."""
        bands = len(self.edges) - 1
        return np.arange(len(self.x0)) % (bands * LEVELS) // LEVELS

    def losses(self, denoise: Denoiser) -> np.ndarray:
        """½|D - φ_0|²/σ̃² of each field, (n,), float64."""
        x = self.x0 + self.sigma[:, None, None] * self.eta
        wrong = (denoise(x, self.sigma) - self.x0).double() / self.sigma.double()[:, None, None]
        return (wrong.square().sum(dim=(1, 2)) / 2).numpy()


def denoiser_of(score: ScoreModel) -> Denoiser:
    """A score as a denoiser of fields at different levels, ``D = x̃ + σ̃² ∇log P(x̃)``."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        result = torch.empty_like(x)
        for level in sigma.unique():
            here, variance = sigma == level, float(level) ** 2
            result[here] = x[here] + variance * score.score(x[here], 1.0, variance)
        return result

    return denoise
