"""The part of a learned score that integration by parts says is not there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.quasirandom import SobolEngine

from core.contracts import Tensor
from core.diffusion.network import Correction

_POINTS, _LEVELS = 8192, 48


@dataclass(frozen=True, eq=False)
class LinearPart:
    """What the network's F (see ``core.diffusion.network``) has of a constant and of a linear function of z.

    Integration by parts gives ``⟨∂_i log P⟩ = 0`` and ``⟨(x - ⟨x⟩)_i ∂_j log P⟩ = -δ_ij`` for every law P, and the
    Gaussian term of the denoiser obeys both by itself; so the exact F has ``⟨F⟩ = 0`` and ``⟨z_i F_j⟩ = 0``. A
    trained one misses this by some thousandths, which is the largest error of the cumulants at the end of a backward
    process. With this part subtracted, mean and covariance follow ``f·mean`` and ``f² C + Ξ`` as they must.

    ``levels`` (m,) is log σ̃ in units of the data's scale, rising; ``coefficients`` (m, 1 + dim, dim) hold for each
    level the constant and the matrix; in between they are interpolated.
    """

    levels: np.ndarray
    coefficients: np.ndarray

    @classmethod
    def of(cls, network: Correction, data: Tensor, variances: Tensor, low: float, high: float) -> LinearPart:
        """Fitted at noise levels from log σ̃ = ``low`` to ``high``.

        ``data`` (n, dim) are the training samples, float64, centred, along their principal axes, in units of their
        scale, with ``variances`` (dim,). Averages run over 8192 Sobol points: a quantile of the data along their last
        axis, which is the longest, and a normal deviate along each. Their error is about 1e-4 in one dimension and at
        most that of 8192 random points in two.
        """
        dim = data.shape[1]
        points = SobolEngine(1 + dim, scramble=True, seed=0).draw(_POINTS, dtype=torch.float64)
        x0 = data[data[:, -1].argsort()][(points[:, 0] * len(data)).long().clamp(max=len(data) - 1)]
        eta = torch.special.ndtri(points[:, 1:].clamp(1e-9, 1 - 1e-9))
        levels = np.linspace(low, high, _LEVELS)
        coefficients = np.empty((_LEVELS, 1 + dim, dim))
        with torch.inference_mode():
            for number, level in enumerate(levels):
                sigma = math.exp(level)
                z = (x0 + sigma * eta) / (variances + sigma**2).sqrt()
                design = torch.cat([torch.ones(_POINTS, 1, dtype=torch.float64), z], dim=1)
                out = network(z.float(), torch.tensor(sigma, dtype=torch.float32)).double()
                # Normal equations, because torch's lstsq may differ in the last bit from call to call.
                coefficients[number] = np.linalg.solve((design.T @ design).numpy(), (design.T @ out).numpy())
        return cls(levels, coefficients)

    def at(self, sigma: float) -> np.ndarray:
        """Coefficients (1 + dim, dim) at the noise level σ̃; beyond the ends they stay what they are there."""
        place = float(np.interp(math.log(sigma), self.levels, np.arange(len(self.levels))))
        i = min(int(place), len(self.levels) - 2)
        return self.coefficients[i] + (place - i) * (self.coefficients[i + 1] - self.coefficients[i])
