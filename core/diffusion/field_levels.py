"""Noise levels σ̃ for the training of a lattice field: their range, and how a batch is spread over it.

The loss is an integral over log σ̃, ``L = ∫ d log σ̃ ℓ(σ̃)``. A batch estimates it from levels with a density p in
log σ̃, each weighted by 1/p, so that the density decides the noise of the gradient and not what is learned. The noise
is least for p ∝ √E|∇ℓ|², which the adaptive density follows, band by band, and from afar: a share of the uniform
density stays in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.diffusion.field_data import Law
from core.diffusion.field_noise import HEADROOM, REMAINDER, NoiseRange, noise_range
from core.noise import Noise

Tensor = torch.Tensor

UNIFORM = 0.3
"""Share of the uniform density in an adaptive one."""
MEMORY = 0.5
"""Weight of what was measured before in the density."""


def trained_range(laws: Sequence[Law]) -> tuple[NoiseRange, str]:
    """The levels that suit all the laws, and a sentence that says why."""
    ranges = [noise_range(law.gaussian) for law in laws]
    low, high = min(r.low for r in ranges), max(r.high for r in ranges)
    smallest, largest = low / REMAINDER, high / HEADROOM
    sentence = (
        f"σ̃ from {low:.3g} to {high:.3g}: from {REMAINDER:g} times the spread {smallest:.3g} of the smallest mode, "
        f"below which noise no longer shows, to {HEADROOM:g} times the spread {largest:.3g} of the largest, beyond "
        "which nothing of the field is left."
    )
    return NoiseRange(low, high), sentence


@dataclass(frozen=True)
class NoiseLevels:
    """A density of log σ̃ on [log low, log high], constant in each of the bands of equal width.

    ``shares`` are the probabilities of the bands, which add up to 1. Raises ValueError for levels out of order and
    shares that are no probabilities.
    """

    low: float
    high: float
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high < math.inf:
            raise ValueError(f"noise levels must rise from above 0, got {self.low:g} to {self.high:g}")
        if not self.shares or min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(f"shares must be positive and add up to 1, got {self.shares}")

    @classmethod
    def uniform(cls, low: float, high: float, bands: int) -> NoiseLevels:
        """All levels alike, in log σ̃."""
        return cls(low, high, (1 / bands,) * bands)

    @property
    def span(self) -> float:
        """log(high/low)."""
        return math.log(self.high / self.low)

    @property
    def edges(self) -> np.ndarray:
        """σ̃ at the edges of the bands, (bands + 1,)."""
        return np.geomspace(self.low, self.high, len(self.shares) + 1)

    def draw(self, step: int, ranges: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """σ̃ (n,) and weights (n,), float32, for a step, each from its own one of the ``ranges`` (n, 2) in log σ̃.

        The density is cut off outside the range, and ``Σ weight ℓ / n`` estimates the mean over the n configurations
        of ``∫ d log σ̃ ℓ / span`` over their ranges. One level lies in each n-th part of the density, in random order.
        """
        n = len(ranges)
        u = noise.of("level").uniform(step, (n, 2))
        quantile = (torch.argsort(u[:, 0]) + u[:, 1]).numpy() / n
        bands, shares = len(self.shares), np.asarray(self.shares)
        edges, sums = np.arange(bands + 1) / bands, np.concatenate([[0.0], np.cumsum(shares)])
        ends = (ranges.double().numpy() - math.log(self.low)) / self.span
        low, high = np.interp(ends, edges, sums).T
        position = np.interp(low + quantile * (high - low), sums, edges)
        band = np.clip((position * bands).astype(int), 0, bands - 1)
        weights = (high - low) / (bands * shares[band])
        return torch.from_numpy(self.low * np.exp(self.span * position)).float(), torch.from_numpy(weights).float()

    def adapted(self, spreads: np.ndarray) -> NoiseLevels:
        """The density after ``spreads`` (bands,), √E|∇ℓ|² of each band, were measured."""
        spreads = np.nan_to_num(np.asarray(spreads, dtype=float))
        if not spreads.sum() > 0:
            return self
        found = (1 - UNIFORM) * spreads / spreads.sum() + UNIFORM / len(spreads)
        shares = MEMORY * np.asarray(self.shares) + (1 - MEMORY) * found
        return NoiseLevels(self.low, self.high, tuple((shares / shares.sum()).tolist()))
