"""The network of a learned score: a Gaussian denoiser that knows the data's mean and covariance, and a correction.

Every linear schedule is the variance-expanding process of ``x̃ = x/f`` at noise level ``σ̃ = √Ξ/f``, so one denoiser
``D(x̃, σ̃) = E[x_0 | x̃]`` gives the score of all of them. In the principal axes of the data, with variances v_i and
centred on their mean,

    D_i = v_i x̃_i / (v_i + σ̃²)  +  c_i(σ̃) F_i(z, log σ̃),     z_i = x̃_i / √(v_i + σ̃²),
    c_i = √v_i σ̃ / √(v_i + σ̃²) · σ̃ / √(σ̃² + σ_*²) · v_i / (v_i + σ̃²),     σ_* = KNEE times the spread of the data.

The first term is exact for Gaussian data. The first factor of c_i is the spread of x_0 around it, which makes the
target of F of order one (the preconditioning of arXiv:2206.00364, table 1, per axis). The second turns F into the
score itself below σ_*, where that has a limit; the level enters F as asinh(σ̃/σ_*), which has one too. The third lets
the correction fade as the noise makes the distribution Gaussian.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.utils import skip_init

from core.contracts import Tensor
from core.noise import Noise

KNEE = 0.1
_FLOOR = 1e-6  # smallest variance of an axis relative to the largest, for data that lie on a line


@dataclass(frozen=True, eq=False)
class Normalisation:
    """What the network knows of the data beforehand: their mean and principal axes, and how far they reach.

    ``mean`` (dim,), ``variances`` (dim,) along the principal axes, ``axes`` (dim, dim) with one axis a column, so that
    ``(x - mean) @ axes`` are the coordinates along them; ``reach`` is the largest distance of a training sample from
    the mean along an axis, in units of the standard deviation there.
    """

    mean: np.ndarray
    variances: np.ndarray
    axes: np.ndarray
    reach: float

    @classmethod
    def of(cls, samples: Tensor) -> Normalisation:
        """From samples (n, dim). Raises ValueError for another shape, non-finite numbers or no spread at all."""
        if samples.ndim != 2 or samples.shape[0] < 2 or samples.shape[1] < 1:
            raise ValueError(f"samples must have the shape (n, dim) with n at least 2, got {tuple(samples.shape)}")
        x = samples.detach().cpu().double().numpy()
        if not np.all(np.isfinite(x)):
            raise ValueError("samples must be finite, but some are infinite or not a number")
        mean = x.mean(axis=0)
        x = x - mean
        variances, axes = np.linalg.eigh(x.T @ x / len(x))
        axes = axes * np.where(axes.sum(axis=0) < 0, -1.0, 1.0)
        if not variances.max() > 0:
            raise ValueError("samples must differ from each other, but all are the same")
        variances = np.maximum(variances, _FLOOR * variances.max())
        return cls(mean, variances, axes, float(np.abs(x @ axes / np.sqrt(variances)).max()))

    @property
    def dim(self) -> int:
        return len(self.mean)

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the data, shape (dim, dim)."""
        return (self.axes * self.variances) @ self.axes.T

    @property
    def scale(self) -> float:
        """Root mean square spread per component, the unit in which the network counts σ̃."""
        return math.sqrt(float(self.variances.mean()))


class Correction(nn.Module):
    """F(z, σ̃): a perceptron of ``depth`` hidden layers of ``width`` units, smooth, zero before training.

    ``forward(z, sigma)`` takes z (n, dim) and σ̃ in units of the data's scale, one number for all (shape ()) or one
    each (shape (n,)), and returns (n, dim).
    """

    def __init__(self, dim: int, width: int, depth: int) -> None:
        super().__init__()
        self.dim, self.width, self.depth = dim, width, depth
        # Left uninitialised, because torch would draw from its global generator.
        self.point = skip_init(nn.Linear, dim, width, bias=False)
        self.level = skip_init(nn.Linear, 5, width)
        self.hidden = nn.ModuleList(skip_init(nn.Linear, width, width) for _ in range(depth - 1))
        self.out = skip_init(nn.Linear, width, dim)

    def initialise(self, noise: Noise) -> None:
        """Draw the weights from ``noise``, uniform within 1/√(number of inputs); the last layer is zero."""
        with torch.no_grad():
            for number, (name, weight) in enumerate(self.named_parameters()):
                if name.startswith("out"):
                    weight.zero_()
                else:
                    bound = 1.0 if weight.ndim == 1 else weight.shape[1] ** -0.5
                    weight.copy_(bound * (2 * noise.uniform(number, (weight.numel(),)).reshape(weight.shape) - 1))

    def forward(self, z: Tensor, sigma: Tensor) -> Tensor:
        level = torch.asinh(sigma / KNEE) - 1.5
        features = torch.stack(
            [level / 3, torch.sin(level), torch.cos(level), torch.sin(2 * level), torch.cos(2 * level)], dim=-1
        )
        h = nn.functional.silu(self.point(z) + self.level(features))
        for layer in self.hidden:
            h = nn.functional.silu(layer(h))
        return self.out(h)
