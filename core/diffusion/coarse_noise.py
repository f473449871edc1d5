"""The noise that a coarse grid of times feels on the Brownian path of a finer one.

Over a step of the coarse grid the increment of the path is ``∫ g dW``, the sum of those over the fine steps in it; so
its unit deviate is ``Σ_j √(Δu_j/Δu) η_j``, u = ∫ g². Two runs of a stochastic process on both grids then differ by
their steps, not by their noise.
"""

from __future__ import annotations

import numpy as np
import torch

from core.contracts import Tensor
from core.noise import Noise
from core.schedule import Schedule


class CoarseNoise:
    """Noise for the steps of ``coarse`` made of the deviates that ``noise`` gives for the steps of ``fine``.

    Both are falling times, and every one of ``coarse`` must be one of ``fine``: ValueError if not.
    """

    def __init__(self, noise: Noise, schedule: Schedule, fine: np.ndarray, coarse: np.ndarray) -> None:
        self._noise, self._arguments = noise, (schedule, fine, coarse)
        self._place = np.searchsorted(-fine, -coarse)
        if np.any(self._place >= len(fine)) or np.any(fine[np.minimum(self._place, len(fine) - 1)] != coarse):
            raise ValueError("every time of the coarse grid must be one of the fine grid")
        self._variance = -np.diff(np.asarray(schedule.u(fine), dtype=float))

    def of(self, stream: str) -> CoarseNoise:
        """Another stream on the same grids."""
        return CoarseNoise(self._noise.of(stream), *self._arguments)

    def normal(self, step: int, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device | str) -> Tensor:
        """N(0, 1) deviates of a step of the coarse grid; ``shape[0]`` runs over paths."""
        inside = slice(int(self._place[step]), int(self._place[step + 1]))
        weights = np.sqrt(self._variance[inside] / self._variance[inside].sum())
        total = torch.zeros(shape, dtype=dtype, device=device)
        for j, weight in enumerate(weights, inside.start):
            total.add_(self._noise.normal(j, shape, dtype, device), alpha=float(weight))
        return total
