"""The law of dissolved Gaussian data as a density: drawn from, evaluated, and taken apart into its modes.

``FieldGaussianScore`` and ``GaussianScore`` know a score; here is the law it belongs to. ``x = f x_0 + √Ξ η`` has in
each mode of the data's covariance, a Fourier mode or a principal axis, the variance ``P = f² C + Ξ``. Two Gaussian
fields around ±m differ in the zero mode ``φ̂_0 = Σ_x φ_x/√V`` alone, where their density is

    ½ Σ_± N(φ̂_0; ±b, P_0),      b = f m √V.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.gaussian import GaussianScore
from core.diffusion.prior import PRIORS
from core.noise import Noise

Tensor = torch.Tensor
Gaussian = FieldGaussianScore | GaussianScore


@dataclass(frozen=True, eq=False)
class GaussianLaw:
    """Gaussian data with the ``variances`` C of their modes, and what noise makes of them.

    For a lattice field ``variances`` has the shape ``event`` and belongs to the momenta, ``axes`` is None, and the
    data are two fields around ±``m`` with equal weights. Otherwise ``axes`` (dim, dim) holds the principal axes as
    columns, and the data are centred on ``mean`` (dim,). Fields are (n, *event), all arithmetic is float64.
    """

    variances: np.ndarray
    mean: np.ndarray
    axes: np.ndarray | None = None
    m: float = 0.0

    @classmethod
    def of(cls, gaussian: Gaussian) -> GaussianLaw:
        """The law whose score this is. Raises ValueError for anything but a FieldGaussianScore or GaussianScore."""
        if isinstance(gaussian, FieldGaussianScore):
            return cls(gaussian.connected, np.zeros(gaussian.event), None, gaussian.m)
        if isinstance(gaussian, GaussianScore):
            variances, axes = np.linalg.eigh(gaussian.covariance)
            return cls(variances, gaussian.mean, axes)
        raise ValueError(f"a Gaussian law needs a FieldGaussianScore or a GaussianScore, got {type(gaussian).__name__}")

    @property
    def event(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return self.variances.shape

    @property
    def one_component(self) -> GaussianLaw:
        """The single Gaussian with the same one- and two-point functions: its zero mode carries V⟨M²⟩."""
        variances = self.variances.copy()
        variances.flat[0] += variances.size * self.m**2 if self.m else 0.0
        return replace(self, variances=variances, m=0.0)

    def multiply(self, x: Tensor, values: np.ndarray) -> Tensor:
        """x with each of its modes multiplied by its one of ``values`` (of the shape of ``variances``)."""
        if self.axes is None:
            axes = tuple(range(1, x.ndim))
            half = np.ascontiguousarray(values[..., : values.shape[-1] // 2 + 1])
            return torch.fft.irfftn(torch.fft.rfftn(x, dim=axes) * torch.from_numpy(half), s=self.event, dim=axes)
        # By hand: a matrix product may round differently when there are more paths.
        matrix = (self.axes * values) @ self.axes.T
        columns = [sum(x[:, j] * float(matrix[i, j]) for j in range(len(matrix))) for i in range(len(matrix))]
        return torch.stack(columns, dim=1)  # type: ignore[arg-type]

    def zero_mode(self, x: Tensor) -> Tensor:
        """φ̂_0 = Σ_x φ_x/√V of each configuration, shape (n,)."""
        return x.flatten(1).sum(1) / math.sqrt(self.variances.size)

    def log_prob(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        """Logarithm of the normalised density of ``f x_0 + √Ξ η`` at x, shape (n,)."""
        p = f**2 * self.variances + xi
        y = x.double() - f * torch.from_numpy(self.mean)
        log_p = -self.multiply(y, p**-0.5).square().flatten(1).sum(1) / 2 - 0.5 * float(np.log(2 * np.pi * p).sum())
        if self.m > 0:
            b, p0 = self._offset(f), float(p.flat[0])
            z = (b / p0 * self.zero_mode(y)).abs()
            log_p += z + torch.log1p(torch.exp(-2 * z)) - math.log(2) - b**2 / (2 * p0)  # log cosh, no overflow
        return log_p

    def draw(self, n: int, f: float, xi: float, noise: Noise) -> Tensor:
        """n draws of ``f x_0 + √Ξ η``; draw i depends on ``noise`` and i alone."""
        eta = noise.of("prior").normal(0, (n, *self.event))
        x = self.multiply(eta, np.sqrt(f**2 * self.variances + xi)) + f * torch.from_numpy(self.mean)
        if self.m > 0:
            sign = torch.where(noise.of("component").uniform(0, (n, 1)) < 0.5, -1.0, 1.0).double()
            x += (f * self.m * sign).reshape(-1, *[1] * len(self.event))
        return x

    def divergence(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        """Σ_i ∂_i s_i of the law's score s at x, shape (n,)."""
        p = f**2 * self.variances + xi
        return self.zero_mode_curvature(x, f, xi) - float((1 / p).sum())

    def zero_mode_curvature(self, x: Tensor, f: float, xi: float) -> Tensor:
        """∂²log P/∂φ̂_0² + 1/P_0 = (b/P_0)² / cosh²(b φ̂_0/P_0), shape (n,): 0 for one component."""
        if self.m == 0:
            return x.new_zeros(len(x), dtype=torch.float64)
        slope = self._offset(f) / float(f**2 * self.variances.flat[0] + xi)
        z = (slope * self.zero_mode(x.double())).clamp(-300, 300)
        return (slope / torch.cosh(z)).square()

    def _offset(self, f: float) -> float:
        return f * self.m * math.sqrt(self.variances.size)


def prior_law(law: GaussianLaw, kind: str) -> GaussianLaw:
    """The law that a backward process starts from: ``matched`` the dissolved data's, ``noise`` N(f·mean, Ξ).

    Raises ValueError for any other kind.
    """
    if kind not in PRIORS:
        raise ValueError(f"prior must be one of {', '.join(PRIORS)}, got {kind!r}")
    return law if kind == "matched" else replace(law, variances=np.zeros(law.event), m=0.0)
